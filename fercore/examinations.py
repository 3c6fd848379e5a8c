"""What a trained network is asked afterwards: one function a question, each answer kept beside the run that it is about.

A training touches the test set once. An examination looks at the network again, to explain and never to choose: how sure
it is, where its attention lies, what it makes of darker or hidden faces. Answers are small arrays, shipped with their runs.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from fercore.config import RunConfig
from fercore.data import Splits, load_data
from fercore.data.augment import normalize
from fercore.errors import ConfigError
from fercore.methods import find_method
from fercore.models.build import build_model, output_shapes
from fercore.runs import (
    find_examination,
    find_result,
    local_folder,
    open_folder,
    require_trainable,
    shipped_only,
    write_at_once,
)
from fercore.train import (
    Training,
    evaluate,
    find_device,
    learning_rate,
    make_batches,
    make_optimizer,
    seed_everything,
    train,
    training_views,
)

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
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_at_once(open_folder(config) / f"examined-{name}.npz", buffer.getvalue())
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


def steps(config: RunConfig, device: str) -> Arrays:
    """The training once more, watched step by step, for a method that adds a loss of its own to the cross entropy.

    Returns:
        cross_entropy, own: [T], the two parts of each step's loss; own with its weight.
        cross_entropy_pull, own_pull: [T], the length of each part's gradient by the batch's embeddings.
        predictions, labels: [N] uint8, of the training images in the order in which they came; sizes: [T], how many a step.
    """
    target = find_device(device)
    data = load_data(config.data, **config.data_options).to(target)
    seed_everything(config.seed)
    model = build_model(config, data.num_classes)
    features, dim = output_shapes(model, config)
    model.to(target, memory_format=torch.channels_last)
    objective = find_method(config.method).objective(config, data.num_classes, dim, features).to(target)
    training = Training(model, objective)
    weights = list(training.parameters())
    optimizer = make_optimizer(config, weights)
    rows, seen_classes = [], []
    per_epoch = len(make_batches(objective, config, 0, data.train))
    for step in range(per_epoch * config.epochs):
        batch = make_batches(objective, config, step // per_epoch, data.train)[step % per_epoch]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step, per_epoch)
        views = training_views(config, data.train.read(batch.positions), step)
        labels = data.train.labels[batch.positions.to(target)]
        loss, seen = training(normalize(views, data.mean, data.std), labels, batch, (step + 1) / (per_epoch * config.epochs))
        entropy = F.cross_entropy(seen.logits, labels)
        parts = {"cross_entropy": entropy, "own": loss - entropy}
        pulls = {}
        for name, part in parts.items():
            (gradient,) = torch.autograd.grad(part, seen.embeddings, retain_graph=True)
            pulls[f"{name}_pull"] = gradient.norm()
        optimizer.zero_grad()
        loss.backward()
        if config.clip_norm:
            nn.utils.clip_grad_norm_(weights, config.clip_norm)
        optimizer.step()
        objective.after_step(seen)
        rows.append({name: value.item() for name, value in (parts | pulls).items()} | {"sizes": len(labels)})
        seen_classes.append(torch.stack([seen.logits.argmax(dim=1), labels]).cpu())
    predictions, labels = torch.cat(seen_classes, dim=1).numpy().astype(np.uint8)
    table = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return table | {"predictions": predictions, "labels": labels}


EXAMINATIONS: dict[str, Callable[[RunConfig, str], Arrays]] = {"probabilities": probabilities, "steps": steps}
