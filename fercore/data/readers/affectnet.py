"""AffectNet (Mollahosseini, Hasani and Mahoor, 2017): csv lists, one npy file a label, or the labels that YOLO reads."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path, PurePosixPath

import numpy as np

from fercore.data.readers.catalog import ALL_CLASSES, Catalog
from fercore.data.readers.files import (
    SMALL_FILE,
    UNLABELED,
    bad,
    class_of,
    either,
    find_images,
    in_any_case,
    index_images,
    list_folder,
    make_catalog,
    read_table,
    refuse_duplicates,
    relative_path,
    require_file,
    require_folder,
    require_found,
    text_lines,
    whole_number,
)
from fercore.data.readers.folders import ORDER_FILE, find_parts

EXPRESSIONS = ("Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger", "Contempt")  # ids 0..7
NO_EXPRESSION = {8: "None", 9: "Uncertain", 10: "No-Face"}
HEADER = (  # of the release
    *("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks"),
    *("expression", "valence", "arousal"),
)
LISTS = {"train": "training.csv", "test": "validation.csv"}  # the test set was never released: validation stands in
LIST_FOLDER, IMAGES = "Manually_Annotated_file_lists", "Manually_Annotated_Images"
NPY_SETS = {"train": "train_set", "test": "val_set"}


def read_lists(root: Path) -> Catalog:
    """The lists training.csv and validation.csv, whose columns are found by name, and the images, once or twice in a folder.

    Raises:
        DataError: a damaged list, an expression out of 0..10, a duplicate, a label without its image, or an empty split.
    """
    lists = either(root, LIST_FOLDER, ".")
    place = either(root, IMAGES, f"Manually_Annotated/{IMAGES}", f"{IMAGES}/{IMAGES}")
    require_folder(place, "the images that the lists name")
    skipped: Counter[str] = Counter()
    lists = {split: either(lists, name) for split, name in LISTS.items()}
    rows = {split: read_list(listed, skipped) for split, listed in lists.items()}
    known = {str(name).lower() for _, name, _ in rows["train"]}
    for line, name, _ in rows["test"]:
        if str(name).lower() in known:
            raise bad(lists["test"], f"{name} is in {LISTS['train']} too", "delete one of the two", line)
    names = {split: [name for _, name, _ in rows[split]] for split in rows}
    images = index_images(place, chain(*names.values()), skipped)
    files, labels, splits = [], [], []
    for split, listed in lists.items():
        kept = [(line, name, k) for line, name, k in rows[split] if k is not None]
        files += require_found(images, [name for _, name, _ in kept], place, listed, [line for line, _, _ in kept])
        labels += [k for _, _, k in kept]
        splits += [split] * len(kept)
    skipped[UNLABELED] += len(images.keys() - {str(name).lower() for name in chain(*names.values())})
    return finish(root, files, labels, splits, skipped)


def read_list(listed: Path, skipped: Counter[str]) -> list[tuple[int, PurePosixPath, int | None]]:
    """(line, image, class) of every row; class None, counted, for what is left out."""
    found = []
    for line, row in read_table(listed, ("subDirectory_filePath", "expression"), release_header=HEADER):
        name = relative_path(row["subDirectory_filePath"], listed, line)
        found.append((line, name, class_of_id(row["expression"], skipped, listed, line)))
    refuse_duplicates((str(name).lower() for _, name, _ in found), listed, [line for line, _, _ in found])
    return found


def read_npy(root: Path) -> Catalog:
    """train_set/ and val_set/, each with images/ID.jpg and annotations/ID_exp.npy.

    Raises:
        DataError: a damaged npy file, an expression out of 0..10, a label without its image, or an empty split.
    """
    skipped: Counter[str] = Counter()
    files, labels, splits = [], [], []
    for split, name in NPY_SETS.items():
        pictures, annotations = (either(root, f"{name}/{part}") for part in ("images", "annotations"))
        require_folder(pictures, "ID.jpg")
        require_folder(annotations, "ID_exp.npy")
        found = find_images(pictures, skipped)
        images = {Path(file).stem: path for file, path in found.items()}
        stems = []
        for entry in list_folder(annotations, skipped):
            if not entry.name.endswith("_exp.npy"):
                continue  # valence, arousal and landmarks
            annotation = annotations / entry.name
            stem = entry.name.removesuffix("_exp.npy")
            k = class_of_id(read_npy_text(annotation), skipped, annotation)
            if stem.lower() not in images:
                raise bad(annotation, f"has no image {stem}.jpg in {name}/images", "restore the image")
            stems.append(stem.lower())
            if k is not None:
                files.append(images[stem.lower()])
                labels.append(k)
                splits.append(split)
        skipped[UNLABELED] += len(found) - len(stems)
    return finish(root, files, labels, splits, skipped)


def read_npy_text(path: Path) -> str:
    """The one value of a npy file, which the release stores as text."""
    require_file(path, most=SMALL_FILE)
    try:
        value = np.load(path, allow_pickle=False)
        text = str(value.item()) if value.size == 1 else ""
    except Exception as error:  # numpy raises half a dozen kinds: a header may say anything
        raise bad(path, f"is not a npy file ({str(error).splitlines()[0][:80] or 'empty'})", "restore the file") from None
    if value.size != 1:
        raise bad(path, f"holds {value.size} values, not one", "restore the file")
    return text


def class_of_id(text: str, skipped: Counter[str], path: Path, line: int | None = None) -> int | None:
    """The canonical class of an AffectNet expression id; None, having counted it, for what shows no expression."""
    number = whole_number(text, range(11), "expression", path, line)
    if number in NO_EXPRESSION:
        skipped[f"{NO_EXPRESSION[number]} (expression {number}: no expression)"] += 1
        return None
    return class_of(EXPRESSIONS[number], path)


def finish(
    root: Path, files: list[Path], labels: list[int], splits: list[str], skipped: Counter[str], notes: Sequence[str] = ()
) -> Catalog:
    more = {"files": tuple(files), "class_names": ALL_CLASSES, "notes": notes}
    return make_catalog("affectnet", root, labels, splits, skipped, **more)


# --- YOLO's labels ----------------------------------------------------------------------------------------------------


def read_yolo(root: Path) -> Catalog:
    """train/images/x.jpg with train/labels/x.txt, or images/train/x.jpg with labels/train/x.txt, whose lines begin with a
    number; data.yaml names the numbers.

    An image of several boxes is left out, and counted: it is not said whose face a network would see.

    Raises:
        DataError: no names in data.yaml, a label that is none of their numbers or has no image, or an empty split.
    """
    listed = either(root, "data.yaml", "dataset.yaml")
    text = re.sub("#.*", "", "".join(text_lines(listed)))
    block = re.search(r"^names:(.*?)(?=^\w|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    # a list, or numbers with their names, which may come in any order
    found = re.findall(r"(?:(\d+)\s*:\W*)?([A-Za-z][\w -]*)", block[1]) if block else []
    names = {int(number or place): name for place, (number, name) in enumerate(found)}
    if not names or sorted(names) != list(range(len(found))):
        raise bad(listed, "has no names of classes, numbered from 0 on", "restore it")
    skipped: Counter[str] = Counter()
    files, labels, splits, notes = [], [], [], []
    pictures = in_any_case(root, "images")
    for split, part in find_parts(pictures or root, skipped, notes, flat=bool(pictures)).items():
        labeled = either(root, f"labels/{part.relative_to(pictures)}") if pictures else either(part, "labels")
        seen = find_images(part if pictures else either(part, "images"), skipped)
        texts = [Path(entry.name) for entry in list_folder(labeled)] if labeled.is_dir() else []
        told = {text.stem.lower(): labeled / text for text in texts if text.suffix.lower() == ".txt"}
        for stem in sorted(told.keys() - {Path(name).stem for name in seen} - {Path(ORDER_FILE).stem}):
            raise bad(told[stem], "has no image of its name", "restore the image")
        for image in seen.values():
            label = told.get(image.stem.lower())
            boxes = [line for line in text_lines(label) if line.strip()] if label else []
            if len(boxes) != 1:
                skipped[f"images of {len(boxes)} boxes" if boxes else UNLABELED] += 1
                continue
            number = whole_number(boxes[0].split()[0], range(len(names)), "class", label, 1)
            files.append(image)
            labels.append(class_of(names[number], listed))
            splits.append(split)
    return finish(root, files, labels, splits, skipped, notes)
