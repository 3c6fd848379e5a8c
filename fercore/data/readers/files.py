"""What the readers share: lines, tables and folders, each with one clear error where something is wrong.

Two rules hold for every reader. A label without its image is an error: the copy is incomplete. An image without a
label is skipped and counted: the releases themselves carry such files.
"""

import csv
import lzma
import math
import os
import re
import stat
import tarfile
import zlib
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from fercore.data.names import OWN
from fercore.data.readers.catalog import ALL_CLASSES, Catalog
from fercore.errors import DataError
from fercore.paths import shown

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp"})
OTHER_SUFFIXES = frozenset(  # images in formats that are not read
    {".heic", ".heif", ".avif", ".gif", ".jp2", ".jxl", ".pbm", ".pgm", ".ppm", ".pnm", ".tga", ".dng"}
)
ARCHIVES = frozenset({".zip", ".rar", ".7z", ".gz", ".tgz", ".tar"})
UNLABELED = "images without a label"
MOST_BYTES = 2**30  # of what is unpacked; the largest, FER2013, has 300 MB
LONGEST_LINE = SMALL_FILE = 2**20  # bytes; FER2013's lines have 10,000, a session's xml 3,000
NO_IMAGE = "files and folders among the images that are no images"
NOT_ENTERED = "folders among the images, which are not looked into"
LOOSE = "images beside the folders, in none of them"
NOT_READ = "images of a format that is not read ({}; convert them to JPEG or PNG)"
LAYOUTS = "data/README.md of the repository shows the layouts"
CLASS_BY_NAME = {name.lower(): k for k, name in enumerate(ALL_CLASSES)}
CLASS_BY_NAME |= {  # what other releases, and people, call them
    **dict.fromkeys(("surprised", "suprise"), 0),
    **dict.fromkeys(("fearful", "afraid", "scared"), 1),
    "disgusted": 2,
    **dict.fromkeys(("happy", "joy"), 3),
    "sad": 4,
    "angry": 5,
    "contemptuous": 7,
}
JUNK = frozenset({"thumbs.db", "desktop.ini", "__macosx"})  # beside what begins with a dot, such as .DS_Store and "._x.jpg"


def bad(path: Path, problem: str, mend: str, line: int | None = None) -> DataError:
    """The error to raise: what is wrong in `path` (and line), and how to mend it."""
    where = f"{shown(path)}, line {line}" if line else shown(path)
    return DataError(f"{where}: {problem}; {mend}")


def plain(name: str) -> str:
    """A class folder's name without numbers and signs around it: "0_Happy" -> "happy"."""
    return re.sub(r"^[\W\d_]+|[\W\d_]+$", "", name.lower())


def class_of(name: str, path: Path, line: int | None = None) -> int:
    """The canonical class called `name` (Happy and Happiness are one), which stands in `path`."""
    if name.strip().lower() not in CLASS_BY_NAME:
        raise bad(path, f"unknown expression {name!r}", f"use one of {', '.join(ALL_CLASSES)}", line)
    return CLASS_BY_NAME[name.strip().lower()]


def whole_number(text: str, allowed: range, what: str, path: Path, line: int | None = None) -> int:
    """`text` as an integer of `allowed`; "3.0000e+00", as CK+ writes it, is 3."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    # integers alone are looked up at once in a range: a float would be compared with its every member
    if not number.is_integer() or int(number) not in allowed:
        raise bad(path, f"{what} {text.strip()[:40]!r} is not one of {allowed[0]}..{allowed[-1]}", "restore the file", line)
    return int(number)


# --- files and folders ------------------------------------------------------------------------------------------------


def require_folder(folder: Path, expected: str) -> None:
    """Raise where `folder` is no folder; `expected` says what it should hold."""
    if not folder.is_dir():
        problem = "is not a folder" if os.path.lexists(folder) else "folder not found"
        packed = find_archive(folder.parent, folder.name) if folder.parent.is_dir() else None
        raise bad(folder, problem, f"unpack {shown(packed)}" if packed else f"expected {expected} ({LAYOUTS})")


def find_archive(folder: Path, name: str = "") -> Path | None:
    """The first archive in `folder` whose name begins with `name`."""
    names = (entry.name for entry in list_folder(folder) if is_file(entry))
    return next((folder / file for file in names if file.startswith(name) and Path(file).suffix.lower() in ARCHIVES), None)


def list_folder(folder: Path, skipped: Counter[str] | None = None) -> list[os.DirEntry]:
    """The entries of a folder in the order of their names, without what systems and programs leave, which is counted."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise bad(folder, f"cannot be listed ({error.strerror or error})", "check that it is a folder you may read") from None
    wanted = [entry for entry in entries if not is_junk(entry.name)]
    if skipped is not None:
        skipped[NO_IMAGE] += len(entries) - len(wanted)
    return wanted


