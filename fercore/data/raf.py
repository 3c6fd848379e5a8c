"""RAF-DB basic (Li, Deng and Du, 2017) in the three layouts it is found in, and SimFER, which is written in the first."""

import json
import re
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

from fercore.data.catalog import CLASS_NAMES, Catalog
from fercore.data.reading import (
    UNLABELED,
    bad,
    class_of,
    find_images,
    make_catalog,
    read_table,
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

SIMFER_FOLDS = 8  # where SimFER has no test images: as for CK+


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


# --- SimFER -----------------------------------------------------------------------------------------------------------


def read_simfer(root: Path) -> Catalog:
    """SimFER: RAF-DB's layout, with identities from simfer.csv.

    A preset without test images (sequences, identity) is read for subject-independent folds. Of a sequence the frames at
    its peak are kept, as the protocols of CK+ and MMI do, and the neutral one is counted as skipped.

    Raises:
        DataError: not generated yet, or not to its end; the csv and the list disagree; and as `read_rafdb`.
    """
    root = Path(root)
    make = "run `python -m fercore data make simfer --preset PRESET`, which makes it or goes on where it stopped"
    if not root.is_dir():
        raise bad(root, "folder not found", make)
    manifest = root / "manifest.json"
    try:
        complete = manifest.exists() and json.loads("".join(text_lines(manifest))).get("complete") is True
    except (ValueError, AttributeError):
        raise bad(manifest, "is not a JSON object", make) from None
    if not complete:
        raise bad(root, "was not generated to its end", make)
    entries = read_list(root)
    listed = root / "simfer.csv"
    rows = list(read_table(listed, ("name", "split", "label", "identity")))
    refuse_duplicates((row["name"].lower() for _, row in rows), listed, [line for line, _ in rows])
    known = truths(entries, listed, {row["name"].lower(): (line, row) for line, row in rows})
    kept = [i for i, (_, sequence, frame) in enumerate(known) if sequence < 0 or frame > 0]
    skipped = entries["skipped"] + Counter({"neutral frames of sequences": len(known) - len(kept)})
    files, labels, splits, known = (
        [values[i] for i in kept] for values in (entries["files"], entries["labels"], entries["splits"], known)
    )
    identities, sequences, _ = zip(*known, strict=True) if known else ((), (), ())
    more = {"files": tuple(files), "identities": identities}
    if max(sequences, default=-1) >= 0 or "test" not in splits:
        more["folds"], splits = SIMFER_FOLDS, ["all"] * len(splits)
    if max(sequences, default=-1) >= 0:
        more["sequences"] = sequences
    return make_catalog("simfer", root, labels, splits, skipped, **more)


def truths(entries: dict[str, Any], listed: Path, found: dict[str, tuple[int, dict[str, str]]]) -> list[tuple[int, int, int]]:
    """What simfer.csv knows of each image of the list: who is seen, in which sequence (-1: a single image) and frame."""
    known = []
    for file, label, split in zip(entries["files"], entries["labels"], entries["splits"], strict=True):
        name = file.name.lower().replace("_aligned", "")
        if name not in found:
            raise bad(listed, f"no row for {name}, which {LIST} names", "generate the set again")
        line, row = found[name]
        if (row["split"], row["label"]) != (split, str(label + 1)):
            problem = f"{name} is {row['split']} with label {row['label']}, but {split} with {label + 1} in {LIST}"
            raise bad(listed, problem, "generate the set again", line)
        identity = whole_number(row["identity"], range(2**31), "identity", listed, line)
        sequence = whole_number(row.get("sequence", "-1"), range(-1, 2**31), "sequence", listed, line)
        known.append((identity, sequence, whole_number(row.get("frame", "0"), range(2**31), "frame", listed, line)))
    if len(found) > len(known):
        extra = min(set(found) - {file.name.lower().replace("_aligned", "") for file in entries["files"]})
        raise bad(listed, f"{extra} is not in {LIST}", "generate the set again", found[extra][0])
    return known
