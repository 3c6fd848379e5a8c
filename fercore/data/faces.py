"""Faces: what a reader finds becomes the three splits that the training loop takes."""

import sys
from pathlib import Path

import numpy as np
import torch

from fercore.data.readers.catalog import Catalog
from fercore.data.readers.table import READERS
from fercore.data.simfer import make_simfer
from fercore.data.splits import Images, Splits, fingerprint, hold_out, subject_folds
from fercore.data.store import StoredImages, open_store
from fercore.errors import ConfigError, DataError
from fercore.paths import data_dir, shown

MINORITY_SHARE = 0.5  # of a class's equal share of the training images: on RAF-DB fear, disgust and anger lie below
MEASURED = 2000  # training images of which mean and spread are taken: more change the third digit
ID_TEST_SHARE = 0.2  # of each identity's images, the last of them


def load_faces(
    name: str,
    path: str | Path | None,
    *,
    preset: str | None,
    image_size: int,
    fraction: float,
    val_fraction: float,
    fold: int | None,
) -> Splits:
    """Read a set of faces: its reader, the three splits, the images of the store.

    The validation split is cut from the training images, per class and by identity where identities are known; a set
    that brings a validation split of its own keeps that one. Folds: test on `fold`, train on the others.

    Args:
        name: one of FACES. "simfer-id" reads SimFER's tree with the identities as classes.
        path: the set's folder; None for data/NAME. SimFER's is data/simfer/PRESET, made on first use.
        preset: of SimFER; None where `path` is given.
        image_size: the side in pixels of the images that are returned.
        fraction: of each class's training images, how much is kept.
        val_fraction: of what is kept, how much is held out for validation.
        fold: which of the folds is the test set, from 0; None where the set has a test split.

    Returns:
        Splits of [N, 3, image_size, image_size] images, read from the store when asked for, with identities and sequences
        where the set has them.

    Raises:
        DataError: the set is missing or damaged, or SimFER could not be made.
        ConfigError: `fold` does not fit the set.
    """
    if path is not None:
        root = Path(path).expanduser()
    else:
        root = make_simfer(preset) if name.startswith("simfer") else data_dir() / name
    catalog = READERS["simfer" if name == "simfer-id" else name](root)
    for reason, count in catalog.skipped.items():
        print(f"{shown(root)}: {count:,} skipped: {reason}", file=sys.stderr)
    if name == "simfer-id":
        names, labels, parts = split_identities(catalog, val_fraction, fraction)
    else:
        names, labels, parts = catalog.class_names, catalog.labels, split_catalog(catalog, fraction, val_fraction, fold)
    store = open_store(catalog, image_size)
    splits = [take(store, labels, catalog, positions) for positions in parts]
    mean, std = mean_and_spread(splits[0].images)
    counts = np.bincount(labels[parts[0]], minlength=len(names))
    minority = tuple(np.flatnonzero(counts < MINORITY_SHARE * counts.mean()).tolist())
    copies = find_copies(splits[2].images, splits[0].images)
    return Splits(name, *splits, names, minority, mean, std, fingerprint(*splits), copies)


def split_catalog(catalog: Catalog, fraction: float, val_fraction: float, fold: int | None) -> list[np.ndarray]:
    """Positions of the training, validation and test images."""
    if catalog.folds and (fold is None or fold >= catalog.folds):
        raise ConfigError(f"{catalog.name} is tested in {catalog.folds} folds: set fold to 0..{catalog.folds - 1}, got {fold}")
    if not catalog.folds and fold is not None:
        raise ConfigError(f"{catalog.name} has a test split and no folds; leave fold out")
    if catalog.folds:
        in_test = subject_folds(catalog.identities, catalog.labels, catalog.folds) == fold
    else:
        in_test = catalog.splits == "test"
    in_val = catalog.splits == "val"
    rest, test = np.flatnonzero(~in_test & ~in_val), np.flatnonzero(in_test)
    if fraction < 1:  # whole sequences, so that a peak is not seen by half
        rest = hold_out(catalog.labels, catalog.sequences, rest, fraction)[1]
    if in_val.any():
        return [rest, np.flatnonzero(in_val), test]
    return [*hold_out(catalog.labels, catalog.identities, rest, val_fraction), test]


def split_identities(
    catalog: Catalog, val_fraction: float, fraction: float
) -> tuple[tuple[str, ...], np.ndarray, list[np.ndarray]]:
    """Class names, labels and positions of SimFER as a recognition task: every identity stands in all three splits."""
    if catalog.identities is None:
        raise DataError(f"{shown(catalog.root)} tells no identities; simfer-id needs SimFER's simfer.csv")
    known, labels, counts = np.unique(catalog.identities, return_inverse=True, return_counts=True)
    if counts.min() < 3:
        few = f"identity {known[counts.argmin()]} has {counts.min()}"
        raise DataError(f"{shown(catalog.root)}: {few} of the 3 images that three splits need; make it with --preset identity")
    in_test = np.zeros(len(labels), dtype=bool)
    for k, count in enumerate(counts):
        in_test[np.flatnonzero(labels == k)[-max(1, round(ID_TEST_SHARE * count)) :]] = True
    rest = np.flatnonzero(~in_test)
    if fraction < 1:
        rest = hold_out(labels, None, rest, fraction)[1]
    names = tuple(f"id {identity}" for identity in known)
    return names, labels, [*hold_out(labels, None, rest, val_fraction), np.flatnonzero(in_test)]


def take(store: np.memmap, labels: np.ndarray, catalog: Catalog, positions: np.ndarray) -> Images:
    """The images at these positions, which stay in the store."""
    more = [None if part is None else torch.from_numpy(part[positions]) for part in (catalog.identities, catalog.sequences)]
    return Images(StoredImages(store, positions), torch.from_numpy(labels[positions].astype(np.int64)), *more)


def find_copies(images: StoredImages, of: StoredImages) -> np.ndarray:
    """[N] bool: which images are, pixel for pixel, among those others."""
    known = {digest.tobytes() for digest in of.digests()}
    return np.array([digest.tobytes() in known for digest in images.digests()], dtype=bool)


def mean_and_spread(images: StoredImages) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Of each channel, in 0..1, over training images spread evenly through the list."""
    counts = np.zeros((images.shape[1], 256), dtype=np.int64)  # how often each value occurs in each channel
    for position in range(0, len(images), max(1, len(images) // MEASURED)):
        for channel, pixels in enumerate(images[position : position + 1][0]):
            counts[channel] += np.bincount(pixels.flatten(), minlength=256)
    values, number = np.arange(256) / 255, counts.sum(axis=1)
    mean = counts @ values / number
    variance = (counts * (values - mean[:, None]) ** 2).sum(axis=1) / (number - 1)
    return tuple(mean.tolist()), tuple(np.sqrt(variance).clip(min=1e-3).tolist())
