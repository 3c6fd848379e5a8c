"""FER2013 (Goodfellow et al., 2013), whose tables hold the pixels, as CK+'s csv does; and FER+ (Barsoum et al., 2016)."""

import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fercore.data.readers.catalog import ALL_CLASSES, CLASS_NAMES, Catalog
from fercore.data.readers.files import (
    MOST_BYTES,
    bad,
    beside,
    class_of,
    either,
    make_catalog,
    read_table,
    require_file,
    text_lines,
    whole_number,
)
from fercore.data.readers.folders import read_folders

EMOTIONS = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")  # ids 0..6
SPLITS = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}  # as in the challenge: scores are on PrivateTest
SIZE = 48
AGREED = 1 / 3  # of FER+'s majorities: FER2013's own labels are at least so many, of rows in another order 18 %


def read_pixels_of(
    root: Path, name: str, tables: dict[str, str | None], emotions: Sequence[str] = EMOTIONS, notes: Sequence[str] = ()
) -> Catalog:
    """Tables with the columns emotion, pixels (48 x 48 numbers, row by row) and, where it is to tell the split, Usage.

    Args:
        tables: {file: split of all its images; None where Usage tells}.
        emotions: what the ids mean.

    Raises:
        DataError: an emotion that is no id, an unknown Usage, a row without 2,304 pixels of 0..255, or an empty split.
    """
    pixels, labels, splits = bytearray(), [], []
    for file, split in tables.items():
        listed = either(root, file)
        for line, row in read_table(listed, ("emotion", "pixels", *(() if split else ("Usage",)))):
            number = whole_number(row["emotion"], range(len(emotions)), "emotion", listed, line)
            if not split and split_of(row["Usage"]) is None:
                raise bad(listed, f"unknown Usage {row['Usage'][:40]!r}", f"expected {', '.join(SPLITS)}", line)
            labels.append(class_of(emotions[number], listed, line))
            splits.append(split or split_of(row["Usage"]))
            pixels += read_pixels(row["pixels"], listed, line)
    if None in tables.values() and "val" not in splits:
        raise bad(root / next(iter(tables)), "has no PublicTest images", "restore the release")
    images = np.frombuffer(pixels, dtype=np.uint8).reshape(-1, SIZE, SIZE)
    names = ALL_CLASSES if len(emotions) > len(CLASS_NAMES) else CLASS_NAMES
    return make_catalog(name, root, labels, splits, Counter(), pixels=images, class_names=names, notes=notes)


def split_of(usage: str) -> str | None:
    """The split that a Usage stands for, in any case; None for an unknown one."""
    return next((split for name, split in SPLITS.items() if name.lower() == usage.strip().lower()), None)


def read_pixels(text: str, path: Path, line: int) -> bytes:
    """48 x 48 bytes from 2,304 numbers separated by blanks."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy stops where no number stands, and only warns
            values = np.fromstring(text, dtype=np.int64, sep=" ")  # six times as fast as `int` of each
    except (ValueError, DeprecationWarning):
        raise bad(path, "pixels are not whole numbers", "restore the file", line) from None
    if len(values) != SIZE**2:
        raise bad(path, f"{len(values):,} pixels, expected {SIZE**2:,}", "restore the file (it may be truncated)", line)
    if values.min() < 0 or values.max() > 255:
        raise bad(path, f"pixels of {values.min()}..{values.max()}, expected 0..255", "restore the file", line)
    return values.astype(np.uint8).tobytes()


def read_challenge(root: Path) -> Catalog:
    """train.csv and test.csv of the challenge; the latter as it was handed out has pixels alone."""
    test = either(root, "test.csv")
    if "emotion" not in next(text_lines(test), "").lower():
        mend = "read icml_face_data.csv, or the csv in fer2013.tar.gz, of the same download"
        raise bad(test, "has no labels, which the challenge kept to itself", mend)
    return read_pixels_of(root, "fer2013", {"train.csv": "train", "test.csv": "test"}, notes=[UNDIVIDED])


def read_npz(root: Path) -> Catalog:
    """The csv's columns as arrays of uint8: pixels [N, 48, 48], emotion [N] and usage [N], 0..2 in the order of SPLITS."""
    file, mend = either(root, "fer2013.npz"), "write it again from fer2013.csv"
    require_file(file)
    try:
        with zipfile.ZipFile(file) as archive:
            if any(entry.file_size > MOST_BYTES for entry in archive.infolist()):
                raise ValueError("unpacked it would be too large")
        with np.load(file, allow_pickle=False) as found:
            pixels, emotions, usages = (np.atleast_1d(found[name]) for name in ("pixels", "emotion", "usage"))
    except Exception as error:  # numpy and zipfile raise half a dozen kinds
        raise bad(file, f"is not such an npz file ({str(error).splitlines()[0][:80] or 'empty'})", mend) from None
    shapes = (pixels.shape, emotions.shape, usages.shape)
    count = len(emotions)
    if shapes != ((count, SIZE, SIZE), (count,), (count,)) or {pixels.dtype, emotions.dtype, usages.dtype} != {np.dtype("u1")}:
        raise bad(file, f"pixels, emotion and usage are not uint8 [N, 48, 48], [N] and [N], but {shapes}", mend)
    if emotions.max(initial=0) >= len(EMOTIONS) or usages.max(initial=0) >= len(SPLITS):
        raise bad(file, f"an emotion of {emotions.max()} or a usage of {usages.max()}, expected 0..6 and 0..2", mend)
    classes, splits = np.array([class_of(name, file) for name in EMOTIONS]), np.array(list(SPLITS.values()))
    return make_catalog("fer2013", root, classes[emotions], splits[usages], Counter(), pixels=pixels)


