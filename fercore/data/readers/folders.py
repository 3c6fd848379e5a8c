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
from fercore.data.readers.catalog import ALL_CLASSES, CLASS_NAMES, CONTEMPT, Catalog
from fercore.data.readers.counts import EXPECTED
from fercore.data.readers.files import (
    CLASS_BY_NAME,
    LOOSE,
    bad,
    beside,
    class_of,
    coded,
    find_images,
    in_any_case,
    make_catalog,
    plain,
    read_table,
    refuse_duplicates,
    relative_path,
    subfolders,
    text_lines,
)
from fercore.errors import ConfigError, DataError
from fercore.paths import shown

PARTS = {  # split -> how its folder is called, in any case
    "train": ("train", "training", "train_set", "train_aligned_faces*"),
    "val": ("val", "valid", "validation", "val_set", "val_aligned_faces*", "publictest"),
    "test": ("test", "testing", "test_set", "test_aligned_faces*", "privatetest"),
}
VARIANTS = {"aligned", "original"}  # of RAF-DB's images
IDENTITIES = "identities.csv"
ORDER_FILE = "classes.txt"
NO_EXPRESSION = frozenset({"nf", "noface", "notface", "unknown", "uncertain", "none"})  # folders of FER+ and AffectNet

NEARLY = 0.1  # of the images: sizes that are further off another order's do not speak against the one there is

Found = dict[str, dict[str, Path]]  # key of a class folder -> {file name in lower case: path}


@dataclass(frozen=True)
class Numbering:
    """How numbers that name class folders may be meant: as `classes`, from number `first` on; ? is not told."""

    whose: str
    classes: tuple[str, ...]
    first: int = 0

    def numbers(self) -> list[str]:
        return [str(number) for number in range(self.first, self.first + len(self.classes))]


def read_folders(
    root: Path,
    name: str,
    *,
    classes: tuple[str, ...] = CLASS_NAMES,
    numberings: tuple[Numbering, ...] = (),
    person: str | None = None,
    folds: int = 0,
    unique: bool = False,
) -> Catalog:
    """root/train/angry/*.png and root/test/angry/*.png, or root/angry/*.png; spelling and capitals as people write them.

    Without a test folder the validation folder is the test split, as the papers have it where test labels were never released.

    Args:
        name: of the set; "folder" is anyone's own, whose classes are the folders that are there.
        classes: those that must be there; contempt may be where the set has it.
        numberings: what numbers may mean as names, for the error where neither sizes nor classes.txt tell.
        person: a pattern of file names, without suffix, whose groups `person` and perhaps `sequence` tell who is seen.
        folds: of people, in which a set without a test split is tested; parts that someone made of it are read as one.
        unique: a file name is one image: in two class folders it has two labels.

    Raises:
        DataError: no class folders, one that is missing, unknown, empty or there twice, numbers whose meaning sizes do not
            tell, a name or an identity table that does not tell who is seen, or an empty split.
    """
    skipped: Counter[str] = Counter()
    notes: list[str] = []
    parts = find_parts(root, skipped, notes)
    found: dict[str, Found] = {split: find_classes(folder, skipped) for split, folder in parts.items()}
    if name != OWN:
        leave_out_no_expression(found, skipped)
    place, folders = next(iter(parts.values())), next(iter(found.values()))  # of training, or of all
    meant = read_numbers(root, parts, found, name, numberings, notes)
    names, class_of_folder = own_classes(place, folders, meant) if name == OWN else set_classes(place, meant, name, classes)
    skipped["class folders without images"] += len(folders.keys() - class_of_folder.keys())
    files, labels, splits = [], [], []
    for split, folders in found.items():
        refuse_strangers(parts[split], folders, class_of_folder, needed=name != OWN)
        if unique:
            refuse_copies(folders)
        for folder, images in folders.items():
            files += images.values()
            labels += [class_of_folder.get(folder)] * len(images)
            splits += [split] * len(images)
    if folds and "all" not in parts:
        splits = ["all"] * len(files)
        notes.append(f"{', '.join(folder.name for folder in parts.values())} are read as one, and tested in folds of people")
    who, sequences = tell_people(root, files, person)
    more = {"identities": who, "sequences": sequences, "folds": folds}
    return make_catalog(name, root, labels, splits, skipped, files=tuple(files), class_names=names, notes=notes, **more)


