"""RAF-DB's own list (Li, Deng and Du, 2017), in which SimFER is written too."""

import re
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

from fercore.data.readers.catalog import CLASS_NAMES, Catalog
from fercore.data.readers.files import (
    UNLABELED,
    bad,
    beside,
    either,
    find_images,
    make_catalog,
    read_table,
    refuse_duplicates,
    require_folder,
    require_found,
    text_lines,
    whole_number,
)
from fercore.data.readers.folders import read_folders
from fercore.paths import shown

LIST = PurePosixPath("EmoLabel/list_patition_label.txt")  # the release's spelling
ALIGNED = PurePosixPath("Image/aligned")


def read_rafdb(root: Path) -> Catalog:
    """RAF-DB as it is released.

    Raises:
        DataError: a damaged list, a label out of 1..7, a duplicate, a label without its image, or an empty split.
    """
    return make_catalog("rafdb", root, **read_list(root))


def read_raf_folders(root: Path, **how: object) -> Catalog:
    """Class folders, as Kaggle's copy has them; its train_labels.csv and test_labels.csv, where they are, must agree.

    Raises:
        DataError: as `read_folders`, and where a row has no image or another class than its folder.
    """
    catalog = read_folders(root, "rafdb", **how)
    for split in ("train", "test"):
        if not (listed := beside(root, f"{split}_labels.csv")):
            continue
        images = zip(catalog.files, catalog.labels, catalog.splits, strict=True)
        found = {file.name.lower(): (file, label) for file, label, part in images if part == split}
        for line, row in read_table(listed, ("image", "label")):
            label, name = whole_number(row["label"], range(1, 8), "label", listed, line) - 1, row["image"].strip().lower()
            if name not in found:
                raise bad(listed, f"{row['image'][:80]!r} is no image of {split}", "restore the image", line)
            if label != found[name][1]:
                file, k = found[name]
                problem = f"label {label + 1} is {CLASS_NAMES[label]}, but {shown(file)} lies with {CLASS_NAMES[k]}"
                raise bad(listed, problem, "correct the row, or move the image", line)
    return catalog


def read_list(root: Path) -> dict[str, Any]:
    """The official layout: lines such as `train_00001.jpg 5`, the image in Image/aligned/train_00001_aligned.jpg.

    Returns files, labels, splits and skipped, as `make_catalog` takes them.
    """
    listed = either(root, str(LIST), "EmoLabel/list_partition_label.txt")
    lines, names, splits, labels = [], [], [], []
    for number, line in enumerate(text_lines(listed), 1):
        if not line.strip():
            continue
        entry = re.fullmatch(r"((train|test)_\d+)(?:_aligned)?(\.\w+)[\s,;]+([^\s,;]+)", line.strip(), flags=re.IGNORECASE)
        if not entry:
            columns = len(re.split(r"[\s,;]+", line.strip()))
            problem = f"expected `train_00001.jpg 5`, got {line.strip()[:60]!r}" + f", {columns} columns" * (columns > 2)
            raise bad(listed, problem, "leave image and label" if columns > 2 else "mend the line, or delete it", number)
        stem, split, suffix, label = entry.groups()
        lines.append(number)
        names.append(PurePosixPath(f"{stem}_aligned{suffix}"))
        splits.append(split.lower())
        labels.append(whole_number(label, range(1, 8), "label", listed, number) - 1)
    refuse_duplicates((name.name.lower().replace("_aligned", "") for name in names), listed, lines)
    aligned = either(root, str(ALIGNED), "aligned")
    aligned = aligned / "aligned" if (aligned / "aligned").is_dir() else aligned  # a zip unpacked in a folder of its name
    require_folder(aligned, "the aligned images train_00001_aligned.jpg and so on")
    skipped: Counter[str] = Counter()
    images = find_images(aligned, skipped)
    files = require_found(images, names, aligned, listed, lines)
    skipped[UNLABELED] += len(images) - len(files)
    return {"files": tuple(files), "labels": labels, "splits": splits, "skipped": skipped}
