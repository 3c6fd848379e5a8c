"""What a trained network is asked afterwards: one function a question, each answer kept beside the run that it is about.

A training touches the test set once. An examination looks at the network again, to explain and never to choose: how sure
it is, where its attention lies, what it makes of darker or hidden faces. Answers are small arrays, shipped with their runs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from fercore.config import RunConfig
from fercore.data import Splits, load_data
from fercore.errors import ConfigError
from fercore.methods import find_method
from fercore.models.build import build_model, output_shapes
from fercore.runs import (
    find_examination,
    find_result,
    local_folder,
    open_folder,
    pack,
    require_trainable,
    shipped_only,
    write_at_once,
)
from fercore.train import evaluate, find_device, train

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Trained:
    """A finished run's network as it was after the last epoch, in eval mode, and its data; where it was asked for, also the
    objective, with its centers and its attention.
    """

    config: RunConfig
    data: Splits
    model: nn.Module
    objective: nn.Module | None


def examine(config: RunConfig, name: str, *, device: str = "auto", fresh: bool = False) -> Arrays:
    """What examination `name`, a key of EXAMINATIONS, says of the run of `config`.

    Found in the local store or among the shipped ones, else asked now: of the run's weights, or, where these are not
    here (a shipped run has none), of a new training of the same config.

    Raises:
        ConfigError: there is no such examination.
        NotShipped: the answer is not shipped, and FERCORE_SHIPPED_ONLY=1 forbids to ask.
    """
    if name not in EXAMINATIONS:
        raise ConfigError(f"unknown examination {name!r}; known: {', '.join(EXAMINATIONS)}")
    if not fresh and (known := find_examination(config, name)) is not None:
        return known
    if shipped_only():
        require_trainable(config)
    arrays = EXAMINATIONS[name](config, device)
    write_at_once(open_folder(config) / f"examined-{name}.npz", pack(arrays))
    return arrays


def load_trained(config: RunConfig, device: str, *, with_objective: bool = False) -> Trained:
    """The network of a finished run; trained first where its weights are not here.

    Raises:
        ConfigError: the run diverged, so that there is no network to ask.
    """
    needed = ["last.safetensors", "objective.safetensors"][: 1 + with_objective]
    known, folder = find_result(config), local_folder(config)
    if not known or (not known.diverged and not all((folder / name).exists() for name in needed)):
        (folder / "result.json").unlink(missing_ok=True)  # a run without its weights is not whole
        known = train(config, device=device, fresh=known is not None)
    if known.diverged:
        raise ConfigError(f"{config.id} diverged, and left no network to examine")
    target = find_device(device)
    data = load_data(config.data, **config.data_options).to(target)
    model, objective = build_model(config, data.num_classes), None
    model.load_state_dict(load_file(folder / "last.safetensors"))
    if with_objective:
        features, dim = output_shapes(model, config)
        objective = find_method(config.method).objective(config, data.num_classes, dim, features)
        objective.load_state_dict(load_file(folder / "objective.safetensors"))
        objective.to(target).eval()
    return Trained(config, data, model.to(target, memory_format=torch.channels_last).eval(), objective)


# --- the questions -----------------------------------------------------------------------------------------------------


def probabilities(config: RunConfig, device: str) -> Arrays:
    """How sure the network is: softmax probabilities of the test images, [N, K] float16, and their labels [N] uint8."""
    trained = load_trained(config, device)
    _, logits = evaluate(trained.model, trained.data.test.images, trained.data, trained.config.crop)
    labels = trained.data.test.labels.cpu().numpy().astype(np.uint8)
    return {"probabilities": logits.softmax(dim=1).half().cpu().numpy(), "labels": labels}


EXAMINATIONS: dict[str, Callable[[RunConfig, str], Arrays]] = {"probabilities": probabilities}