CK_MIXED = "ckextended.csv does not tell who is seen: the same people are in training and test, and its own splits take no fold"
UNDIVIDED = "PublicTest and PrivateTest are one test split in this form; validation images are cut from training"


def read_fer_folders(root: Path, **how: object) -> Catalog:
    """train/angry/*.png and test/angry/*.png; where all files are named as the challenge's parts, these are the splits."""
    catalog = read_folders(root, "fer2013", **how)
    if "val" in catalog.splits:
        return catalog
    parts = np.array([split_of(file.name.partition("_")[0]) or "" for file in catalog.files])
    if set(parts[catalog.splits == "test"]) == {"val", "test"}:
        return replace(catalog, splits=np.where(catalog.splits == "test", parts, catalog.splits))
    return replace(catalog, notes=(*catalog.notes, UNDIVIDED))


# --- FER+ -------------------------------------------------------------------------------------------------------------

VOTES = "fer2013new.csv"
VOTED = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")


def read_voted_folders(root: Path, votes: str | None = None) -> Catalog:
    """Class folders by FER+'s majorities; its votes beside FER2013's folders are refused, as nothing tells whose they are."""
    if listed := beside(root, VOTES):
        mend = "put it beside fer2013.csv, or elsewhere if the folders are FER+'s own classes"
        raise bad(listed, "lies beside class folders, whose images do not tell which row is theirs", mend)
    if votes:
        raise bad(root, "has no votes", f"votes={votes} needs {VOTES} beside a table or array of FER2013")
    return read_folders(root, "ferplus")


def with_votes(read: Callable[[Path], Catalog], root: Path, votes: str | None = None) -> Catalog:
    """FER+: FER2013's images, row by row, with the class that more than half of the ten who voted chose.

    As the paper and its code have it (Barsoum et al., 2016, section 3): a single vote for a class is not counted, and images
    without a majority, of no face (NF) or of an unknown expression are left out, and counted.

    Args:
        votes: "drawn" keeps training images without a majority too, and how many voted for each expression; what is validated
            and tested stays the same.

    Raises:
        DataError: no such table, another number of rows, another Usage than the images', votes that are no numbers, or rows
            that are of other images, as FER2013's own labels tell.
    """
    catalog, listed = read(root), either(root, VOTES)
    rows = list(read_table(listed, ("Usage", *VOTED)))
    if len(rows) != len(catalog):
        raise bad(listed, f"{len(rows):,} rows for {len(catalog):,} images", "use it with the whole FER2013, in its own order")
    skipped: Counter[str] = Counter()
    labels, names = np.full(len(rows), -1), ALL_CLASSES
    told = np.zeros((len(rows), len(names)), dtype=np.float32)
    order = [class_of(name, listed) for name in VOTED[: len(names)]]
    for k, (line, row) in enumerate(rows):
        if split_of(row["Usage"]) != catalog.splits[k]:
            raise bad(listed, f"Usage {row['Usage'][:40]!r} of an image of {catalog.splits[k]}", "restore both files", line)
        counts = np.array([whole_number(row[name], range(1000), "votes", listed, line) for name in VOTED])
        counts[counts == 1] = 0
        winner, told[k, order] = VOTED[counts.argmax()], counts[: len(names)]
        open_to_draw = votes == "drawn" and catalog.splits[k] == "train" and told[k].any()
        if 2 * counts.max() <= counts.sum() and not (open_to_draw and winner in VOTED[: len(names)]):
            skipped["images without a majority of votes"] += 1
        elif winner in ("unknown", "NF"):
            skipped[f"images whose majority is {winner}"] += 1
        else:
            labels[k] = class_of(winner, listed, line)
    kept = labels >= 0
    for split in np.unique(catalog.splits[kept]):
        agreed = np.mean((labels == catalog.labels)[kept & (catalog.splits == split)])
        if agreed < AGREED:
            problem = f"its majorities are FER2013's labels of {agreed:.0%} of the {split} images: its rows are of others"
            raise bad(listed, problem, "give both files the rows' order of their releases")
    more = {"pixels": catalog.pixels[kept], "class_names": names, "votes": told[kept] if votes == "drawn" else None}
    return make_catalog("ferplus", catalog.root, labels[kept], catalog.splits[kept], skipped, **more)
