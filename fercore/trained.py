"""A finished network: load it with its data, train it again, and ask it about images."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from fercore.config import RunConfig
from fercore.data import Splits, load_data
from fercore.data.images import UnreadableImage, read_square
from fercore.errors import ConfigError, DataError, StoreError
from fercore.evaluation.evaluate import evaluate
from fercore.methods.objectives import Step, make_objective
from fercore.models.build import build_model, output_shapes
from fercore.parallel.devices import find_device
from fercore.paths import runs_dir, shown
from fercore.runs.find import find_result
from fercore.runs.local import local_folder
from fercore.runs.result import RunResult, read_result
from fercore.runs.session import take_lock
from fercore.train import fit, train


@dataclass(frozen=True)
class Trained:
    """A finished run's network as it was after the last epoch, in eval mode, and its data; where it was asked for, also the
    objective, with its centers and its attention.
    """

    config: RunConfig
    data: Splits
    model: nn.Module
    objective: nn.Module | None


def load_trained(config: RunConfig, device: str, *, with_objective: bool = False) -> Trained:
    """The network of a finished run; trained first where its weights are not here.

    Raises:
        ConfigError: the run diverged, so that there is no network to ask.
    """
    needed = ["last.safetensors", "objective.safetensors"][: 1 + with_objective]
    known, folder = find_result(config), local_folder(config)
    if not known or (not known.diverged and not all((folder / name).exists() for name in needed)):
        known = train_again(config, device) if known else train(config, device=device)
    if known.diverged:
        raise ConfigError(f"{config.id} diverged, and left no network to examine")
    target = find_device(device)
    data = load_data(config.data, **config.data_options).to(target)
    model, objective = build_model(config, data.num_classes), None
    model.load_state_dict(load_file(folder / "last.safetensors"))
    if with_objective:
        features, dim = output_shapes(model, config)
        objective = make_objective(config, data.num_classes, dim, features)
        objective.load_state_dict(load_file(folder / "objective.safetensors"))
        objective.to(target).eval()
    return Trained(config, data, model.to(target, memory_format=torch.channels_last).eval(), objective)


def train_again(config: RunConfig, device: str, watch: Callable[[Tensor, Step], None] | None = None) -> RunResult:
    """Train a run that may be finished; its result is replaced when the new one is there. `watch` is as in `train.fit`."""
    target = find_device(device)
    data = load_data(config.data, **config.data_options).to(target)
    with ExitStack() as locked:
        take_lock(config, locked, forget=True)
        known = find_result(config)
        precision = known.provenance.get("precision", "fp32") if known else "fp32"  # before it was recorded
        return fit(config, data, target, precision, watch=watch)


MNIST_SIZE = 28


def predict(files: Sequence[str | Path], run: str | Path, *, device: str = "auto") -> tuple[tuple[str, ...], np.ndarray]:
    """What a run's best-on-validation network sees in these images.

    A face should fill the image as it does in the run's data set: nothing here finds or aligns one.

    Args:
        files: N image files, one or more; each is resized to the run's image size and cropped at its center.
        run: a run's id, or its folder, or a file in it such as best.safetensors.
        device: as in `train`.

    Returns:
        The K class names, and probabilities [N, K] that sum to 1 in each row.

    Raises:
        StoreError: there is no such finished run here, or its weights are missing or damaged.
        DataError: a file is no readable image.
    """
    target = find_device(device)
    folder = find_run(run)
    result = read_result(folder / "result.json")
    pixels = SimpleNamespace(mean=result.provenance.get("mean"), std=result.provenance.get("std"))
    if not pixels.mean:
        raise StoreError(f"{shown(folder)} does not tell how its images were normalized; train it again with --fresh")
    names = tuple(result.provenance["class_names"])
    model = load_best(folder, result, len(names)).to(target)
    images = torch.stack([read_image(Path(file), result.config.image_size or MNIST_SIZE, len(pixels.mean)) for file in files])
    _, logits = evaluate(model, images.to(target), pixels, result.config.crop)
    return names, logits.softmax(dim=1).cpu().numpy()


def find_run(run: str | Path) -> Path:
    """The folder of a finished local run, from its id, the folder itself or a file in it."""
    given = Path(run).expanduser()
    folder = given if given.is_dir() else given.parent if given.is_file() else runs_dir() / "store" / given
    if not (folder / "result.json").is_file():
        known = sorted(path.parent.name for path in (runs_dir() / "store").glob("*/best.safetensors"))
        several = f"{', '.join(known[:5])}{', ...' * (len(known) > 5)}" or "none yet"
        raise StoreError(f"no finished run {str(run)!r} here; with weights: {several} (`python -m fercore train` makes one)")
    return folder


def load_best(folder: Path, result: RunResult, num_classes: int) -> torch.nn.Module:
    """The network of the epoch that was best on the validation split."""
    path = folder / "best.safetensors"
    if result.diverged or not path.exists():
        reason = "it diverged" if result.diverged else f"no {path.name}; train it again with --fresh"
        raise StoreError(f"{shown(folder)} has no weights: {reason}")
    model = build_model(result.config, num_classes)
    try:
        model.load_state_dict(load_file(path))
    except Exception as error:  # SafetensorError of a damaged file, RuntimeError of another network's
        reason = str(error).splitlines()[0]
        raise StoreError(f"{shown(path)} is damaged ({reason}); train the run again with --fresh") from None
    return model


def read_image(file: Path, size: int, channels: int) -> Tensor:
    """[channels, size, size] uint8, decoded as the store decodes, and gray where the network takes one channel."""
    try:
        pixels = read_square(file, size)
    except UnreadableImage as error:
        raise DataError(f"{shown(file)}: not a readable image ({error}); give image files such as face.jpg") from None
    if channels == 1:
        pixels = np.asarray(Image.fromarray(pixels.transpose(1, 2, 0)).convert("L"))[None]
    return torch.from_numpy(pixels.copy())
