"""RAF-DB basic (Li, Deng and Du, 2017) in the three layouts it is found in, and SimFER, which is written in the first."""

import re
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

from fercore.data.readers.catalog import CLASS_NAMES, Catalog
from fercore.data.readers.files import (
    UNLABELED,
    bad,
    class_of,
    find_images,
    make_catalog,
    refuse_duplicates,
    require_folder,
    require_found,
    subfolders,
    suggest,
    text_lines,
    whole_number,
)
from fercore.paths import shown

LIST = PurePosixPath("EmoLabel/list_patition_label.txt")  # the release's spelling
ALIGNED = PurePosixPath("Image/aligned")
LAYOUTS = f"{LIST} and {ALIGNED}/, or train/ and test/ with class folders 1..7 or 00..06"

# The README of the released DACL code names four of its seven folders. The other three hold surprise, anger and fear
# in an order it does not give; RAF-DB has 1,290, 705 and 281 training images of them, so their sizes tell.
DACL_NAMED = {"00": "Neutral", "01": "Happiness", "02": "Sadness", "06": "Disgust"}
DACL_BY_SIZE = ("Surprise", "Anger", "Fear")
CLEARLY_MORE = 1.5  # RAF-DB: 1.8 and 2.5


def read_rafdb(root: Path) -> Catalog:
    """RAF-DB: the official list with aligned images, class folders 1..7, or the 00..06 folders of the released DACL code.

    Raises:
        DataError: no such layout, a damaged list, a label out of 1..7, a duplicate, a label without its image, an
            unknown or empty class folder, or an empty split.
    """
    root = Path(root)
    require_folder(root, LAYOUTS)
    if (root / LIST.parent).is_dir():
        return make_catalog("rafdb", root, **read_list(root))
    if (root / "train").is_dir():
        return read_class_folders(root)
    raise bad(root, "is not RAF-DB's folder", suggest(root, holds_rafdb, LAYOUTS))


def holds_rafdb(folder: Path) -> bool:
    return (folder / LIST).exists() or (
        (folder / "train").is_dir() and any((folder / "train" / k).is_dir() for k in ("1", "00"))
    )


def read_list(root: Path) -> dict[str, Any]:
    """The official layout: lines such as `train_00001.jpg 5`, the image in Image/aligned/train_00001_aligned.jpg.

    Returns files, labels, splits and skipped, as `make_catalog` takes them.
    """
    listed = root / LIST
    lines, names, splits, labels = [], [], [], []
    for number, line in enumerate(text_lines(listed), 1):
        if not line.strip():
            continue
        entry = re.fullmatch(r"((train|test)_\d+)(\.\w+)\s+(\S+)", line.strip(), flags=re.IGNORECASE)
        if not entry:
            raise bad(listed, f"expected `train_00001.jpg 5`, got {line.strip()[:60]!r}", "restore the file", number)
        stem, split, suffix, label = entry.groups()
        lines.append(number)
        names.append(PurePosixPath(f"{stem}_aligned{suffix}"))
        splits.append(split.lower())
        labels.append(whole_number(label, range(1, 8), "label", listed, number) - 1)
    refuse_duplicates((name.name.lower().replace("_aligned", "") for name in names), listed, lines)
    require_folder(root / ALIGNED, "the aligned images train_00001_aligned.jpg and so on")
    skipped: Counter[str] = Counter()
    images = find_images(root / ALIGNED, skipped)
    wanted = [root / ALIGNED / name for name in names]
    files = require_found((images.get(name.name.lower()) for name in names), wanted, listed, lines)
    skipped[UNLABELED] += len(images) - len(files)
    return {"files": files, "labels": labels, "splits": splits, "skipped": skipped}


# --- class folders ----------------------------------------------------------------------------------------------------


def read_class_folders(root: Path) -> Catalog:
    """train/ and test/ (or valid/, which the DACL code calls its test images), each with a folder a class."""
    test = "test" if (root / "test").is_dir() else "valid"
    parts = {"train": "train", test: "test"} | ({"valid": "val"} if test == "test" and (root / "valid").is_dir() else {})
    skipped: Counter[str] = Counter()
    found = {}
    for part in parts:
        require_folder(root / part, "a folder a class")
        found[part] = {folder.name: find_images(folder, skipped) for folder in subfolders(root / part, skipped)}
    classes = folder_classes(root, {name: len(images) for name, images in found["train"].items()})
    files, labels, splits = [], [], []
    for part, split in parts.items():
        check_class_folders(root / part, found[part], classes)
        refuse_copies(root / part, found[part])
        for folder, images in found[part].items():
            files += images.values()
            labels += [classes[folder]] * len(images)
            splits += [split] * len(images)
    return make_catalog("rafdb", root, labels, splits, skipped, files=tuple(files))


def folder_classes(root: Path, sizes: dict[str, int]) -> dict[str, int]:
    """Which class each folder name means: 1..7 as in RAF-DB's list, or 00..06 as in the released DACL code."""
    if set(sizes) & set("1234567"):
        return {str(k + 1): k for k in range(7)}
    if set(sizes) & set(DACL_NAMED):
        return dacl_classes(root, sizes)
    raise bad(root / "train", "has no class folders", f"expected {LAYOUTS}")


def dacl_classes(root: Path, sizes: dict[str, int]) -> dict[str, int]:
    """The classes of 00..06: as classes.txt names them, one a line, else by the released README and by size."""
    listed = root / "classes.txt"
    if listed.exists():
        names = [line.strip() for line in text_lines(listed) if line.strip()]
        classes = [class_of(name, listed, number) for number, name in enumerate(names, 1)]
        if sorted(classes) != list(range(7)):
            raise bad(
                listed, f"{len(names)} lines do not name the seven classes", f"write each of {', '.join(CLASS_NAMES)} once"
            )
        return {f"{number:02d}": k for number, k in enumerate(classes)}
    unnamed = sorted(("03", "04", "05"), key=lambda folder: -sizes.get(folder, 0))
    most, middle, least = (sizes.get(folder, 0) for folder in unnamed)
    if most < CLEARLY_MORE * middle or middle < CLEARLY_MORE * least:
        problem = f"sizes of 03..05 ({most}, {middle}, {least}) do not tell which is surprise, anger and fear"
        raise bad(root / "train", problem, "name the classes of 00..06 in classes.txt beside it, one a line")
    names = DACL_NAMED | dict(zip(unnamed, DACL_BY_SIZE, strict=True))
    return {folder: CLASS_NAMES.index(name) for folder, name in names.items()}


def check_class_folders(folder: Path, found: dict[str, dict[str, Path]], classes: dict[str, int]) -> None:
    """Every class has its folder with images, and there is no other folder."""
    expected = f"expected {', '.join(sorted(classes))}"
    for name in sorted(set(found) ^ set(classes)):
        raise bad(folder / name, "is no class folder" if name in found else "class folder not found", expected)
    for name, images in found.items():
        if not images:
            raise bad(folder / name, "class folder without images", "restore the release")


def refuse_copies(folder: Path, found: dict[str, dict[str, Path]]) -> None:
    """A file name in two class folders is one image with two labels."""
    first: dict[str, Path] = {}
    for images in found.values():
        for name, path in images.items():
            if name in first:
                raise bad(path, f"is in {shown(first[name].parent)} too: one image, two labels", "delete one of the two")
            first[name] = path