def subfolders(folder: Path, skipped: Counter[str]) -> list[Path]:
    """The folders in `folder`; whatever else lies there is counted."""
    entries = list_folder(folder, skipped)
    for entry in entries:
        if not is_folder(entry):
            skipped[LOOSE if is_image_name(entry.name) else why_skipped(entry)] += 1
    return [folder / entry.name for entry in entries if is_folder(entry)]


def is_junk(name: str) -> bool:
    """Whether systems and programs leave files or folders of this name, which no reader looks at."""
    return name.startswith(".") or name.lower() in JUNK


def find_images(folder: Path, skipped: Counter[str]) -> dict[str, Path]:
    """The image files of one folder in the order of their names: name in lower case -> path; other entries are counted."""
    found: dict[str, Path] = {}
    for entry in list_folder(folder, skipped):
        path = folder / entry.name
        if not (is_image_name(entry.name) and is_file(entry)):
            skipped[why_skipped(entry)] += 1
        elif entry.name.lower() in found:
            raise bad(path, f"differs from {found[entry.name.lower()].name} only in case", "delete one of the two")
        else:
            found[entry.name.lower()] = path
    return found


def why_skipped(entry: os.DirEntry) -> str:
    """Why an entry among images is none that is read."""
    suffix = Path(entry.name).suffix.lower()
    if is_folder(entry):
        return NOT_ENTERED
    return NOT_READ.format(suffix) if suffix in OTHER_SUFFIXES else NO_IMAGE


def is_image_name(name: str) -> bool:
    return Path(name).suffix.lower() in IMAGE_SUFFIXES and not is_junk(name)


def either(root: Path, *places: str) -> Path:
    """The first of these places below `root` that is there, in any case; else the first as it is written."""
    return next(filter(None, (in_any_case(root, place) for place in places)), root / places[0])


def in_any_case(folder: Path, place: str) -> Path | None:
    """`place` below `folder` as it is spelled there; as it is written where that is there too; None where it is not there."""
    for part in PurePosixPath(place).parts:
        if not (folder / part).exists():
            part = next((entry.name for entry in list_folder(folder) if entry.name.lower() == part.lower()), None)
        if part is None:
            return None
        folder /= part
    return folder


def beside(root: Path, name: str) -> Path | None:
    """The file `name`, in any case, in `root` or in a folder that holds no folder but `root`; None where there is none."""
    alone = os.access(root.parent, os.R_OK) and subfolders(root.parent, Counter()) == [root]
    return next(filter(None, (in_any_case(place, name) for place in (root, *[root.parent] * alone))), None)


def is_file(entry: os.DirEntry) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False


def is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def relative_path(text: str, path: Path, line: int) -> PurePosixPath:
    """A file name from a table, with either slash; one that leads out of the data set is refused."""
    relative = PurePosixPath(text.strip().replace("\\", "/"))
    if relative.is_absolute() or ".." in relative.parts or not is_image_name(relative.name):
        raise bad(path, f"{text[:80]!r} is no image file below the data set's folder", "restore the file", line)
    return relative


def index_images(folder: Path, names: Iterable[PurePosixPath], skipped: Counter[str]) -> dict[str, Path]:
    """The images in every folder below `folder` that `names` lie in: name below `folder`, in lower case -> path.

    Each folder is listed once: a release has up to 400,000 images.
    """
    parents = sorted({name.parent for name in names})
    places = {parent: in_any_case(folder, str(parent)) for parent in parents}
    listed = {parent: find_images(place, skipped) for parent, place in places.items() if place and place.is_dir()}
    return {str(parent / name).lower(): path for parent, images in listed.items() for name, path in images.items()}


def require_found(
    images: dict[str, Path], names: Sequence[PurePosixPath], folder: Path, listed: Path, lines: Sequence[int]
) -> list[Path]:
    """The images of these names below `folder`; the error tells the first that is missing and where `listed` asks for it."""
    missing = [i for i, name in enumerate(names) if str(name).lower() not in images]
    if missing:
        first = folder / names[missing[0]]
        count = f"{len(missing):,} of {len(names):,} listed images missing, the first: " if len(missing) > 1 else ""
        raise bad(listed, f"{count}{shown(first)} {why_missing(first)}", "restore the images", lines[missing[0]])
    return [images[str(name).lower()] for name in names]


def why_missing(path: Path) -> str:
    if path.is_symlink():
        return "is a link that leads to no file"
    return "is a folder, not an image" if path.is_dir() else "not found"


def refuse_duplicates(keys: Iterable[object], listed: Path, lines: Sequence[int]) -> None:
    first: dict[object, int] = {}
    for key, line in zip(keys, lines, strict=True):
        if key in first:
            raise bad(listed, f"{key} is listed twice, first in line {first[key]}", "delete one of the two", line)
        first[key] = line


# --- text and tables --------------------------------------------------------------------------------------------------


