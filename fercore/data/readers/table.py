"""Every set of faces in every form that people have it in: a row each, found on disk and not yet decoded."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from itertools import chain, compress
from pathlib import Path

from fercore.data.names import OWN, WITH_CONTEMPT
from fercore.data.readers.affectnet import LIST_FOLDER, LISTS, read_lists, read_npy, read_yolo
from fercore.data.readers.catalog import ALL_CLASSES, CLASS_NAMES, CONTEMPT, Catalog
from fercore.data.readers.fer2013 import (
    CK_MIXED,
    EMOTIONS,
    VOTES,
    read_challenge,
    read_fer_folders,
    read_npz,
    read_pixels_of,
    read_voted_folders,
    with_votes,
)
from fercore.data.readers.files import (
    ARCHIVES,
    LAYOUTS,
    bad,
    find_archive,
    is_folder,
    list_folder,
    require_folder,
    subfolders,
)
from fercore.data.readers.folders import Numbering, part_of, read_folders, read_jaffe
from fercore.data.readers.raf import read_raf_folders, read_rafdb
from fercore.data.readers.sequences import CK_FOLDS, read_ckplus, read_mmi, read_mmi_table
from fercore.data.readers.simfer import read_simfer
from fercore.paths import shown

ALPHABET = Numbering("the alphabet's", tuple(sorted(CLASS_NAMES)))
ALPHABET_8 = Numbering("the alphabet's", tuple(sorted(ALL_CLASSES)))
FER = Numbering("FER2013's order", tuple(CLASS_NAMES[k] for k in (5, 2, 1, 3, 4, 0, 6)))
AFFECTNET = Numbering("AffectNet's order", tuple(CLASS_NAMES[k] for k in (6, 3, 4, 0, 1, 2, 5)))
AFFECTNET_8 = Numbering("AffectNet's order", (*AFFECTNET.classes, CONTEMPT))

DACL = Numbering("the DACL code's", ("Neutral", "Happiness", "Sadness", "?", "?", "?", "Disgust"))  # as its README names them
RAF = (Numbering("RAF-DB's order", CLASS_NAMES, first=1), Numbering("RAF-DB's order", CLASS_NAMES), AFFECTNET, ALPHABET, DACL)


@dataclass(frozen=True)
class Layout:
    """One form of a set.

    Args:
        marks: what its folder holds, all of it, in any case: patterns of a file's or, ending in "/", a folder's path; | is or.
        read: from that folder to a catalog.
        example: how an error shows what is expected, where the marks would not tell.
        lists: patterns of further files, below that folder, which may stand for it.
    """

    marks: tuple[str, ...]
    read: Callable[[Path], Catalog]
    example: str = ""
    lists: tuple[str, ...] = ()

    def lies_in(self, folder: Path) -> bool:
        return all(any(holds(folder, one) for one in mark.split("|")) for mark in self.marks)

    def entries(self, folder: Path) -> set[str]:
        """What lies in `folder` and belongs to this form, by the marks' first parts."""
        firsts = [one.partition("/")[:2] for mark in self.marks for one in mark.split("|")]
        found = [(entry.name, is_folder(entry)) for entry in list_folder(folder)]
        return {name for name, inner in found for first, slash in firsts if matches(name, first) and inner == bool(slash)}

    def folder_of(self, file: Path) -> Path | None:
        """The folder of this form that one of its files stands for."""
        for pattern in (*self.lists, *chain(*(mark.split("|") for mark in self.marks))):
            depth = pattern.count("/") + 1
            if matches("/".join(file.parts[-depth:]), pattern) and self.lies_in(file.parents[depth - 1]):
                return file.parents[depth - 1]
        return None

    def __str__(self) -> str:
        return self.example or " and ".join(mark.replace("|", " or ") for mark in self.marks)


def folders(name: str, marks: tuple[str, ...] = ("train*/",), example: str = "train/CLASS/", **how: object) -> Layout:
    """Class folders, in train and test or side by side; `how` is as in `read_folders`."""
    return Layout(marks, partial(read_folders, name=name, **how), example)


def tables(name: str, *files: str, **how: object) -> tuple[Layout, ...]:
    """Tables of pixels, one of which holds the whole set; `how` is as in `read_pixels_of`."""
    return tuple(Layout((file,), partial(read_pixels_of, name=name, tables={file: None}, **how)) for file in files)


FER_TABLES = (
    Layout(("fer2013.npz",), read_npz),
    *tables("fer2013", "fer2013.csv", "icml_face_data.csv", "fer2013.tar.gz", "fer2013.tar"),
)
AFFECTNET_LISTS = tuple(f"{place}{name}" for place in (f"{LIST_FOLDER}/", "") for name in LISTS.values())
CK_FILE_NAMES = r"(?P<person>S\d{1,9})_(?P<sequence>\d{1,9})_\d+"  # S010_004_00000017
CK_CLASSES = tuple(name for name in ALL_CLASSES if name != "Neutral")

