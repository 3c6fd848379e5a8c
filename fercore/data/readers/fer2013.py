"""FER2013 (Goodfellow et al., 2013): one table that holds the pixels; the (N+M) paper pre-trains on it."""

import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from fercore.data.readers.catalog import Catalog
from fercore.data.readers.files import bad, class_of, make_catalog, read_table, require_file, require_folder, whole_number

EMOTIONS = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")  # ids 0..6
SPLITS = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}  # as in the challenge: scores are on PrivateTest
SIZE = 48
MOST_BYTES = 2**30  # of an array of fer2013.npz; the release has 83 MB of pixels


def read_fer2013(root: Path) -> Catalog:
    """fer2013.csv with the columns emotion, pixels (48 x 48 numbers, row by row) and Usage; or fer2013.npz.

    Raises:
        DataError: no such table, an emotion out of 0..6, an unknown Usage, a row without 2,304 pixels of 0..255, an empty
            split, or a damaged npz.
    """
    root = Path(root)
    require_folder(root, "fer2013.csv or fer2013.npz")
    if (root / "fer2013.npz").exists():
        return read_npz(root, root / "fer2013.npz")
    listed = root / "fer2013.csv"
    pixels, labels, splits = [], [], []
    for line, row in read_table(listed, ("emotion", "pixels", "Usage")):
        number = whole_number(row["emotion"], range(len(EMOTIONS)), "emotion", listed, line)
        if row["Usage"].strip() not in SPLITS:
            raise bad(listed, f"unknown Usage {row['Usage'][:40]!r}", f"expected {', '.join(SPLITS)}", line)
        labels.append(class_of(EMOTIONS[number], listed, line))
        splits.append(SPLITS[row["Usage"].strip()])
        pixels.append(read_pixels(row["pixels"], listed, line))
    if "val" not in splits:
        raise bad(listed, "has no PublicTest images", "restore the release")
    images = np.stack(pixels)
    return make_catalog("fer2013", root, labels, splits, Counter(), pixels=images)


def read_npz(root: Path, file: Path) -> Catalog:
    """The csv's columns as arrays of uint8: pixels [N, 48, 48], emotion [N] and usage [N], 0..2 in the order of SPLITS."""
    mend = "write it again from fer2013.csv"
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


def read_pixels(text: str, path: Path, line: int) -> np.ndarray:
    """[48, 48] uint8 from 2,304 numbers separated by blanks."""
    try:
        values = np.fromiter(map(int, text.split()), dtype=np.int64)
    except (ValueError, OverflowError):
        raise bad(path, "pixels are not whole numbers", "restore the file", line) from None
    if len(values) != SIZE**2:
        raise bad(path, f"{len(values):,} pixels, expected {SIZE**2:,}", "restore the file (it may be truncated)", line)
    if values.min() < 0 or values.max() > 255:
        raise bad(path, f"pixels of {values.min()}..{values.max()}, expected 0..255", "restore the file", line)
    return values.astype(np.uint8).reshape(SIZE, SIZE)
