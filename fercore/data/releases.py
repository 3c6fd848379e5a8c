"""What a data set on disk holds against what its release holds: the table behind `python -m fercore data check`."""

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fercore.data.images import UnreadableImage, read_square
from fercore.data.readers.catalog import Catalog
from fercore.data.readers.files import UNLABELED
from fercore.data.readers.table import READERS
from fercore.errors import ConfigError
from fercore.paths import shown

# Images of each class in canonical order, or their number in all where the class counts were not published; a set
# with two releases in use has two entries, and what is found is held against the nearer one. Sources: the RAF-DB and
# AffectNet lists, fer2013.csv, the CK+ paper (sequences x 3), the (N+M) paper (MMI and SFEW; MMI's frames are 3 a sequence).
EXPECTED: dict[str, tuple[dict[str, tuple[int, ...] | int], ...]] = {
    "rafdb": ({"train": (1290, 281, 717, 4772, 1982, 705, 2524), "test": (329, 74, 160, 1185, 478, 162, 680)},),
    "affectnet": ({"train": (14090, 6378, 3803, 134415, 25459, 24882, 74874), "test": (500,) * 7},),
    "fer2013": (
        {
            "train": (3171, 4097, 436, 7215, 4830, 3995, 4965),
            "val": (415, 496, 56, 895, 653, 467, 607),
            "test": (416, 528, 55, 879, 594, 491, 626),
        },
    ),
    "ckplus": ({"all": (249, 75, 177, 207, 84, 135, 0, 54)},),
    "mmi": ({"all": 3 * 213}, {"all": 3 * 208}),
    "sfew": ({"train": 958, "test": 436}, {"train": 891, "test": 431}),
}
SHOWN = 5  # unreadable images named
SIDE = 64  # to which images are decoded: of a large JPEG every byte is read, and a part of the work is done


def check_dataset(name: str, root: Path) -> tuple[str, bool]:
    """Read the data set `name` at `root`, decode every image, and compare its counts with the release's.

    SimFER is generated: its own list and table, which its reader compares, say what is expected.

    Returns:
        The table as text, and whether nothing is missing, extra or unreadable.

    Raises:
        ConfigError: there is no such data set.
        DataError: the reader cannot read it.
    """
    if name not in READERS:
        raise ConfigError(f"unknown data set {name!r}; known: {', '.join(READERS)}")
    catalog = READERS[name](Path(root))
    expected = nearest(name, catalog)
    lines, same = compare(catalog, expected)
    unreadable = find_unreadable(catalog.files)
    lines += ["", *describe(catalog), f"unreadable images: {len(unreadable)}", *unreadable[:SHOWN]]
    if len(unreadable) > SHOWN:
        lines.append(f"  ... and {len(unreadable) - SHOWN} more")
    ok = same and not unreadable and not catalog.skipped.get(UNLABELED)
    source = "its own list" if name == "simfer" else "the release"
    return "\n".join([*lines, f"{name} in {shown(catalog.root)} {'agrees with' if ok else 'DIFFERS from'} {source}"]), ok


def class_counts(catalog: Catalog, split: str) -> tuple[int, ...]:
    """Images of each class in one split."""
    labels = catalog.labels[catalog.splits == split]
    return tuple(np.bincount(labels, minlength=len(catalog.class_names)).tolist())


def nearest(name: str, catalog: Catalog) -> dict[str, tuple[int, ...] | int]:
    """The release's counts, of several the ones nearest to what was found; what was found where nothing is published."""
    if name not in EXPECTED:
        return {split: class_counts(catalog, split) for split in present(catalog)}

    def distance(counts: dict[str, tuple[int, ...] | int]) -> int:
        return sum(abs(np.sum(counts[split]) - np.sum(class_counts(catalog, split))) for split in counts)

    return min(EXPECTED[name], key=distance)


def present(catalog: Catalog) -> list[str]:
    return [split for split in ("train", "val", "test", "all") if split in catalog.splits]


def compare(catalog: Catalog, expected: dict[str, tuple[int, ...] | int]) -> tuple[list[str], bool]:
    """Found, expected, missing and extra images of each class and split, as lines, and whether they agree."""
    rows, same = [("split", "", *catalog.class_names, "all")], True
    for split in dict.fromkeys([*expected, *present(catalog)]):
        found, wanted = class_counts(catalog, split), expected.get(split, 0)
        per_class = isinstance(wanted, tuple)
        rows.append((split, "found", *found, sum(found)))
        rows.append(("", "expected", *(wanted if per_class else "-" * len(found)), sum(wanted) if per_class else wanted))
        gaps = [f - w for f, w in zip(found, wanted, strict=True)] if per_class else []
        total = [sum(found) - (sum(wanted) if per_class else wanted)]
        columns = (gaps or [0] * len(found)) + total
        if any(gap < 0 for gap in columns):
            rows.append(("", "missing", *(-gap if gap < 0 else "" for gap in columns)))
        if any(gap > 0 for gap in columns):
            rows.append(("", "extra", *(gap if gap > 0 else "" for gap in columns)))
        same = same and not any(columns)
    return aligned(rows), same


def aligned(rows: Sequence[Sequence[object]]) -> list[str]:
    """Rows as lines of even columns, numbers with thousands separators."""
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            f"{cell:<{width}}" if k < 2 else f"{cell:>{width}}" for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]


def describe(catalog: Catalog) -> list[str]:
    """Identities, sequences and folds, and what the reader skipped, a line each."""
    counts = {"identities": catalog.identities, "sequences": catalog.sequences}
    lines = [f"{what}: {len(np.unique(ids)):,}" for what, ids in counts.items() if ids is not None]
    lines += [f"subject-independent folds: {catalog.folds}"] if catalog.folds else []
    return lines + [f"skipped: {count:,} {reason}" for reason, count in catalog.skipped.items()]


def find_unreadable(files: Sequence[Path]) -> list[str]:
    """A line for each file that does not decode to its end."""
    quiet = os.environ.get("FERCORE_PROGRESS") == "0"
    with ThreadPoolExecutor() as pool:  # decoding releases the interpreter's lock
        decoded = pool.map(decoding_problem, files)
        every = 0.5 if sys.stderr.isatty() else 10  # seconds between two lines of the bar
        problems = list(tqdm(decoded, "decoding", len(files), disable=quiet, leave=False, mininterval=every))
    return [f"  {shown(file)}: {problem}" for file, problem in zip(files, problems, strict=True) if problem]


def decoding_problem(file: Path) -> str | None:
    """Why the image cannot be decoded, as the store would; None where it can."""
    try:
        read_square(file, SIDE)
    except UnreadableImage as error:
        return str(error)
    return None
