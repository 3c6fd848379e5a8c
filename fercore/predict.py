"""Class probabilities of image files, by a finished run."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from fercore.data.store import describe, to_square
from fercore.errors import DataError, StoreError
from fercore.models import build_model
from fercore.paths import runs_dir, shown
from fercore.runs import RunResult, read_result
from fercore.train import evaluate, find_device

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
        with Image.open(file) as image:
            pixels = to_square(image.convert("L") if channels == 1 else image, size)
    except Exception as error:  # Pillow raises a dozen kinds, by format and damage
        raise DataError(f"{shown(file)}: not a readable image ({describe(error)}); give image files such as face.jpg") from None
    return torch.from_numpy(pixels.transpose(2, 0, 1)[:channels].copy())