def find_parts(root: Path, skipped: Counter[str], notes: list[str], *, flat: bool = False) -> dict[str, Path]:
    """Split -> its folder; "all" -> `root` where there are none. `flat`: images lie in them, not in class folders."""
    found: dict[str, Path] = {}
    beside_them: Counter[str] = Counter()
    inside = subfolders(root, beside_them)
    for split in PARTS:
        folders = [folder for folder in inside if part_of(folder.name) == split]
        if len(folders) > 1:
            raise bad(folders[1], f"is a second {split} folder beside {folders[0].name}", "delete one of the two")
        if folders:
            found[split] = innermost(folders[0], split)
    if not found:
        return {"all": root}
    skipped["folders beside those of the splits"] += sum(part_of(folder.name) is None for folder in inside)
    skipped[LOOSE] += beside_them[LOOSE]
    if "train" not in found:
        raise bad(root, f"has {' and '.join(folder.name for folder in found.values())}, but no folder train", "restore it")
    if not flat and "test" in found and "val" in found and not any(subfolders(found["test"], Counter())):  # SFEW: never labeled
        skipped["test images without a label"] += len(find_images(found.pop("test"), Counter()))
    if "val" in found and "test" not in found:
        notes.append(f"{found['val'].name} is the test split; validation images are cut from {found['train'].name}")
        found["test"] = found.pop("val")
    if "test" not in found:
        mend = f"add it, or read {shown(found['train'])} alone as --data {OWN}:PATH, which is divided"
        mend += "; a class of that name is to be renamed" if len(inside) > 1 else ""
        raise bad(root, "has train, but no folder test or val", mend)
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
        same = key(path.name).strip().casefold()
        if same in first:
            raise bad(path, f"is a second folder of a class, beside {first[same].name}", "put them into one, or rename one")
        first[same] = path
        found[key(path.name)] = find_images(path, skipped)
    return found


def key(folder: str) -> str:
    """What tells class folders apart: an expression's usual name ("Happy" and "0_happiness" are one), a number, or the name."""
    if plain(folder) in CLASS_BY_NAME:
        return ALL_CLASSES[CLASS_BY_NAME[plain(folder)]]
    return str(int(folder)) if folder.isdecimal() else unicodedata.normalize("NFC", folder)  # a Mac writes é as two signs


def leave_out_no_expression(found: dict[str, Found], skipped: Counter[str]) -> None:
    for folders in found.values():
        for folder in [folder for folder in folders if re.sub(r"[\W\d_]", "", folder).lower() in NO_EXPRESSION]:
            skipped[f"images of {folder}, which is no expression"] += len(folders.pop(folder))


# --- which class a folder is ------------------------------------------------------------------------------------------


