"""FER2013 (Goodfellow et al., 2013): one csv table that holds the pixels; the (N+M) paper pre-trains on it."""

from collections import Counter
from pathlib import Path

import numpy as np

from fercore.data.readers.catalog import Catalog
from fercore.data.readers.files import bad, class_of, make_catalog, read_table, require_folder, whole_number

EMOTIONS = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")  # ids 0..6
SPLITS = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}  # as in the challenge: scores are on PrivateTest
SIZE = 48


def read_fer2013(root: Path) -> Catalog:
    """fer2013.csv with the columns emotion, pixels (48 x 48 numbers, row by row) and Usage.

    Raises:
        DataError: no such table, an emotion out of 0..6, an unknown Usage, a row without 2,304 pixels of 0..255, or an
            empty split.
    """
    root = Path(root)
    require_folder(root, "fer2013.csv")
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
