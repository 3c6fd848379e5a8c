"""A data set's three splits, and how a validation split is cut from its training images."""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from fercore.data.store import StoredImages
from fercore.errors import DataError

GPU_SHARE = 0.5  # of a GPU's free memory, which the images of a split may take
SPLIT_SEED = 0  # which images are held out: the same ones in every run, whatever the run's own seed
ROUNDING = 1e-9


@dataclass(frozen=True)
class Images:
    """Images [N, C, H, W] (uint8) and labels [N] (int64) on one device; where the set tells, also who is seen and in
    which sequence, [N] (int64) each, and how many voted for each class, [N, K] (float32).

    The images of a store stay in its file until they are asked for. A GPU gets them once and for all where they take at
    most half of what is free there; otherwise each batch is sent when its turn comes.
    """

    images: Tensor | StoredImages
    labels: Tensor
    identities: Tensor | None = None
    sequences: Tensor | None = None
    votes: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> "Images":
        moved = {name: None if part is None else part.to(device) for name, part in self.__dict__.items() if name != "images"}
        stays = isinstance(self.images, StoredImages) and not fits(self.images, torch.device(device))
        return replace(self, images=self.images if stays else self.images[:].to(device), **moved)

    def read(self, positions: Tensor) -> Tensor:
        """The images at these positions [m], [m, C, H, W] uint8 on the split's device."""
        device = self.labels.device
        if isinstance(self.images, Tensor):
            return self.images.index_select(0, positions.to(device))  # twice as fast as [positions]
        images = self.images[positions]
        return images.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else images

    def read_ahead(self, batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """`read` of each batch of positions; a store's next batch is read while the caller works on this one."""
        if isinstance(self.images, Tensor):
            yield from map(self.read, batches)
            return
        with ThreadPoolExecutor(1) as reader:
            coming = None
            for positions in batches:
                after = reader.submit(self.read, positions)
                if coming is not None:
                    yield coming.result()
                coming = after
            if coming is not None:
                yield coming.result()


def fits(images: StoredImages, device: torch.device) -> bool:
    """Whether a store's images are to be held on `device`; on a CPU never, where the system caches the file by itself."""
    return device.type == "cuda" and np.prod(images.shape) <= GPU_SHARE * torch.cuda.mem_get_info(device)[0]


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
    copies: np.ndarray | None = None  # [N] bool: the test images that are training images too, pixel for pixel; None: unknown

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    def to(self, device: torch.device | str) -> "Splits":
        """The same splits with their images and labels on `device`."""
        moved = {name: getattr(self, name).to(device) for name in ("train", "val", "test")}
        return Splits(**{**self.__dict__, **moved})


def fingerprint(*splits: Images) -> str:
    """The first 16 hex digits of the SHA-256 of all images and labels, in order; a store's images by their own digests."""
    digest = hashlib.sha256()
    for split in splits:
        pixels = split.images.digests() if isinstance(split.images, StoredImages) else split.images.numpy()
        digest.update(np.ascontiguousarray(pixels).data)
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


def hold_out(
    labels: np.ndarray, identities: np.ndarray | None, positions: np.ndarray, fraction: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a validation split from the training images `positions`, class by class and, where known, by identity.

    The same cut in every run: it depends on the arguments alone. Of each class about `fraction`, at least one image, is
    held out, and at least one stays. With identities nobody is on both sides; then a class that one person alone
    shows is in training only.

    Args:
        labels: [N] int64, of the whole catalog.
        identities: [N] int64, or None where the set does not say who is seen.
        positions: [P] int64, the images to divide.
        fraction: how much to hold out, in 0..1.

    Returns:
        (training, validation): positions, each in ascending order, together `positions`.

    Raises:
        DataError: there is one identity alone, or no class is shown by two.
    """
    positions = np.sort(positions)
    if identities is not None:
        held = np.isin(identities[positions], held_identities(labels[positions], identities[positions], fraction))
        return positions[~held], positions[held]
    order = np.random.default_rng(SPLIT_SEED).permutation(positions)  # a release may list a class in an order of its own
    train, val = split_per_class(labels[order], fraction)
    return np.sort(order[train]), np.sort(order[val])


def held_identities(labels: np.ndarray, identities: np.ndarray, fraction: float) -> np.ndarray:
    """Whom to hold out: one by one who brings the class counts nearest to `fraction`, until nobody does; one at the least."""
    names, counts = count_by_identity(labels, identities)
    total = counts.sum(axis=0)
    target = np.maximum(1, np.rint(fraction * total))
    held, have = np.zeros(len(names), dtype=bool), np.zeros_like(total)
    while True:
        # what is missing or too much of each class, as a share of the class: minority classes weigh as much as others
        gain = ((np.abs(have - target) - np.abs(have + counts - target)) / total).sum(axis=1)
        gain[held | (have + counts >= total).any(axis=1)] = -np.inf  # training keeps an image of each class
        best = int(gain.argmax())
        if gain[best] <= (ROUNDING if held.any() else -np.inf):  # of few people the first may bring too much
            break
        held[best] = True
        have += counts[best]
    if not held.any():
        raise DataError(f"{len(names)} identities cannot be divided so that training keeps every class; add subjects")
    return names[held]


def subject_folds(identities: np.ndarray, labels: np.ndarray, folds: int) -> np.ndarray:
    """Subject-independent folds with class counts as even as whole subjects allow.

    Subjects are dealt out from the one with the most images to the one with the fewest, each to the fold that has
    least of that subject's classes so far; the order of the images plays no part.

    Args:
        identities: [N] int64, who is seen.
        labels: [N] int64.
        folds: how many; CK+ uses 8 and MMI 10 (Liu et al., 2017, section 4.1).

    Returns:
        [N] int64, the fold 0..folds-1 of every image; each fold has at least one subject.

    Raises:
        DataError: fewer than two folds, or fewer subjects than folds.
    """
    names, counts = count_by_identity(labels, identities)
    if not 2 <= folds <= len(names):
        raise DataError(f"{folds} folds of {len(names)} subjects cannot be made; choose 2..{len(names)} folds")
    share = counts / counts.sum(axis=0)
    have, images, fold_of = np.zeros((folds, share.shape[1])), np.zeros(folds), np.zeros(len(names), dtype=np.int64)
    for subject in np.argsort(-counts.sum(axis=1), kind="stable"):
        overlap = (have @ share[subject]).round(12)  # rounded, so that a tie is a tie
        fold = fold_of[subject] = np.lexsort((images, overlap))[0]
        have[fold] += share[subject]
        images[fold] += counts[subject].sum()
    return fold_of[np.searchsorted(names, identities)]


def count_by_identity(labels: np.ndarray, identities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Identities [I] in ascending order and their images of each class that occurs, [I, K]."""
    names, who = np.unique(identities, return_inverse=True)
    classes, what = np.unique(labels, return_inverse=True)
    counts = np.zeros((len(names), len(classes)), dtype=np.int64)
    np.add.at(counts, (who, what), 1)
    return names, counts