def own_classes(place: Path, folders: Found, meant: dict[str, str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Names and {key: class} of one's own classes: in canonical order where all are expressions, else in their own."""
    filled = {meant[folder]: folder for folder, images in folders.items() if images}
    if len({what for folder in folders for what in splits_named(folder)}) > 1 or {*map(str.lower, folders)} >= VARIANTS:
        problem = f"has {', '.join(folders)}, which are no classes by their names"
        raise bad(place, problem, "expected train/CLASS/ and test/CLASS/, or CLASS/ with the images of one class in it")
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
    return tuple(names), {filled[name]: k for k, name in enumerate(names)}


def splits_named(folder: str) -> set[str]:
    """The splits that a name begins or ends with: of "FER2013Train" and "train_images" train, of "contest" none."""
    words = [word.lower() for word in re.split(r"[\W\d_]+|(?<=[a-z])(?=[A-Z])", folder) if word]
    return {
        split for word in {*words[:1], *words[-1:]} for split, names in PARTS.items() if word in names or word == f"{split}set"
    }


def set_classes(
    place: Path, meant: dict[str, str], name: str, classes: Sequence[str]
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Names in canonical order and {key: class} of a set whose classes are known."""
    if not meant:
        raise bad(place, "has no class folders", f"expected {', '.join(classes)}, each with the images of one class in it")
    possible = {*classes, CONTEMPT} if name in WITH_CONTEMPT else {*classes}
    names = {folder: one for folder, one in meant.items() if one in possible}
    missing, strange = [one for one in classes if one not in names.values()], sorted(meant.keys() - names.keys())
    if missing or strange:
        problem = f"is no class of {name}" if strange else "class folder not found"
        own = f"; --data {OWN}:PATH takes any classes"
        raise bad(place / (strange or missing)[0], problem, f"expected {', '.join(classes)}{own}")
    kept = ALL_CLASSES if CONTEMPT in {*classes, *names.values()} else CLASS_NAMES
    return kept, {folder: ALL_CLASSES.index(name) for folder, name in names.items()}


def read_numbers(
    root: Path, parts: dict[str, Path], found: dict[str, Found], name: str, numberings: Sequence[Numbering], notes: list[str]
) -> dict[str, str]:
    """{key: class name}: of numbers as classes.txt or the sizes tell, which is noted; else as the folders are called."""
    folders, listed = next(iter(found.values())), beside(root, ORDER_FILE)
    numbered = bool(folders) and all(map(str.isdecimal, folders))
    for part in parts.values():
        if numbered and part != root and (stray := in_any_case(part, ORDER_FILE)):
            raise bad(stray, "lies in a folder of one split", f"move it to {shown(root)}")
    if not numbered or not (listed or numberings):
        notes += [f"{listed.name} is not read: the folders' names tell the classes"] if listed else []
        return {folder: folder for folder in folders}
    numbers = sorted(folders, key=int)
    possible = [numbering for numbering in numberings if numbering.numbers() == numbers]
    if listed:
        names, evidence = read_order(listed, numbers, name), f"as {listed.name} says"
    elif told := tell_order(found, name, numbers, possible):
        names, evidence = told
    else:
        raise untold(root, next(iter(parts.values())), numbers, possible or numberings)
    notes.append(f"folders {numbers[0]} to {numbers[-1]} are {', '.join(names)}, {evidence}")
    return dict(zip(numbers, names, strict=True))


def read_order(listed: Path, numbers: Sequence[str], name: str) -> list[str]:
    """The names in classes.txt, one a line, in the order of the numbers or each after its own number; # begins a comment."""
    entries = []
    for line, text in enumerate(map(str.strip, text_lines(listed)), 1):
        if not text or text.startswith("#"):
            continue
        number, called = re.fullmatch(r"(?:(\d+)(?:[\W_]+(?=\w)|(?=[^\W\d_])))?(.+)", text).groups()
        if name != OWN or plain(called) in CLASS_BY_NAME:  # so that "happy 2" is no happiness of whatever number
            called = ALL_CLASSES[class_of(called, listed, line)]
        entries.append((int(number) if number else None, unicodedata.normalize("NFC", called)))
    own, names = [number for number, _ in entries if number is not None], {called for _, called in entries}
    if not len(names) == len(entries) == len(numbers):
        problem = f"{len(entries)} lines do not name the {len(numbers)} folders"
        raise bad(listed, problem, "write each class once, a line each")
    if own and sorted(own) != list(map(int, numbers)):
        problem = f"its lines begin with {', '.join(map(str, own))}, the folders are {', '.join(numbers)}"
        raise bad(listed, problem, "begin every line with its folder's number, or none")
    return [called for _, called in sorted(entries, key=lambda entry: entry[0] or 0)]


def tell_order(
    found: dict[str, Found], name: str, numbers: Sequence[str], possible: Sequence[Numbering]
) -> tuple[Sequence[str], str] | None:
    """The classes of `numbers`, and what tells them: the sizes of the folders, or that one numbering alone is possible.

    Sizes tell where they differ from a release's, scaled to as many images, by fewer images in all than any two classes of it
    do: every other order is then further off. And they speak against the one numbering where they are nearly another order's.
    """
    sizes = {split: np.array([len(part.get(number, ())) for number in numbers]) for split, part in found.items()}
    only = possible[0] if len(possible) == 1 else None
    for release in EXPECTED[name]:
        for part, counts in (
            (next(iter(sizes.values())), release["train"]),
            (sum(sizes.values()), np.sum([*release.values()], axis=0)),
        ):
            if len(part) != len(counts):
                continue
            wanted = np.array(counts) * part.sum() / np.sum(counts)
            order = np.argsort(counts)[np.argsort(np.argsort(part))]  # the folder of each rank has the class of that rank
            off = np.abs(part - wanted[order]).sum()
            if off < np.diff(np.sort(wanted)).min():
                return [ALL_CLASSES[k] for k in order], f"as their sizes tell, which are a release's to {off:.0f} images"
            if only and off < NEARLY * part.sum() <= np.abs(part - wanted[list(map(ALL_CLASSES.index, only.classes))]).sum():
                return None
    return only and (only.classes, f"in {only.whose}; their sizes, which are no release's, do not confirm it")


def untold(root: Path, place: Path, numbers: Sequence[str], possible: Sequence[Numbering]) -> DataError:
    if possible[0].numbers() != numbers:
        known = dict.fromkeys(f"{one.numbers()[0]}..{one.numbers()[-1]}" for one in possible)
        return bad(place, f"has class folders {', '.join(numbers[:9])}", f"expected {' or '.join(known)}")
    enough = next(n for n in range(3, 9) if len({one.classes[:n] for one in possible}) == len(possible))
    readings = [f"{one.whose} ({', '.join(one.classes[:enough])}, ...)" for one in possible]
    problem = f"{numbers[0]}..{numbers[-1]} may be {' or '.join(readings)} or another, and the sizes do not tell"
    return bad(place, problem, f"name the classes in {shown(root / ORDER_FILE)}, one a line, in the order of the numbers")


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
    if listed := beside(root, IDENTITIES):
        if person:
            problem = f"tells who is seen, and so do the files' names (person={person})"
            raise bad(listed, problem, "leave person out, or move the table away")
        return read_identities(root, listed, files), None
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


def read_identities(root: Path, listed: Path, files: Sequence[Path]) -> list[int]:
    """[N] who is seen, from identities.csv: file (such as Train/Angry/x.png) and identity, any text; every image once."""
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

JAFFE_NAMES = r"(?P<person>[A-Z]{2})\.(?P<emotion>[A-Z]{2})\d"  # KA.AN1.39
JAFFE_CODES = dict(zip(("AN", "DI", "FE", "HA", "NE", "SA", "SU"), sorted(CLASS_NAMES), strict=True))
JAFFE_FOLDS = 10  # one a person


def read_jaffe(root: Path) -> Catalog:
    """JAFFE: images side by side in one folder, whose names tell person and emotion."""
    skipped: Counter[str] = Counter()
    files, labels, people = [], [], []
    for file in find_images(root, skipped).values():
        match = re.match(JAFFE_NAMES, file.stem, flags=re.IGNORECASE)
        if not match or match["emotion"].upper() not in JAFFE_CODES:
            raise bad(file, "has a name that does not tell person and emotion", f"expected {JAFFE_NAMES}")
        files.append(file)
        labels.append(class_of(JAFFE_CODES[match["emotion"].upper()], file))
        people.append(match["person"].lower())
    more = {"files": tuple(files), "identities": coded(people), "folds": JAFFE_FOLDS}
    return make_catalog("jaffe", root, labels, ["all"] * len(labels), skipped, **more)
