"""A data set in memory, and how a validation split is cut from its training images."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Images:
    """Images [N, C, H, W] (uint8) and labels [N] (int64) on one device."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> "Images":
        return Images(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Splits:
    """One data set: three splits, the class names, and the mean and spread [C] that normalize its images."""

    name: str
    train: Images
    val: Images
    test: Images
    class_names: tuple[str, ...]
    minority: tuple[int, ...]  # the classes with few training images
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str = field(default="")  # of every image and label that a run can see

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    def to(self, device: torch.device | str) -> "Splits":
        """The same splits with their images and labels on `device`."""
        moved = {name: getattr(self, name).to(device) for name in ("train", "val", "test")}
        return Splits(**{**self.__dict__, **moved})


def fingerprint(*splits: Images) -> str:
    """The first 16 hex digits of the SHA-256 of all images and labels, in order."""
    digest = hashlib.sha256()
    for split in splits:
        digest.update(np.ascontiguousarray(split.images.numpy()).data)
        digest.update(np.ascontiguousarray(split.labels.numpy()).data)
    return digest.hexdigest()[:16]


def split_per_class(labels: np.ndarray, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions (rest, held out): of each class the first `fraction`, rounded to nearest, is held out, in the order given.

    A class of two images or more stands in both.
    """
    held = np.zeros(len(labels), dtype=bool)
    for k in np.unique(labels):
        positions = np.flatnonzero(labels == k)
        count = max(1, round(fraction * len(positions)))
        held[positions[: min(count, len(positions) - 1)]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)
