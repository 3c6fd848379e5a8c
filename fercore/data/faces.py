"""Faces: what a reader finds becomes the three splits that the training loop takes."""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from fercore.data.doubts import drop_doubtful, number_images, of_one_gray
from fercore.data.readers.catalog import Catalog
from fercore.data.readers.table import READERS
from fercore.data.simfer import make_simfer
from fercore.data.splits import Images, Splits, fingerprint, hold_out, subject_folds
from fercore.data.store import StoredImages, open_store
from fercore.errors import ConfigError, DataError
from fercore.paths import data_dir, shown
from fercore.progress import say_once

MINORITY_SHARE = 0.5  # of a class's equal share of the training images: on RAF-DB fear, disgust and anger lie below
MEASURED = 2000  # training images of which mean and spread are taken: more change the third digit
ID_TEST_SHARE = 0.2  # of each identity's images, the last of them
OWN_TEST_SHARE = 0.2  # of a set that is one heap of images


def load_faces(
    name: str,
    path: str | Path | None,
    *,
    preset: str | None,
    image_size: int,
    fraction: float,
    val_fraction: float,
    fold: int | None,
    classes: int | None = None,
    person: str | None = None,
    votes: str | None = None,
    doubtful: str | None = None,
) -> Splits:
    """Read a set of faces: its reader, the three splits, the images of the store.

    The validation split is cut from the training images, per class and by identity where identities are known; a set
    that brings a validation split of its own keeps that one. Folds: test on `fold`, train on the others. One heap of images
    without folds is divided in the same way into training and test first.

    Args:
        name: one of FACES. "simfer-id" reads SimFER's tree with the identities as classes.
        path: the set's folder; None for data/NAME. SimFER's is data/simfer/PRESET, made on first use.
        preset: of SimFER; None where `path` is given.
        image_size: the side in pixels of the images that are returned.
        fraction: of each class's training images, how much is kept.
        val_fraction: of what is kept, how much is held out for validation.
        fold: which of the folds is the test set, from 0; None where the set has a test split.
        classes: 8 keeps the contempt of AffectNet and FER+.
        person: of one's own set, the pattern of file names that tells who is seen; see `readers.folders.read_folders`.
        votes: "drawn" keeps FER+'s votes of each training image, from which an epoch draws its label.
        doubtful: "dropped" leaves out training and validation images that ruin results; see `doubts.drop_doubtful`.

    Returns:
        Splits of [N, 3, image_size, image_size] images, read from the store when asked for, with identities and sequences
        where the set has them.

    Raises:
        DataError: the set is missing, damaged or too small for three splits, or SimFER could not be made.
        ConfigError: `fold` does not fit the set.
    """
    own = make_simfer(preset) if path is None and name.startswith("simfer") else data_dir() / name
    root = own if path is None else Path(path)
    given = {"classes": classes, "person": person, "votes": votes}
    how = {key: value for key, value in given.items() if value is not None}
    catalog = READERS["simfer" if name == "simfer-id" else name](root, **how)
    say(catalog, [f"{count:,} skipped: {reason}" for reason, count in catalog.skipped.items()], catalog.notes)
    if name == "simfer-id":
        names, labels, parts = split_identities(catalog, val_fraction, fraction)
    else:
        names, labels, parts = catalog.class_names, catalog.labels, split_catalog(catalog, fraction, val_fraction, fold)
    store = open_store(catalog, image_size)
    digests = StoredImages(store, np.arange(len(catalog))).digests()
    numbers = number_images(digests)
    parts = usable(catalog, parts, numbers, labels, of_one_gray(digests, image_size), doubtful)
    splits = [take(store, labels, catalog, positions) for positions in parts]
    mean, std = mean_and_spread(splits[0].images)
    counts, tested = (np.bincount(labels[positions], minlength=len(names)) for positions in (parts[0], parts[2]))
    unseen = [names[k] for k in np.flatnonzero((counts > 0) & (tested == 0))]
    say(catalog, [f"no test images of {', '.join(unseen)}, which balanced and minority figures leave out"] if unseen else [])
    copies = np.isin(numbers[parts[2]], numbers[parts[0]])
    return Splits(name, *splits, names, minority(counts, tested), mean, std, fingerprint(*splits), copies)


def usable(
    catalog: Catalog, parts: list[np.ndarray], numbers: np.ndarray, labels: np.ndarray, flat: np.ndarray, doubtful: str | None
) -> list[np.ndarray]:
    """`parts`, or what `drop_doubtful` leaves of them, which is said; DataError where one has no images."""
    kept = drop_doubtful(parts, numbers, labels, flat) if doubtful == "dropped" else parts
    if doubtful == "dropped":
        gone = [len(before) - len(after) for before, after in zip(parts, kept, strict=True)]
        say(catalog, [f"doubtful images dropped: {gone[0]:,} of training, {gone[1]:,} of validation"])
    for what, positions in zip(("training", "validation", "test"), kept, strict=True):
        if not len(positions):
            raise DataError(f"{shown(catalog.root)}: too few images for three splits: none is left for {what}; add images")
    return kept


def minority(counts: np.ndarray, tested: np.ndarray) -> tuple[int, ...]:
    """The classes with few training images, from the numbers [K] of training and of test images; both have some."""
    few = (counts < MINORITY_SHARE * counts[counts > 0].mean()) & (counts > 0) & (tested > 0)
    return tuple(np.flatnonzero(few).tolist())


def say(catalog: Catalog, *lines: Iterable[str]) -> None:
    """What a user should know of the set, a line each, on stderr."""
    for line in chain(*lines):
        say_once(f"{shown(catalog.root)}: {line}")


def split_catalog(catalog: Catalog, fraction: float, val_fraction: float, fold: int | None) -> list[np.ndarray]:
    """Positions of the training, validation and test images.

    Raises:
        ConfigError: `fold` does not fit the set.
        DataError: people or images are too few.
    """
    try:
        return positions_of(catalog, fraction, val_fraction, fold)
    except DataError as error:
        raise DataError(f"{shown(catalog.root)}: {error}") from None


def positions_of(catalog: Catalog, fraction: float, val_fraction: float, fold: int | None) -> list[np.ndarray]:
    """As `split_catalog`, whose errors name the folder."""
    if catalog.folds and (fold is None or fold >= catalog.folds):
        raise ConfigError(f"{catalog.name} is tested in {catalog.folds} folds: set fold to 0..{catalog.folds - 1}, got {fold}")
    if (
        not catalog.folds and fold is not None and (catalog.name, fold) != ("ckplus", 0)
    ):  # 0 is its recipes', for its other forms
        raise ConfigError(f"{catalog.name} has no folds in this form; leave fold out")
    if catalog.folds:
        in_test = subject_folds(catalog.identities, catalog.labels, catalog.folds) == fold
    elif "all" in catalog.splits:
        everything = np.arange(len(catalog))
        in_test = np.isin(everything, hold_out(catalog.labels, catalog.identities, everything, OWN_TEST_SHARE)[1])
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
    parts = (catalog.identities, catalog.sequences, catalog.votes)
    more = [None if part is None else torch.from_numpy(part[positions]) for part in parts]
    return Images(StoredImages(store, positions), torch.from_numpy(labels[positions].astype(np.int64)), *more)


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
