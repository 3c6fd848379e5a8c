"""Class folders, the form in which most sets are handed on, and one's own; and files whose names tell class and person."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import numpy as np

from fercore.data.names import OWN, WITH_CONTEMPT
from fercore.data.readers.catalog import CLASS_NAMES, CONTEMPT, Catalog
from fercore.data.readers.files import (
    CLASS_BY_NAME,
    bad,
    class_of,
    coded,
    find_images,
    make_catalog,
    plain,
    read_table,
    refuse_duplicates,
    relative_path,
    subfolders,
    text_lines,
)
from fercore.errors import ConfigError
from fercore.paths import shown

PARTS = {  # split -> how its folder is called, in any case
    "train": ("train", "training", "train_set", "train_aligned_faces*"),
    "val": ("val", "valid", "validation", "val_set", "val_aligned_faces*", "publictest"),
    "test": ("test", "testing", "test_set", "test_aligned_faces*", "privatetest"),
}
IDENTITIES = "identities.csv"
ORDER_FILE = "classes.txt"
ALL_CLASSES = (*CLASS_NAMES, CONTEMPT)
NEARLY = 0.1  # of a class's share in the release: by so much the share of its folder may differ

Found = dict[str, dict[str, Path]]  # key of a class folder -> {file name in lower case: path}


@dataclass(frozen=True)
class Numbering:
    """What numbers that name class folders mean in one release of a set: `classes`, from number `first` on."""

    whose: str
    classes: tuple[str, ...]
    first: int = 0

    def numbers(self) -> list[str]:
        return [str(number) for number in range(self.first, self.first + len(self.classes))]

    def fits(self, sizes: dict[str, int], counts: dict[str, int]) -> bool:
        """Whether each folder has nearly the share of the images that its class has in the release."""
        shares = np.array([counts[name] for name in self.classes]) / sum(counts[name] for name in self.classes)
        found = np.array([sizes[number] for number in self.numbers()])
        return bool((np.abs(found / max(1, found.sum()) - shares) <= NEARLY * shares).all())


def read_folders(
    root: Path,
    name: str,
    *,
    classes: tuple[str, ...] = CLASS_NAMES,
    numberings: tuple[Numbering, ...] = (),
    counts: Sequence[int] = (),
    person: str | None = None,
    folds: int = 0,
    unique: bool = False,
) -> Catalog:
    """root/train/angry/*.png and root/test/angry/*.png, or root/angry/*.png; spelling and capitals as people write them.

    Without a test folder the validation folder is the test split, as the papers have it where test labels were never released.

    Args:
        name: of the set; "folder" is anyone's own, whose classes are the folders that are there.
        classes: those that must be there; contempt may be where the set has it.
        numberings: what numbers may mean as names; of several the one is taken that gives each class its share.
        counts: the release's training images of each class, in canonical order.
        person: a pattern of file names, without suffix, whose groups `person` and perhaps `sequence` tell who is seen.
        folds: of people, where the set has no test split.
        unique: a file name is one image: in two class folders it has two labels.

    Raises:
        DataError: no class folders, one that is missing, unknown, empty or there twice, numbers whose meaning counts do not
            tell, a name or an identity table that does not tell who is seen, or an empty split.
    """
    skipped: Counter[str] = Counter()
    notes: list[str] = []
    parts = find_parts(root, skipped, notes)
    found: dict[str, Found] = {split: find_classes(folder, skipped) for split, folder in parts.items()}
    sizes = {folder: len(images) for folder, images in next(iter(found.values())).items()}  # of training, or of all
    place = next(iter(parts.values()))
    names, class_of_folder = (
        own_classes(place, sizes) if name == OWN else set_classes(place, sizes, name, classes, numberings, counts)
    )
    skipped["class folders without images"] += len(sizes.keys() - class_of_folder.keys())
    files, labels, splits = [], [], []
    for split, folders in found.items():
        refuse_strangers(parts[split], folders, class_of_folder, needed=name != OWN)
        if unique:
            refuse_copies(folders)
        for folder, images in folders.items():
            files += images.values()
            labels += [class_of_folder.get(folder)] * len(images)
            splits += [split] * len(images)
    who, sequences = tell_people(root, files, person)
    more = {"identities": who, "sequences": sequences, "folds": folds if "all" in parts else 0}
    return make_catalog(name, root, labels, splits, skipped, files=tuple(files), class_names=names, notes=notes, **more)


def find_parts(root: Path, skipped: Counter[str], notes: list[str]) -> dict[str, Path]:
    """Split -> its folder; "all" -> `root` where there are no such folders."""
    found: dict[str, Path] = {}
    inside = subfolders(root, Counter())
    for split in PARTS:
        folders = [folder for folder in inside if part_of(folder.name) == split]
        if len(folders) > 1:
            raise bad(folders[1], f"is a second {split} folder beside {folders[0].name}", "delete one of the two")
        if folders:
            found[split] = innermost(folders[0], split)
    if not found:
        return {"all": root}
    skipped["folders beside those of the splits"] += sum(part_of(folder.name) is None for folder in inside)
    if "train" not in found:
        raise bad(root, f"has {' and '.join(folder.name for folder in found.values())}, but no folder train", "restore it")
    if "test" in found and "val" in found and not any(subfolders(found["test"], Counter())):  # SFEW: never labeled
        skipped["test images without a label"] += len(find_images(found.pop("test"), Counter()))
    if "val" in found and "test" not in found:
        notes.append(f"{found['val'].name} is the test split; validation images are cut from {found['train'].name}")
        found["test"] = found.pop("val")
    if "test" not in found:
        raise bad(root, "has train, but no folder test or val", "add it, or give the train folder alone, which is then divided")
    return found


def part_of(folder: str) -> str | None:
    """Which split a folder's name stands for."""
    return next((split for split, names in PARTS.items() if any(fnmatchcase(folder.lower(), name) for name in names)), None)


def innermost(folder: Path, split: str) -> Path:
    """`folder`, or the one in it that a zip unpacked into a folder of its own name leaves."""
    inside = subfolders(folder, Counter())
    return innermost(inside[0], split) if len(inside) == 1 and part_of(inside[0].name) == split else folder


def find_classes(folder: Path, skipped: Counter[str]) -> Found:
    """The images of each class folder, by `key`."""
    found: Found = {}
    first: dict[str, Path] = {}
    for path in subfolders(folder, skipped):
        if key(path.name) in first:
            raise bad(
                path, f"is a second folder of a class, beside {first[key(path.name)].name}", "put them into one, or rename one"
            )
        first[key(path.name)] = path
        found[key(path.name)] = find_images(path, skipped)
    return found


def key(folder: str) -> str:
    """What tells class folders apart: an expression's usual name ("Happy" and "0_happiness" are one), a number, or the name."""
    if plain(folder) in CLASS_BY_NAME:
        return ALL_CLASSES[CLASS_BY_NAME[plain(folder)]]
    return str(int(folder)) if folder.isdecimal() else unicodedata.normalize("NFC", folder)  # a Mac writes é as two signs


# --- which class a folder is ------------------------------------------------------------------------------------------


def own_classes(place: Path, sizes: dict[str, int]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Names and {key: class} of one's own classes: in canonical order where all are expressions, else in their own."""
    filled = [name for name, count in sizes.items() if count]
    if len(filled) < 2:
        expected = "expected two or more, each with the images of one class in it"
        raise bad(place, f"has {len(filled)} class folders with images", expected)
    for name in filled:
        if not name.isprintable():
            raise bad(place / name, "is the name of a class and cannot be printed", "rename the folder")
    if set(filled) <= set(ALL_CLASSES):
        names = sorted(filled, key=ALL_CLASSES.index)
    else:
        names = sorted(filled, key=lambda name: (int(name) if name.isdecimal() else -1, name.casefold()))
    return tuple(names), {name: k for k, name in enumerate(names)}


def set_classes(
    place: Path,
    sizes: dict[str, int],
    name: str,
    classes: Sequence[str],
    numberings: Sequence[Numbering],
    counts: Sequence[int],
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Names in canonical order and {key: class} of a set whose classes are known."""
    if numberings and sizes and all(name.isdecimal() for name in sizes):
        names = read_numbers(place, sizes, numberings, dict(zip(ALL_CLASSES, counts, strict=False)))
    else:
        possible = {*classes, CONTEMPT} if name in WITH_CONTEMPT else {*classes}
        names = {folder: folder for folder in sizes if folder in possible}
    missing, strange = [one for one in classes if one not in names.values()], sorted(sizes.keys() - names.keys())
    if missing or strange:
        problem = f"is no class of {name}" if strange else "class folder not found"
        own = f"; --data {OWN}:PATH takes any classes"
        raise bad(place / (strange or missing)[0], problem, f"expected {', '.join(classes)}{own}")
    kept = ALL_CLASSES if CONTEMPT in {*classes, *names.values()} else CLASS_NAMES
    return kept, {folder: ALL_CLASSES.index(name) for folder, name in names.items()}


def read_numbers(place: Path, sizes: dict[str, int], numberings: Sequence[Numbering], counts: dict[str, int]) -> dict[str, str]:
    """{number: class name}: as classes.txt says, else as the one numbering there is, else as the one that fits the counts."""
    listed = (place.parent if part_of(place.name) else place) / ORDER_FILE
    numbers = sorted(sizes, key=int)
    if listed.exists():
        lines = [(number, line.strip()) for number, line in enumerate(text_lines(listed), 1) if line.strip()]
        names = [ALL_CLASSES[class_of(line, listed, number)] for number, line in lines]
        if len(set(names)) != len(names) or len(names) != len(numbers):
            raise bad(
                listed, f"{len(names)} lines do not name the {len(numbers)} folders", "write each class once, a line each"
            )
        return dict(zip(numbers, names, strict=True))
    possible = [numbering for numbering in numberings if numbering.numbers() == numbers]
    fitting = [numbering for numbering in possible if len(possible) == 1 or numbering.fits(sizes, counts)]
    if len(fitting) == 1:
        return dict(zip(numbers, fitting[0].classes, strict=True))
    if not possible:
        known = dict.fromkeys(f"{one.numbers()[0]}..{one.numbers()[-1]}" for one in numberings)
        raise bad(place, f"has class folders {', '.join(numbers[:9])}", f"expected {' or '.join(known)}")
    orders = {one.whose: one.classes for one in reversed(possible)}  # of each, the first
    enough = next(n for n in range(3, 9) if len({classes[:n] for classes in orders.values()}) == len(orders))
    readings = " or ".join(f"{whose} ({', '.join(orders[whose][:enough])}, ...)" for whose in reversed(orders))
    problem = f"{numbers[0]}..{numbers[-1]} may be {readings}, and the sizes do not tell"
    raise bad(place, problem, f"name the classes in {shown(listed)}, one a line, in the order of the numbers")


# --- what a class folder must be --------------------------------------------------------------------------------------


def refuse_strangers(folder: Path, found: Found, classes: dict[str, int], needed: bool) -> None:
    """A folder of no class is refused, and with `needed` a class that has no folder or no images."""
    for name, images in found.items():
        if name not in classes and (needed or images):
            raise bad(folder / name, "is no class of the training images", f"expected {', '.join(classes)}")
    for name in classes:
        if needed and not found.get(name):
            raise bad(folder / name, "class folder without images, or not found", "restore the release")


def refuse_copies(found: Found) -> None:
    """A file name in two class folders is one image with two labels."""
    first: dict[str, Path] = {}
    for images in found.values():
        for name, path in images.items():
            if name in first:
                raise bad(path, f"is in {shown(first[name].parent)} too: one image, two labels", "delete one of the two")
            first[name] = path


# --- who is seen ------------------------------------------------------------------------------------------------------


def tell_people(root: Path, files: Sequence[Path], person: str | None) -> tuple[list[int] | None, list[int] | None]:
    """Identities and sequences [N], from identities.csv or from the files' names; None for what they do not tell."""
    if (root / IDENTITIES).exists():
        return read_identities(root, files), None
    if person is None:
        return None, None
    try:
        pattern = re.compile(person, flags=re.IGNORECASE)
    except re.error as error:
        raise ConfigError(f"person={person!r} is no pattern: {error}") from None
    if "person" not in pattern.groupindex:
        raise ConfigError(f"person={person!r} has no group person; write for example (?P<person>S[0-9]+)_")
    found = [pattern.match(file.stem) for file in files]
    for file, match in zip(files, found, strict=True):
        if match is None or None in match.groupdict().values():
            problem = f"has a name that does not tell who is seen: it does not begin as {person} asks"
            raise bad(file, problem, "rename it, or give another pattern")
    seen = [match.groupdict() for match in found]
    identities = coded([who["person"].lower() for who in seen])
    return identities, coded([(who["person"].lower(), who["sequence"]) for who in seen]) if "sequence" in seen[0] else None


def read_identities(root: Path, files: Sequence[Path]) -> list[int]:
    """[N] who is seen, from identities.csv: file (such as Train/Angry/x.png) and identity, any text; every image once."""
    listed = root / IDENTITIES
    rows = list(read_table(listed, ("file", "identity")))
    names = [str(relative_path(row["file"], listed, line)).lower() for line, row in rows]
    refuse_duplicates(names, listed, [line for line, _ in rows])
    wanted = [str(PurePosixPath(file.relative_to(root))).lower() for file in files]
    images = set(wanted)
    for name, (line, row) in zip(names, rows, strict=True):
        if name not in images:
            raise bad(listed, f"{row['file']} is no image of the set", "correct the row", line)
        if not row["identity"].strip():
            raise bad(listed, f"no identity for {row['file']}", "fill it in", line)
    known = {name: row["identity"].strip() for name, (_, row) in zip(names, rows, strict=True)}
    absent = [name for name in wanted if name not in known]
    if absent:
        raise bad(listed, f"{len(absent)} images without a row, the first: {absent[0]}", "add them")
    return coded([known[name] for name in wanted])


# --- names that tell everything ---------------------------------------------------------------------------------------


def read_named(root: Path, name: str, pattern: str, codes: dict[str, str], *, folds: int) -> Catalog:
    """Images side by side in one folder, whose names tell `person` and `emotion`, groups of `pattern`; see JAFFE.

    Args:
        codes: {emotion as in the names: class name}.
    """
    skipped: Counter[str] = Counter()
    files, labels, people = [], [], []
    for file in find_images(root, skipped).values():
        match = re.match(pattern, file.stem, flags=re.IGNORECASE)
        if not match or match["emotion"].upper() not in codes:
            raise bad(file, "has a name that does not tell person and emotion", f"expected {pattern}")
        files.append(file)
        labels.append(class_of(codes[match["emotion"].upper()], file))
        people.append(match["person"].lower())
    more = {"identities": coded(people), "folds": folds}
    return make_catalog(name, root, labels, ["all"] * len(labels), skipped, files=tuple(files), **more)