def require_file(path: Path, most: int | None = None) -> None:
    """Raise where `path` is no regular file (a pipe would never answer, and /dev/zero never end) or has over `most` bytes."""
    if not os.path.lexists(path):
        raise bad(path, "file not found", f"restore it from the release ({LAYOUTS})")
    try:
        found = path.stat()
    except OSError as error:
        raise bad(path, f"cannot be read ({error.strerror or error})", "check that it is a file you may read") from None
    if not stat.S_ISREG(found.st_mode):
        raise bad(path, "cannot be read (no regular file)", "restore it from the release")
    if most is not None and found.st_size > most:
        raise bad(path, f"{found.st_size:,} bytes, more than {most:,}", "restore it from the release")


def text_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file (a byte-order mark is no part of them), read one by one; of a tar archive, its csv file's."""
    require_file(path)
    try:
        with open_csv_of(path) if ".tar" in path.name.lower() else open(path, "rb") as file:
            for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE), b""), 1):
                if len(line) == LONGEST_LINE:
                    raise bad(path, f"a line of {LONGEST_LINE:,} bytes or more", "restore the file", number)
                try:
                    yield line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError:
                    raise bad(path, "is not UTF-8 text", "save it as UTF-8 or restore it", number) from None
    except OSError as error:
        raise bad(path, f"cannot be read ({error.strerror or error})", "check that it is a file you may read") from None


@contextmanager
def open_csv_of(path: Path) -> Iterator[IO[bytes]]:
    """fer2013.csv in a tar archive, read where it lies: nothing is unpacked."""
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                if max(member.size, member.offset) > MOST_BYTES:
                    raise bad(path, f"is longer than {MOST_BYTES:,} bytes when it is unpacked", "restore it from the release")
                name = PurePosixPath(member.name)
                if member.isfile() and name.name.lower() == "fer2013.csv" and not any(map(is_junk, name.parts)):
                    yield archive.extractfile(member)
                    return
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise bad(path, f"is a damaged archive ({error})", "restore it from the release") from None
    raise bad(path, "holds no fer2013.csv", "restore it from the release")


def read_table(
    path: Path, columns: Sequence[str], *, release_header: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a csv file as (line number, {column: text}), columns found by name in any case and with blanks around it.

    Args:
        columns: those that must be there; others may be.
        release_header: the header to assume for a file of as many columns whose first row names none of them
            (AffectNet's validation list came without a header).

    Raises:
        DataError: no file, not UTF-8, empty, a column missing or named twice, or a row of another length.
    """
    rows = csv.reader(text_lines(path), strict=True)
    try:
        spelled = {name.lower(): name for name in columns}
        header = [spelled.get(name.strip().lower(), name.strip()) for name in next(rows, [])]
        body: Iterable[list[str]] = rows
        if len(header) == len(release_header) and not set(header) & set(release_header):
            header, body = list(release_header), chain([header], rows)
        missing = [name for name in columns if name not in header]
        if missing or len(set(header)) < len(header):
            problem = f"no column {missing[0]!r}" if missing else "a column is named twice"
            raise bad(path, f"{problem} in the header {','.join(header)[:100]!r}", f"expected {','.join(columns)}", 1)
        for row in filter(lambda row: any(map(str.strip, row)), body):  # but blank lines
            if len(row) != len(header):
                raise bad(path, f"{len(row)} columns, the header has {len(header)}", "restore the file", rows.line_num)
            yield rows.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise bad(path, f"is not a csv table ({error})", "restore the file", rows.line_num) from None


# --- the catalog ------------------------------------------------------------------------------------------------------


def make_catalog(
    name: str, root: Path, labels: Sequence[int], splits: Sequence[str], skipped: Counter[str], **fields
) -> Catalog:
    """A Catalog of numpy arrays, having checked that every split of its protocol has images."""
    for split in ("all",) if fields.get("folds") or "all" in splits else ("train", "test"):
        if split not in splits:
            what = "labeled images" if split == "all" else f"{split} images"
            counted = ", ".join(f"{count} {reason}" for reason, count in skipped.items() if count)
            mend = "add some" if name == OWN else "restore the release"
            raise bad(root, f"has no {what}" + (f" (skipped: {counted})" if counted else ""), mend)
    for key in ("identities", "sequences"):
        if fields.get(key) is not None:
            fields[key] = np.asarray(fields[key], dtype=np.int64)
    fields["notes"] = tuple(fields.get("notes", ()))
    counted = {reason: count for reason, count in skipped.items() if count}
    return Catalog(
        name=name,
        root=root,
        labels=np.asarray(labels, dtype=np.int64),
        splits=np.asarray(splits, dtype="U5"),
        skipped=counted,
        **fields,
    )


def coded(names: Sequence[Hashable]) -> list[int]:
    """[N] a number for each name, equal for equal ones, in the order of the names."""
    codes = {name: number for number, name in enumerate(sorted(set(names)))}
    return [codes[name] for name in names]
