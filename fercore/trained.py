"""A finished network: load it with what it needs, ask it about images, train it again."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from fercore.config import RunConfig
from fercore.data import Splits, load_data
from fercore.data.images import UnreadableImage, read_square
from fercore.errors import DataError, StoreError
from fercore.evaluation.evaluate import evaluate
from fercore.methods import build
from fercore.models.build import MNIST_SIDE
from fercore.parallel.devices import Execution, find_device
from fercore.paths import runs_dir, shown
from fercore.runs import files
from fercore.runs.find import find_result, find_run
from fercore.runs.identity import confirm, facts_of
from fercore.runs.local import local_folder
from fercore.runs.result import RunResult, read_result
from fercore.runs.session import Session
from fercore.train import Watch, fit, train


@dataclass(frozen=True)
class Trained:
    """A finished run's network, in eval mode.

    Attributes:
        result: of the run.
        device: where the network is.
        model: images [m, C, H, W], normalized by `mean` and `std`, to (embeddings [m, D], logits [m, K]).
        objective: with the method's centers and attention, where it was asked for.
    """

    result: RunResult
    device: torch.device
    model: nn.Module
    objective: nn.Module | None

    @property
    def config(self) -> RunConfig:
        return self.result.config

    @property
    def class_names(self) -> tuple[str, ...]:
        """The K classes."""
        return tuple(self.result.provenance["class_names"])

    @property
    def mean(self) -> tuple[float, ...]:
        """Of the training images, a number a channel, of pixels in 0..1."""
        return self.told("mean")

    @property
    def std(self) -> tuple[float, ...]:
        """As `mean`."""
        return self.told("std")

    def told(self, name: str) -> tuple[float, ...]:
        if not self.result.provenance.get(name):
            folder = shown(self.result.array_file.parent)
            raise StoreError(f"{folder} does not tell how its images were normalized; train it again with --fresh")
        return tuple(self.result.provenance[name])

    @cached_property
    def data(self) -> Splits:
        """What it was trained on, read on first use; on its device.

        Raises:
            StoreError: the data were changed since.
        """
        data = load_data(self.config.data, **self.config.data_options)
        confirm(self.result, facts_of(data))
        return data.to(self.device)


def load_trained(
    run: RunConfig | str | Path, device: str = "auto", *, epoch: str = "last", with_objective: bool = False
) -> Trained:
    """The network of a finished run.

    Args:
        run: its config, and it is trained first where its weights are not here; or its id, its folder or a file in it.
        device: as in `train`.
        epoch: "last", which a run's test numbers are of; or "best" on the validation split, which `predict` asks.
        with_objective: what the method had beside the network, too; it is kept of the last epoch alone.

    Raises:
        StoreError: there is no such finished run here, it diverged, or its weights are missing or damaged.
    """
    needed = [f"{epoch}.safetensors", *["objective.safetensors"] * with_objective]
    folder = local_folder(run) if isinstance(run, RunConfig) else find_run(run)
    result = finish(run, needed, device) if isinstance(run, RunConfig) else read_result(folder, name_of(folder))
    if result.diverged:
        raise StoreError(f"{result.config.id} diverged, and left no network")
    target = find_device(device)
    with torch.random.fork_rng(devices=[]):
        parts = build(result.config, len(result.provenance["class_names"]))
    for part, name in zip(parts, needed, strict=False):
        load_into(part, folder / name, result.config.id)
        part.to(target).eval()
    model, objective = parts
    return Trained(result, target, model.to(memory_format=torch.channels_last), objective if with_objective else None)


def finish(config: RunConfig, needed: Sequence[str], device: str) -> RunResult:
    """The result of `config`, whose files of weights are there unless it diverged: trained now where they are not."""
    known, folder = find_result(config), local_folder(config)
    if known is None:
        return train(config, device=device)
    there = known.diverged or all((folder / name).exists() for name in needed)
    return known if there else train_again(config, device)


def name_of(folder: Path) -> str | None:
    """Whose files must lie in a folder: in the store that of its name; a copy elsewhere may be called anything."""
    return folder.name if folder.parent == runs_dir() / "store" else None


def load_into(part: nn.Module, file: Path, run: str) -> None:
    """Give a module with fresh numbers, or none, those of a run's file."""
    try:
        part.load_state_dict(files.read(file, run, mend=files.TRAIN_FRESH), assign=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise StoreError(f"{shown(file)} is of another network ({reason}); {files.TRAIN_FRESH}") from None


def train_again(config: RunConfig, device: str, watch: Watch | None = None) -> RunResult:
    """Train a run that may be finished; its result is replaced when the new one is there. `watch` is as in `train.fit`."""
    target = find_device(device)
    data = load_data(config.data, **config.data_options).to(target)
    session = Session(config, fresh=True)
    with session.locked():
        known = find_result(config)
        precision = known.provenance.get("precision", "fp32") if known else "fp32"  # before it was recorded
        return fit(session, data, Execution(target, precision), watch)


# --- predictions --------------------------------------------------------------------------------------------------------


def predict(
    images: Iterable[str | Path | Image.Image | np.ndarray],
    run: RunConfig | str | Path,
    *,
    device: str = "auto",
    epoch: str = "best",
) -> tuple[tuple[str, ...], np.ndarray]:
    """What a run's network sees in these images: that of its epoch best on the validation split, unless told otherwise.

    A face should fill the image as it does in the run's data set: nothing here finds or aligns one.

    Args:
        images: N files, Pillow images, or arrays of uint8 [H, W] or [H, W, 3]; each is resized to the run's image size and
            cropped at its center.
        run, device, epoch: as `load_trained` takes them.

    Returns:
        The K class names, and probabilities [N, K] that sum to 1 in each row.

    Raises:
        StoreError: as `load_trained`, or the run does not tell how its images were normalized.
        DataError: one is no readable image, or `images` is one itself.
    """
    one = isinstance(images, str | os.PathLike | Image.Image) or (isinstance(images, np.ndarray) and images.ndim < 4)
    if one or not isinstance(images, Iterable):
        raise DataError(f"predict takes a list of images, got one {type(images).__name__}; write [image]")
    images = list(images)
    trained = load_trained(run, device, epoch=epoch)
    names, channels = trained.class_names, len(trained.mean)
    if not images:
        return names, np.zeros((0, len(names)), dtype=np.float32)
    pixels = torch.stack([read_image(image, trained.config.image_size or MNIST_SIDE, channels) for image in images])
    _, logits = evaluate(trained.model, pixels, trained, trained.config.crop)
    probabilities = logits.softmax(dim=1).cpu()
    if not probabilities.isfinite().all():
        raise StoreError(f"{trained.config.id} answers no numbers to these images; {files.TRAIN_FRESH}, or take another run")
    return names, probabilities.numpy()


def read_image(image: str | Path | Image.Image | np.ndarray, size: int, channels: int) -> Tensor:
    """[channels, size, size] uint8, decoded as the store decodes, and gray where the network takes one channel."""
    if not isinstance(image, str | os.PathLike | Image.Image | np.ndarray):
        raise DataError(f"an image is a file, a Pillow image or an array of uint8, got {type(image).__name__}")
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.size == 0 or image.ndim < 2 or image.shape[2:] not in ((), (3,)):
            raise DataError(f"an image as an array is uint8 [H, W] or [H, W, 3], got {image.dtype} {list(image.shape)}")
        image = Image.fromarray(image)
    try:
        pixels = read_square(image, size)
    except UnreadableImage as error:
        name = "a Pillow image" if isinstance(image, Image.Image) else shown(Path(image))
        raise DataError(f"{name}: not a readable image ({error}); give image files such as face.jpg") from None
    if channels == 1:
        pixels = np.asarray(Image.fromarray(pixels.transpose(1, 2, 0)).convert("L"))[None]
    return torch.from_numpy(pixels.copy())
