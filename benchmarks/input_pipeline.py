"""Speed of the input pipeline against torchvision's ImageFolder, Pillow transforms and DataLoader, on the same files.

The files are temporary JPEGs of seeded smooth noise, which decode a little faster than photographs: in the favor of the
one that decodes in every epoch. Both end with normalized floats, channels last, as the network takes them. "Cores" are
the DataLoader's workers (0 for one core: it works in the main process) and PyTorch's threads here.
"""

import os
import random
import statistics
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image
from timing import alternate, ratio
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from fercore.data.augment import augment, normalize
from fercore.data.readers.catalog import Catalog
from fercore.data.store import open_store

BATCH = 64
NORMALIZATION = ((0.5752, 0.4495, 0.4012), (0.2086, 0.1911, 0.1827))  # mean, spread
CASES = ((2000, 100, 90, "five-crop"), (512, 256, 224, "random-crop"))  # files, their side, crop, recipe
TORCHVISION = "ImageFolder, Pillow, DataLoader"


def pipeline_rows() -> list[tuple[str, ...]]:
    """The table's rows: what, fercore's speed, compared with, that one's speed, ratio of times."""
    threads = torch.get_num_threads()
    rows = [row for case in CASES for row in rows_of(*case)]
    torch.set_num_threads(threads)
    return rows


def rows_of(count: int, side: int, crop: int, recipe: str) -> list[tuple[str, ...]]:
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, FERCORE_DATA=f"{folder}/data"):
        catalog = make_files(Path(folder) / "faces", count, side)
        images = torch.from_numpy(np.array(open_store(catalog, side)))  # in memory, as the training loop has them
        rows = []
        for cores in (1, 2):
            torch.set_num_threads(cores)
            loader = make_loader(catalog.root, crop, recipe, workers=cores if cores > 1 else 0)
            name = f"{crop} of {side} pixels, {recipe} and flip, {cores} core{'s' if cores > 1 else ''}"
            ours, theirs = alternate(lambda: batch_seconds(images, crop, recipe), lambda at=loader: loader_seconds(at), 5)
            rows.append(as_row(f"input: {name}", count, ours, TORCHVISION, theirs))
        ours, theirs = alternate(lambda: store_seconds(catalog, side), lambda at=loader: loader_seconds(at), 3)
        rows.append(
            as_row(f"building the store once, {side} pixels", count, ours, f"one epoch of {TORCHVISION}, 2 cores", theirs)
        )
    return rows


def as_row(name: str, count: int, ours: list[float], other: str, theirs: list[float]) -> tuple[str, ...]:
    speed = [f"{count / statistics.median(seconds):,.0f} images/s" for seconds in (ours, theirs)]
    return name, speed[0], other, speed[1], ratio(ours, theirs)


def make_files(root: Path, count: int, side: int) -> Catalog:
    """JPEGs in seven class folders, as ImageFolder wants them."""
    rng = np.random.default_rng(0)
    files = [root / str(i % 7) / f"{i:05d}.jpg" for i in range(count)]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        noise = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        noise.resize((side, side), Image.Resampling.BICUBIC).save(file, quality=90)
    labels = np.arange(count) % 7
    return Catalog(name="benchmark", root=root, files=tuple(files), labels=labels, splits=np.full(count, "train"))


# --- fercore ----------------------------------------------------------------------------------------------------------


def batch_seconds(images: torch.Tensor, crop: int, recipe: str) -> float:
    """One epoch of batches, each as `fercore.train.fit` makes it."""
    generator = torch.Generator().manual_seed(0)
    started = time.perf_counter()
    for batch in torch.randperm(len(images)).split(BATCH):
        normalize(augment(images.index_select(0, batch), recipe, crop, erasing=0.0, generator=generator), *NORMALIZATION)
    return time.perf_counter() - started


def store_seconds(catalog: Catalog, side: int) -> float:
    for file in Path(os.environ["FERCORE_DATA"]).rglob("*.npy"):
        file.unlink()
    started = time.perf_counter()
    open_store(catalog, side)
    return time.perf_counter() - started


# --- torchvision ------------------------------------------------------------------------------------------------------


def make_loader(root: Path, crop: int, recipe: str, workers: int) -> DataLoader:
    crops = {"five-crop": RandomOfFive(crop), "random-crop": transforms.RandomCrop(crop)}
    steps = [crops[recipe], transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    steps.append(transforms.Normalize(*NORMALIZATION))
    folder = ImageFolder(root, transforms.Compose(steps))
    return DataLoader(folder, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)


class RandomOfFive:
    """One corner or the center; torchvision's FiveCrop would cut all five."""

    def __init__(self, crop: int) -> None:
        self.crop = crop

    def __call__(self, image: Image.Image) -> Image.Image:
        room = image.width - self.crop
        left, top = random.choice([(0, 0), (0, room), (room, 0), (room, room), (room // 2, room // 2)])
        return image.crop((left, top, left + self.crop, top + self.crop))


def loader_seconds(loader: DataLoader) -> float:
    started = time.perf_counter()
    for images, _ in loader:
        images.contiguous(memory_format=torch.channels_last)
    return time.perf_counter() - started


if __name__ == "__main__":
    os.environ["FERCORE_PROGRESS"] = "0"
    for row in pipeline_rows():
        print("| " + " | ".join(row) + " |")