SETS: dict[str, tuple[Layout, ...]] = {  # of several forms in one folder the first is read, and the others are told
    "rafdb": (
        Layout(("EmoLabel/",), read_rafdb, lists=("EmoLabel/list_pa*tition_label.txt",)),
        Layout(("train*/",), partial(read_raf_folders, numberings=RAF, unique=True), "train/CLASS/"),
    ),
    "affectnet": (
        Layout(("train_set/images/|train_set/annotations/",), read_npy),
        Layout(("training.csv|Manually_Annotated_file_lists/",), read_lists, lists=AFFECTNET_LISTS),
        Layout(("data.yaml|dataset.yaml", "train*/images/|images/train*/"), read_yolo),
        folders("affectnet", numberings=(AFFECTNET, AFFECTNET_8, ALPHABET, ALPHABET_8)),
    ),
    "fer2013": (
        *FER_TABLES,
        Layout(("train.csv", "test.csv"), read_challenge),
        Layout(("train*/",), partial(read_fer_folders, numberings=(FER, ALPHABET)), "train/CLASS/"),
    ),
    "ferplus": (
        *(Layout((VOTES, *form.marks), partial(with_votes, form.read)) for form in FER_TABLES),
        Layout(("train*/",), read_voted_folders, "train/CLASS/"),
    ),
    "ckplus": (
        Layout(("cohn-kanade-images/|extended-cohn-kanade-images/|Emotion/|Emotion_labels/",), read_ckplus),
        *tables("ckplus", "ckextended.csv", emotions=(*EMOTIONS, CONTEMPT), notes=[CK_MIXED]),
        folders(
            "ckplus",
            ("ang*/|train*/ang*/", "dis*/|train*/dis*/"),
            "anger/, contempt/, ...",
            classes=CK_CLASSES,
            person=CK_FILE_NAMES,
            folds=CK_FOLDS,
        ),
    ),
    "mmi": (Layout(("frames.csv",), read_mmi_table), Layout(("Sessions/",), read_mmi)),
    "sfew": (folders("sfew"),),
    "jaffe": (Layout(("[a-z][a-z].[a-z][a-z][0-9]*.*",), read_jaffe, "KA.AN1.39.tiff, ..."),),
    OWN: (folders(OWN, ("*/",), "two class folders or more"),),
}


def read_set(name: str, path: Path, *, classes: int | None = None, votes: str | None = None, **how: object) -> Catalog:
    """The set `name` at `path`: its folder, one of its files, or a folder in which it lies alone.

    Args:
        classes: 8 keeps the contempt of AffectNet and FER+, whose images are else skipped and counted.
        votes: "drawn" keeps the votes of FER+'s training images, and those without a majority.
        how: of one's own set, as in `read_folders`.

    Raises:
        DataError: nothing there that is a form of the set, or what its reader finds wrong.
    """
    path = Path(path)
    folder, layout = find_layout(name, path)
    catalog = layout.read(folder, **how, **({"votes": votes} if votes else {}))
    mine = layout.entries(folder)
    others = set().union(*(form.entries(folder) for form in SETS[name] if form.lies_in(folder))) - mine
    if others and path.is_dir():
        note = f"of the forms of {name} that lie here {', '.join(sorted(mine))} is read, and not {', '.join(sorted(others))}"
        catalog = replace(catalog, notes=(*catalog.notes, note))
    return catalog if classes == 8 or name not in WITH_CONTEMPT else without_contempt(catalog)


def find_layout(name: str, path: Path) -> tuple[Path, Layout]:
    """Where below `path` the set lies, and in which form."""
    layouts = SETS[name]
    expected = "; or ".join(map(str, layouts))
    if path.is_file():
        if named := next(((folder, form) for form in layouts if (folder := form.folder_of(path))), None):
            return named
        if path.suffix.lower() in ARCHIVES:
            raise bad(path, "is an archive", "unpack it, and give its folder")
        raise bad(path, f"is no file of {name}", f"expected {expected} ({LAYOUTS})")
    require_folder(path, expected)
    folder = path
    while True:
        inside = subfolders(folder, Counter())
        around = name == OWN and len(inside) == 1 and part_of(inside[0].name) is None and subfolders(inside[0], Counter())
        if not around and (found := next((form for form in layouts if form.lies_in(folder)), None)):
            return folder, found
        if len(inside) != 1:
            break
        (folder,) = inside  # a zip unpacked in a folder of its name
    problem = "has no class folders" if name == OWN else f"is no folder of {name}"
    if packed := find_archive(folder):
        raise bad(path, problem, f"unpack {shown(packed)}")
    if name == OWN:
        raise bad(path, problem, "expected two or more, each with the images of one class in it")
    around = [place for place in (*subfolders(path, Counter()), *path.parents) if part_of(place.name) is None]
    if near := next((place for place in around if any(form.lies_in(place) for form in layouts)), None):
        raise bad(path, problem, f"give {shown(near)} as its folder")
    classes = f", or --data {OWN}:PATH for any class folders" if len(inside) > 1 else ""
    raise bad(path, problem, f"expected {expected} ({LAYOUTS}){classes}")


def holds(folder: Path, pattern: str) -> bool:
    """Whether there is a folder, or for a pattern that does not end in "/" anything else, of this path below `folder`."""
    first, slash, rest = pattern.partition("/")
    found = [entry for entry in list_folder(folder) if matches(entry.name, first) and is_folder(entry) == bool(slash)]
    return any(holds(folder / entry.name, rest) for entry in found) if rest else bool(found)


def matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name.lower(), pattern.lower())


def without_contempt(catalog: Catalog) -> Catalog:
    """The seven classes."""
    if CONTEMPT not in catalog.class_names:
        return catalog
    kept = catalog.labels != catalog.class_names.index(CONTEMPT)
    parts = {"labels": catalog.labels[kept], "splits": catalog.splits[kept]}
    parts |= {"files": tuple(compress(catalog.files, kept))} if catalog.files else {"pixels": catalog.pixels[kept]}
    if catalog.votes is not None:
        parts["votes"] = catalog.votes[kept, : len(CLASS_NAMES)]
    left = len(catalog) - len(parts["labels"])
    skipped = catalog.skipped | ({f"{CONTEMPT} (not asked for: classes=8 keeps it)": left} if left else {})
    return replace(catalog, class_names=CLASS_NAMES, skipped=skipped, **parts)


READERS: dict[str, Callable[..., Catalog]] = {name: partial(read_set, name) for name in SETS} | {"simfer": read_simfer}
