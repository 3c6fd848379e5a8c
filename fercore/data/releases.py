"""What a data set on disk holds against what its release holds: the table behind `python -m fercore data check`."""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from fercore.data.doubts import DIGEST, Seen, number_images, tell
from fercore.data.faces import split_catalog, usable
from fercore.data.images import UnreadableImage, open_image, to_square
from fercore.data.names import OWN
from fercore.data.readers.catalog import Catalog
from fercore.data.readers.counts import EXPECTED
from fercore.data.readers.files import UNLABELED
from fercore.data.readers.table import READERS
from fercore.errors import ConfigError, DataError
from fercore.paths import shown
from fercore.progress import progress_bar

SHOWN = 5  # unreadable images named
SIDE = 64  # to which images are decoded: of a large JPEG every byte is read, and a part of the work is done


def check_dataset(
    name: str, root: Path, *, val_fraction: float = 0.1, doubtful: str | None = None, **how: int | str
) -> tuple[str, bool]:
    """Read the data set `name` at `root`, decode every image, compare its counts, and tell what ruins results or a training.

    SimFER is generated: its own list and table, which its reader compares, say what is expected. Of FER+ and one's own set
    nobody says it. What is doubtful (see `doubts.tell`) is told, and makes no difference: the releases have it too.

    Args:
        val_fraction, doubtful: as in `faces.load_faces`, whose splits are cut, for every fold.
        how: as in `readers.table.read_set`.

    Returns:
        The table as text, and whether nothing is missing, extra or unreadable, and the splits can be cut.

    Raises:
        ConfigError: there is no such data set.
        DataError: the reader cannot read it.
    """
    if name not in READERS:
        raise ConfigError(f"unknown data set {name!r}; known: {', '.join(READERS)}")
    catalog = READERS[name](Path(root), **how)
    lines, same = compare(catalog, nearest(name, catalog))
    seen = see_all(catalog)
    unreadable = [f"  {shown(file)}: {one.problem}" for file, one in zip(catalog.files, seen, strict=False) if one.problem]
    lines += ["", *describe(catalog), f"unreadable images: {len(unreadable)}", *unreadable[:SHOWN]]
    if len(unreadable) > SHOWN:
        lines.append(f"  ... and {len(unreadable) - SHOWN} more")
    lines += [f"doubtful: {line}" for line in tell(seen, catalog)]
    refused, cut = ("", ()) if unreadable else try_to_cut(catalog, seen, val_fraction, doubtful)
    lines += [f"no training: {refused}"] if refused else []
    lines += [f"cut for training: train {cut[0]:,}, val {cut[1]:,}, test {cut[2]:,}"] if cut and name == OWN else []
    whole = same and not unreadable and not catalog.skipped.get(UNLABELED)
    ok = whole and not refused
    if name in EXPECTED or name == "simfer":
        verdict = f"{'agrees with' if whole else 'DIFFERS from'} {'its own list' if name == 'simfer' else 'the release'}"
        verdict += "; it can be trained on" if cut and not whole else ""
    else:
        verdict = "can be trained on" if ok else "can NOT be trained on"
    return "\n".join([*lines, f"{name} in {shown(catalog.root)} {verdict}"]), ok


def try_to_cut(
    catalog: Catalog, seen: Sequence[Seen], val_fraction: float, doubtful: str | None
) -> tuple[str, tuple[int, ...]]:
    """Why `load_faces` would refuse these images, in its words, or "" and the sizes of the splits (of the last fold)."""
    numbers = number_images(np.frombuffer(b"".join(one.digest for one in seen), np.uint8).reshape(-1, DIGEST))
    flat = np.array([one.flat for one in seen], dtype=bool)
    try:
        for fold in range(catalog.folds) or (None,):
            parts = split_catalog(catalog, 1, val_fraction, fold)
            kept = usable(catalog, parts, numbers, catalog.labels, flat, doubtful)
    except DataError as error:
        return str(error), ()
    return "", tuple(map(len, kept))


def class_counts(catalog: Catalog, split: str) -> tuple[int, ...]:
    """Images of each class in one split."""
    labels = catalog.labels[catalog.splits == split]
    return tuple(np.bincount(labels, minlength=len(catalog.class_names)).tolist())


def nearest(name: str, catalog: Catalog) -> dict[str, tuple[int, ...] | int]:
    """The release's counts, of several the ones nearest to what was found; what was found where nothing is published.

    Counts of other classes are not looked at: AffectNet has seven or, with contempt, eight.
    """
    if name not in EXPECTED:
        return {split: class_counts(catalog, split) for split in present(catalog)}

    def distance(counts: dict[str, tuple[int, ...] | int]) -> int:
        return sum(abs(np.sum(counts[split]) - np.sum(class_counts(catalog, split))) for split in counts)

    def fits(counts: dict[str, tuple[int, ...] | int]) -> bool:
        return all(isinstance(wanted, int) or len(wanted) == len(catalog.class_names) for wanted in counts.values())

    return min(filter(fits, EXPECTED[name]), key=distance)


def present(catalog: Catalog) -> list[str]:
    return [split for split in ("train", "val", "test", "all") if split in catalog.splits]


def compare(catalog: Catalog, expected: dict[str, tuple[int, ...] | int]) -> tuple[list[str], bool]:
    """Found, expected, missing and extra images of each class and split, as lines, and whether they agree."""
    rows, same = [("split", "", *catalog.class_names, "all")], True
    for split in dict.fromkeys([*expected, *present(catalog)]):
        found, wanted = class_counts(catalog, split), expected.get(split, 0)
        per_class = isinstance(wanted, tuple)
        rows.append((split, "found", *found, sum(found)))
        if catalog.name in EXPECTED:
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
    """Identities, sequences and folds, what was skipped, and what is to be known of this form of the set, a line each."""
    counts = {"identities": catalog.identities, "sequences": catalog.sequences}
    lines = [f"{what}: {len(np.unique(ids)):,}" for what, ids in counts.items() if ids is not None]
    lines += [f"subject-independent folds: {catalog.folds}"] if catalog.folds else []
    return [*lines, *(f"skipped: {count:,} {reason}" for reason, count in catalog.skipped.items()), *catalog.notes]


def see_all(catalog: Catalog) -> list[Seen]:
    """Every image of a catalog, decoded to its end."""
    with ThreadPoolExecutor() as pool:  # decoding releases the interpreter's lock
        found = (
            map(see, map(Image.fromarray, catalog.pixels)) if catalog.pixels is not None else pool.map(see_file, catalog.files)
        )
        live = sys.stderr.isatty()  # where the bar's line is wiped off; a log file keeps it, and the table begins a new one
        return list(progress_bar("decoding", found, total=len(catalog), leave=not live))


def see_file(file: Path) -> Seen:
    try:
        with open_image(file) as image:
            return see(image)
    except UnreadableImage as error:
        return Seen(problem=str(error))


def see(image: Image.Image) -> Seen:
    size = image.size  # before a JPEG is decoded at a part of it
    return Seen.of(to_square(image, SIDE), size)
