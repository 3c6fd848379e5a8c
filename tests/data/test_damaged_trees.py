"""Every way a copy of a data set can be damaged that we could think of: one clear error with its place, or a counted skip."""

import os
import shutil
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fercore.course import rehearsal as layouts
from fercore.data.readers import files as reading
from fercore.data.readers.table import READERS
from fercore.data.releases import check_dataset
from fercore.errors import DataError
from tests.data import trees
from tests.data.trees import TREES
from tests.messages import one_line

Damage = Callable[[Path], None]

RAF_LIST, RAF_IMAGE = "EmoLabel/list_patition_label.txt", "Image/aligned/train_00003_aligned.jpg"
CK_IMAGE, CK_LABEL = "cohn-kanade-images/S015/001/S015_001_00000005.png", "Emotion/S015/001/S015_001_00000005_emotion.txt"
MMI_XML = "Sessions/101/S002-101.xml"
NPY = "train_set/annotations/3_exp.npy"


# --- damages: each takes a place below the root and makes a function of the root --------------------------------------


def remove(place: str) -> Damage:
    return lambda root: shutil.rmtree(root / place) if (root / place).is_dir() else (root / place).unlink()


def remove_half(place: str) -> Damage:
    """Every other file of a folder."""
    return lambda root: [file.unlink() for file in sorted((root / place).iterdir())[::2]]


def content(place: str, new: str | bytes) -> Damage:
    def damage(root: Path) -> None:
        (root / place).write_bytes(new if isinstance(new, bytes) else new.encode())

    return damage


def halve(place: str) -> Damage:
    return lambda root: os.truncate(root / place, (root / place).stat().st_size // 2)


def add(place: str, text: str) -> Damage:
    """A new file, with the folders above it."""
    return lambda root: trees.write(root / place, text)


def line(place: str, number: int, new: str) -> Damage:
    """Replace one line, counted from 1; a number past the end appends."""

    def damage(root: Path) -> None:
        lines = (root / place).read_text().splitlines()
        lines[number - 1 : number] = [new]
        (root / place).write_text("\n".join(lines) + "\n")

    return damage


def swap(place: str, old: str, new: str) -> Damage:
    """Replace the first `old` in a text file."""

    def damage(root: Path) -> None:
        text = (root / place).read_text()
        assert old in text
        (root / place).write_text(text.replace(old, new, 1))

    return damage


def move(place: str, to: str) -> Damage:
    def damage(root: Path) -> None:
        (root / to).parent.mkdir(parents=True, exist_ok=True)
        (root / place).rename(root / to)

    return damage


def copy(place: str, to: str) -> Damage:
    def damage(root: Path) -> None:
        (root / to).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / place, root / to)

    return damage


def folder_instead(place: str) -> Damage:
    return both(remove(place), lambda root: (root / place).mkdir())


def loop(place: str) -> Damage:
    """A link that leads to itself."""
    return both(remove(place), lambda root: (root / place).symlink_to(root / place))


def dangling(place: str) -> Damage:
    return both(remove(place), lambda root: (root / place).symlink_to(root / "nowhere.jpg"))


def empty_folder(place: str) -> Damage:
    return folder_instead(place)


def array(place: str, value: object) -> Damage:
    return lambda root: np.save(root / place, value, allow_pickle=True)


def arrays(place: str, **changed: object) -> Damage:
    """Replace arrays of an npz file; None takes one away."""

    def damage(root: Path) -> None:
        with np.load(root / place) as found:
            kept = {**found, **changed}
        np.savez(root / place, **{name: value for name, value in kept.items() if value is not None})

    return damage


def pipe(place: str) -> Damage:
    """A pipe to which nobody writes: who opens it waits for ever."""
    return both(remove(place), lambda root: os.mkfifo(root / place))


def endless(place: str) -> Damage:
    return both(remove(place), lambda root: (root / place).symlink_to("/dev/zero"))


def grow(place: str, size: int = 2**40) -> Damage:
    """A sparse file, which takes no room on disk."""
    return lambda root: os.truncate(root / place, size)


def tar(place: str) -> Damage:
    """An archive of nothing."""
    return lambda root: tarfile.open(root / place, "w:gz").close()


def bomb(place: str, size: int) -> Damage:
    """An npz file whose one array unpacks to `size` zeros."""

    def damage(root: Path) -> None:
        packed = zipfile.ZipFile(root / place, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        with packed as archive, archive.open("pixels.npy", "w") as file:
            for _ in range(size // 2**24):
                file.write(bytes(2**24))

    return damage


def npy_header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def both(*damages: Damage) -> Damage:
    def damage(root: Path) -> None:
        for one in damages:
            one(root)

    return damage


def keep_lines(place: str, wanted: Callable[[str], bool]) -> Damage:
    def damage(root: Path) -> None:
        lines = (root / place).read_text().splitlines()
        (root / place).write_text("".join(f"{text}\n" for text in lines if wanted(text)))

    return damage


# --- damaged trees that are refused -----------------------------------------------------------------------------------

REFUSED: dict[str, tuple[str, Damage, tuple[str, ...]]] = {  # id -> layout, damage, words of the message
    # RAF-DB, the official layout
    "raf: no list": ("rafdb", remove(RAF_LIST), (RAF_LIST, "file not found")),
    "raf: empty list": ("rafdb", content(RAF_LIST, ""), ("no train images",)),
    "raf: list cut in a line": (
        "rafdb",
        line(RAF_LIST, 25, "test_00"),
        (f"{RAF_LIST}, line 25", "expected `train_00001.jpg 5`"),
    ),
    "raf: label 8": ("rafdb", line(RAF_LIST, 3, "train_00003.jpg 8"), (f"{RAF_LIST}, line 3", "'8'", "1..7")),
    "raf: label 0": ("rafdb", line(RAF_LIST, 3, "train_00003.jpg 0"), ("line 3", "'0'")),
    "raf: label is a word": ("rafdb", line(RAF_LIST, 3, "train_00003.jpg happy"), ("line 3", "'happy'")),
    "raf: label is no number": ("rafdb", line(RAF_LIST, 3, "train_00003.jpg nan"), ("line 3", "'nan'")),
    "raf: label is a fraction": ("rafdb", line(RAF_LIST, 3, "train_00003.jpg 2.5"), ("line 3", "'2.5'")),
    "raf: no label": ("rafdb", line(RAF_LIST, 3, "train_00003.jpg"), ("line 3",)),
    "raf: two labels": ("rafdb", line(RAF_LIST, 3, "train_00003.jpg 1 2"), ("line 3",)),
    "raf: wrong id": ("rafdb", line(RAF_LIST, 3, "trian_00003.jpg 1"), ("line 3", "trian_00003")),
    "raf: duplicate": ("rafdb", line(RAF_LIST, 4, "train_00002.jpg 1"), ("line 4", "train_00002.jpg", "twice", "line 2")),
    "raf: duplicate in other case": ("rafdb", line(RAF_LIST, 4, "train_00002.JPG 1"), ("line 4", "twice")),
    "raf: list in UTF-16": (
        "rafdb",
        content(RAF_LIST, "train_00001.jpg 5\n".encode("utf-16")),
        (f"{RAF_LIST}, line 1", "UTF-8"),
    ),
    "raf: a bad byte": ("rafdb", content(RAF_LIST, b"train_00001.jpg 1\ntrain_\xff.jpg 2\n"), (f"{RAF_LIST}, line 2", "UTF-8")),
    "raf: list is a folder": ("rafdb", folder_instead(RAF_LIST), (RAF_LIST, "cannot be read")),
    "raf: list is a loop": ("rafdb", loop(RAF_LIST), (RAF_LIST, "cannot be read")),
    "raf: label without image": ("rafdb", remove(RAF_IMAGE), (f"{RAF_LIST}, line 3", RAF_IMAGE, "not found")),
    "raf: image is a folder": ("rafdb", folder_instead(RAF_IMAGE), ("line 3", RAF_IMAGE, "is a folder")),
    "raf: image is a loop": ("rafdb", loop(RAF_IMAGE), ("line 3", RAF_IMAGE, "link")),
    "raf: image is a dead link": ("rafdb", dangling(RAF_IMAGE), ("line 3", RAF_IMAGE, "link")),
    "raf: no aligned images": ("rafdb", move("Image/aligned", "Image/original"), ("Image/aligned", "folder not found")),
    "raf: all images gone": ("rafdb", empty_folder("Image/aligned"), ("27 of 27", "line 1")),
    "raf: no test split": ("rafdb", keep_lines(RAF_LIST, lambda text: "train" in text), ("no test images",)),
    "raf: no train split": ("rafdb", keep_lines(RAF_LIST, lambda text: "test" in text), ("no train images",)),
    "raf: two files differ in case": ("rafdb", copy(RAF_IMAGE, RAF_IMAGE.replace("jpg", "JPG")), ("only in case",)),
    "raf: one level too high": (
        "rafdb",
        both(move("EmoLabel", "basic/EmoLabel"), move("Image", "basic/Image"), add("compound/readme", "")),
        ("basic as its",),
    ),
    "raf: three columns": ("rafdb", line(RAF_LIST, 3, "3,train_00003.jpg,1"), ("line 3", "3 columns")),
    # class folders
    "raf folders: class gone": ("rafdb-numbered", remove("train/5"), ("train: has class folders 1, 2, 3, 4, 6, 7", "1..7")),
    "raf folders: class empty": ("rafdb-numbered", empty_folder("test/2"), ("test/2", "without images")),
    "raf folders: unknown class": ("rafdb-numbered", copy("train/1/train_00001_aligned.jpg", "train/8/x.jpg"), ("7, 8",)),
    "raf folders: no test": ("rafdb-numbered", remove("test"), ("no folder test or val",)),
    "raf folders: test is a file": ("rafdb-numbered", both(remove("test"), add("test", "")), ("no folder test",)),
    "raf folders: one image, two labels": (
        "rafdb-numbered",
        copy("train/1/train_00001_aligned.jpg", "train/3/train_00001_aligned.jpg"),
        ("train/3/train_00001_aligned.jpg", "two labels"),
    ),
    "raf folders: one level too high": (
        "rafdb-numbered",
        both(move("train", "D/train"), move("test", "D/test"), add("E/readme", "")),
        ("/D as its",),
    ),
    "raf folders: images without class folders": (
        "rafdb-numbered",
        both(remove("train"), add("train/train_00001_aligned.jpg", "")),
        ("train: has no class folders", "Surprise"),
    ),
    "raf folders: another label": (
        "rafdb-numbered",
        add("train_labels.csv", "image,label\ntrain_00001_aligned.jpg,1\ntrain_00002_aligned.jpg,7\n"),
        ("train_labels.csv, line 3", "label 7 is Neutral", "train_00002_aligned.jpg lies with Surprise"),
    ),
    "raf folders: label without image": (
        "rafdb-numbered",
        add("test_labels.csv", "image,label\ntest_9999_aligned.jpg,1\n"),
        ("test_labels.csv, line 2", "'test_9999_aligned.jpg' is no image of test"),
    ),
    "raf folders: classes.txt of one split": (
        "rafdb-numbered",
        add("test/classes.txt", "Happy\n"),
        ("test/classes.txt", "in a folder of one split"),
    ),
    "dacl: class gone": ("rafdb-dacl", remove("valid/03"), ("valid/3", "not found")),
    "dacl: sizes do not tell": ("rafdb-dacl", remove_half("train/00"), ("0..6", "RAF-DB's order", "DACL", "classes.txt")),
    "dacl: classes.txt misspelt": ("rafdb-dacl", add("classes.txt", "Neutral\nHapy\n"), ("classes.txt, line 2", "'Hapy'")),
    "dacl: classes.txt too short": ("rafdb-dacl", add("classes.txt", "Neutral\nHappy\n"), ("classes.txt", "2 lines")),
    "dacl: classes.txt names one twice": ("rafdb-dacl", add("classes.txt", "Happy\n" * 7), ("classes.txt", "7 lines")),
    # SimFER
    "simfer: unfinished": (
        "simfer",
        remove("manifest.json"),
        ("not generated to its end", "run `python -m simfer --preset PRESET --out "),
    ),
    "simfer: manifest says unfinished": (
        "simfer",
        content("manifest.json", '{"complete": false}'),
        ("not generated to its end",),
    ),
    "simfer: manifest cut": ("simfer", halve("manifest.json"), ("manifest.json", "JSON")),
    "simfer: manifest is a list": ("simfer", content("manifest.json", "[]"), ("manifest.json", "JSON")),
    "simfer: no csv": ("simfer", remove("simfer.csv"), ("simfer.csv", "file not found")),
    "simfer: no identity column": ("simfer", swap("simfer.csv", "identity", "who"), ("simfer.csv, line 1", "'identity'")),
    "simfer: identity is a word": ("simfer", swap("simfer.csv", "train,1,0,", "train,1,Ann,"), ("simfer.csv, line 2", "'Ann'")),
    "simfer: label differs": ("simfer", swap("simfer.csv", "train,1", "train,2"), ("simfer.csv, line 2", "label 2")),
    "simfer: split differs": ("simfer", swap("simfer.csv", "train,1", "test,1"), ("simfer.csv, line 2", "is test")),
    "simfer: row missing": ("simfer", keep_lines("simfer.csv", lambda text: "train_00004" not in text), ("train_00004.jpg",)),
    "simfer: row too many": ("simfer", line("simfer.csv", 99, "train_00099.jpg,train,1,1,-1,0,0.5"), ("train_00099.jpg",)),
    "simfer: row twice": ("simfer", line("simfer.csv", 99, "train_00001.jpg,train,1,0,-1,0,0.5"), ("twice", "line 2")),
    "simfer: sequence is a word": ("simfer-sequences", swap("simfer.csv", ",0,0,0", ",0,a,0"), ("line 2", "sequence 'a'")),
    # AffectNet
    "affectnet: no images": ("affectnet", remove("Manually_Annotated_Images"), ("Manually_Annotated_Images", "not found")),
    "affectnet: no validation list": ("affectnet", remove("validation.csv"), ("validation.csv", "file not found")),
    "affectnet: no list": ("affectnet", remove("training.csv"), ("no folder of affectnet", "training.csv")),
    "affectnet: empty list": ("affectnet", content("training.csv", ""), ("training.csv, line 1", "subDirectory_filePath")),
    "affectnet: header alone": ("affectnet", content("training.csv", layouts.AFFECTNET_HEADER), ("no train images",)),
    "affectnet: unknown column": ("affectnet", swap("training.csv", "expression", "emotion"), ("line 1", "'expression'")),
    "affectnet: column twice": ("affectnet", swap("training.csv", "valence", "arousal"), ("line 1", "twice")),
    "affectnet: row too short": ("affectnet", line("training.csv", 5, "12/training3.jpg,1,2"), ("line 5", "3 columns")),
    "affectnet: open quote": (
        "affectnet",
        swap("training.csv", "12/training3", '"12/training3'),
        ("training.csv", "not a csv table"),
    ),
    "affectnet: expression 11": ("affectnet", swap("training.csv", "1.0;2.0,3,", "1.0;2.0,11,"), ("line 5", "'11'", "0..10")),
    "affectnet: expression -1": ("affectnet", swap("training.csv", "1.0;2.0,3,", "1.0;2.0,-1,"), ("line 5", "'-1'")),
    "affectnet: no expression": ("affectnet", swap("training.csv", "1.0;2.0,3,", "1.0;2.0,,"), ("line 5", "''")),
    "affectnet: image missing": ("affectnet", remove("Manually_Annotated_Images/12/training3.jpg"), ("training.csv, line 5",)),
    "affectnet: folder of images missing": ("affectnet", remove("Manually_Annotated_Images/3"), ("validation.csv", "8 of 8")),
    "affectnet: listed twice": (
        "affectnet",
        swap("training.csv", "12/training3", "12/training2"),
        ("line 5", "line 4", "twice"),
    ),
    "affectnet: path out of the set": (
        "affectnet",
        swap("training.csv", "12/training3", "../../x"),
        ("line 5", "'../../x.jpg'"),
    ),
    "affectnet: absolute path": ("affectnet", swap("training.csv", "12/training3", "/etc/x"), ("line 5", "'/etc/x.jpg'")),
    "affectnet: no image's name": ("affectnet", swap("training.csv", "12/training3.jpg", "12/training3"), ("line 5",)),
    "affectnet: image in both lists": (
        "affectnet",
        swap("validation.csv", "3/validation2", "12/training2"),
        ("validation.csv, line 4", "12/training2.jpg is in training.csv too"),
    ),
    "affectnet npy: truncated": ("affectnet-npy", halve(NPY), (NPY, "npy")),
    "affectnet npy: empty": ("affectnet-npy", content(NPY, ""), (NPY, "npy")),
    "affectnet npy: text": ("affectnet-npy", content(NPY, "3"), (NPY, "npy")),
    "affectnet npy: pickle": ("affectnet-npy", array(NPY, np.array([{}], dtype=object)), (NPY, "npy")),
    "affectnet npy: two values": ("affectnet-npy", array(NPY, [3, 4]), (NPY, "2 values")),
    "affectnet npy: expression 12": ("affectnet-npy", array(NPY, "12"), (NPY, "'12'")),
    "affectnet npy: image missing": ("affectnet-npy", remove("train_set/images/3.jpg"), (NPY, "no image 3.jpg")),
    "affectnet npy: annotation is a folder": ("affectnet-npy", folder_instead(NPY), (NPY, "npy")),
    "affectnet npy: no val_set": ("affectnet-npy", remove("val_set"), ("val_set/images", "folder not found")),
    "affectnet npy: no annotations": ("affectnet-npy", remove("val_set/annotations"), ("val_set/annotations",)),
    "affectnet yolo: image missing": (
        "affectnet-yolo",
        remove("train/images/train3.jpg"),
        ("train/labels/train3.txt", "has no image of its name"),
    ),
    "affectnet yolo: image missing, parts": (
        "affectnet-yolo-parts",
        remove("images/valid/valid3.jpg"),
        ("labels/valid/valid3.txt", "has no image of its name"),
    ),
    # FER2013
    "fer2013: no table": ("fer2013", remove("fer2013.csv"), ("fer2013.csv", "no folder of fer2013")),
    "fer2013: unknown column": ("fer2013", swap("fer2013.csv", "pixels", "image"), ("fer2013.csv, line 1", "'pixels'")),
    "fer2013: emotion 7": ("fer2013", swap("fer2013.csv", "\n2,", "\n7,"), ("fer2013.csv, line 4", "'7'", "0..6")),
    "fer2013: unknown usage": ("fer2013", swap("fer2013.csv", "Training", "Train"), ("fer2013.csv, line 2", "'Train'")),
    "fer2013: no PublicTest": ("fer2013", keep_lines("fer2013.csv", lambda text: "Public" not in text), ("no PublicTest",)),
    "fer2013: no PrivateTest": ("fer2013", keep_lines("fer2013.csv", lambda text: "Private" not in text), ("no test images",)),
    "fer2013: a pixel too few": (
        "fer2013",
        line("fer2013.csv", 3, "0," + "7 " * 2303 + ",Training"),
        ("line 3", "2,303 pixels"),
    ),
    "fer2013: a pixel too many": (
        "fer2013",
        line("fer2013.csv", 3, "0," + "7 " * 2305 + ",Training"),
        ("line 3", "2,305 pixels"),
    ),
    "fer2013: no pixels": ("fer2013", line("fer2013.csv", 3, "0,,Training"), ("line 3", "0 pixels")),
    "fer2013: pixel 256": ("fer2013", line("fer2013.csv", 3, "0," + "256 " * 2304 + ",Training"), ("line 3", "0..255")),
    "fer2013: pixel -1": ("fer2013", line("fer2013.csv", 3, "0," + "-1 " * 2304 + ",Training"), ("line 3", "0..255")),
    "fer2013: pixels in words": (
        "fer2013",
        line("fer2013.csv", 3, "0," + "a " * 2304 + ",Training"),
        ("line 3", "whole numbers"),
    ),
    "fer2013: pixels beyond any type": (
        "fer2013",
        line("fer2013.csv", 3, "0," + "9" * 99 + " 7" * 2303 + ",Training"),
        ("line 3", "0..255"),
    ),
    "fer2013: truncated": ("fer2013", halve("fer2013.csv"), ("fer2013.csv, line 1",)),
    "fer2013 npz: truncated": ("fer2013-npz", halve("fer2013.npz"), ("fer2013.npz", "not such an npz")),
    "fer2013 npz: empty": ("fer2013-npz", content("fer2013.npz", ""), ("fer2013.npz", "not such an npz")),
    "fer2013 npz: no array": ("fer2013-npz", arrays("fer2013.npz", usage=None), ("not such an npz", "usage")),
    "fer2013 npz: emotion 7": ("fer2013-npz", arrays("fer2013.npz", emotion=np.full(28, 7, "u1")), ("emotion of 7", "0..6")),
    "fer2013 npz: an image short": (
        "fer2013-npz",
        arrays("fer2013.npz", pixels=np.zeros((27, 48, 48), "u1")),
        ("[N, 48, 48]", "(27, 48, 48)"),
    ),
    "fer2013 npz: floats": ("fer2013-npz", arrays("fer2013.npz", emotion=np.zeros(28)), ("uint8",)),
    "fer2013 npz: one number": ("fer2013-npz", arrays("fer2013.npz", emotion=np.uint8(0)), ("uint8",)),
    "fer2013 npz: objects": ("fer2013-npz", arrays("fer2013.npz", usage=np.array([None] * 28)), ("not such an npz",)),
    "fer2013 challenge: no labels": (
        "fer2013-challenge",
        content("test.csv", "pixels\n" + "7 " * 2304),
        ("test.csv", "has no labels", "icml_face_data.csv"),
    ),
    "fer2013 tar: truncated": ("fer2013-tar", halve("fer2013.tar.gz"), ("fer2013.tar.gz", "damaged archive")),
    "fer2013 tar: no archive": ("fer2013-tar", content("fer2013.tar.gz", "no"), ("fer2013.tar.gz", "damaged archive")),
    "fer2013 tar: empty": ("fer2013-tar", tar("fer2013.tar.gz"), ("fer2013.tar.gz", "no fer2013.csv")),
    "fer2013 folders: a class twice": (
        "fer2013-folders",
        copy("train/angry/0000.jpg", "train/Anger/x.jpg"),
        ("train/angry", "second folder of a class", "Anger"),
    ),
    "fer2013 folders: two parts": (
        "fer2013-folders",
        copy("train/angry/0000.jpg", "Training/angry/x.jpg"),
        ("second train folder",),
    ),
    "ferplus: a row short": ("ferplus", keep_lines("fer2013new.csv", lambda text: "00003" not in text), ("27 rows for 28",)),
    "ferplus: another order": ("ferplus", swap("fer2013new.csv", "Training", "PublicTest"), ("line 2", "image of train")),
    "ferplus: votes are words": ("ferplus", swap("fer2013new.csv", "0,8", "0,eight"), ("fer2013new.csv", "'eight'")),
    "affectnet numbers: sizes do not tell": (
        "affectnet-numbered",
        remove_half("train/0"),
        ("AffectNet's order", "the alphabet's", "classes.txt"),
    ),
    "affectnet yolo: no names": ("affectnet-yolo", content("data.yaml", "nc: 8"), ("data.yaml", "no names")),
    "affectnet yolo: a name unknown": ("affectnet-yolo", swap("data.yaml", "Anger", "Mood"), ("data.yaml", "'Mood'")),
    "affectnet yolo: a class too high": (
        "affectnet-yolo",
        content("valid/labels/valid3.txt", "8 0 0 1 1"),
        ("valid3.txt", "'8'"),
    ),
    # JAFFE and one's own
    "jaffe: a name that tells nothing": ("jaffe", move("KA.AN1.0.tiff", "face.tiff"), ("face.tiff", "does not tell")),
    "jaffe: an unknown emotion": ("jaffe", move("KA.AN1.0.tiff", "KA.XX1.0.tiff"), ("KA.XX1.0.tiff", "does not tell")),
    "own: one class": ("own-heap", both(remove("happy"), remove("Sad")), ("1 class folders",)),
    "own: a class that is not trained": ("own", copy("test/bored/0024.jpg", "test/glad/x.jpg"), ("test/glad", "no class")),
    "own: no test": ("own", remove("test"), ("no folder test or val",)),
    # CK+
    "ck+ 48: a name that tells nobody": (
        "ckplus-48",
        move("anger/S010_001_00000012.png", "anger/x.png"),
        ("anger/x.png", "does not tell who is seen"),
    ),
    "ck+: no images": ("ckplus", remove("cohn-kanade-images"), ("cohn-kanade-images", "folder not found")),
    "ck+: no labels": ("ckplus", remove("Emotion"), ("Emotion", "folder not found")),
    "ck+: no label at all": ("ckplus", empty_folder("Emotion"), ("no labeled images", "9 sequences")),
    "ck+: emotion 8": ("ckplus", content(CK_LABEL, "   8.0000000e+00\n"), (f"{CK_LABEL}, line 1", "1..7")),
    "ck+: emotion 0": ("ckplus", content(CK_LABEL, "   0.0000000e+00\n"), (CK_LABEL, "1..7")),
    "ck+: empty label": ("ckplus", content(CK_LABEL, ""), (CK_LABEL, "0 values")),
    "ck+: two emotions": ("ckplus", content(CK_LABEL, "1 2"), (CK_LABEL, "2 values")),
    "ck+: label in bad encoding": ("ckplus", content(CK_LABEL, b"\xff3"), (CK_LABEL, "UTF-8")),
    "ck+: label without sequence": ("ckplus", remove("cohn-kanade-images/S015/001"), ("S015/001", "sequence not found")),
    "ck+: label of another sequence": (
        "ckplus",
        move(CK_LABEL, "Emotion/S020/001/S015_001_00000005_emotion.txt"),
        ("second label", "S020"),
    ),
    "ck+: label in another's place": (
        "ckplus",
        move("Emotion/S015/001", "Emotion/S010/002"),
        ("S015_001_00000005_emotion.txt", "does not belong into S010/002"),
    ),
    "ck+: label a level too high": (
        "ckplus",
        move(CK_LABEL, "Emotion/S015/S015_001_00000005_emotion.txt"),
        ("Emotion/S015/S015_001_00000005_emotion.txt", "wrong level"),
    ),
    "ck+: two labels": ("ckplus", copy(CK_LABEL, CK_LABEL.replace("05_", "04_")), ("second label",)),
    "ck+: frame of another sequence": (
        "ckplus",
        copy(CK_IMAGE, "cohn-kanade-images/S020/001/S015_001_00000006.png"),
        ("S020/001/S015_001_00000006.png", "no frame of S020/001"),
    ),
    "ck+: two frames": (
        "ckplus",
        both(*(remove(CK_IMAGE.replace("005.png", f"00{k}.png")) for k in (1, 2, 3))),
        ("S015/001", "2 frames"),
    ),
    "ck+: subject's folder misnamed": (
        "ckplus",
        both(
            *(move(f"{part}/S015", f"{part}/X015") for part in ("cohn-kanade-images", "Emotion")),
            move("Emotion/X015/001/S015_001_00000005_emotion.txt", "Emotion/X015/001/X015_001_00000005_emotion.txt"),
            *(
                move(
                    f"cohn-kanade-images/X015/001/S015_001_0000000{k}.png",
                    f"cohn-kanade-images/X015/001/X015_001_0000000{k}.png",
                )
                for k in range(1, 6)
            ),
        ),
        ("X015", "no subject's folder"),
    ),
    "ck+: one level too high": (
        "ckplus",
        both(move("cohn-kanade-images", "a/cohn-kanade-images"), move("Emotion", "a/Emotion"), add("b/readme", "")),
        ("/a as its",),
    ),
    # MMI
    "mmi: no sessions": ("mmi", move("Sessions", "Session"), ("Sessions", "no folder of mmi")),
    "mmi: empty": ("mmi", empty_folder("Sessions"), ("no labeled images",)),
    "mmi: no xml": ("mmi", remove(MMI_XML), ("Sessions/101", "0 files such as")),
    "mmi: xml truncated": ("mmi", halve(MMI_XML), (MMI_XML, "is not xml")),
    "mmi: xml empty": ("mmi", content(MMI_XML, ""), (MMI_XML, "is not xml")),
    "mmi: xml is a loop": ("mmi", loop(MMI_XML), (MMI_XML, "cannot be read")),
    "mmi: session.xml is no xml": ("mmi", content("Sessions/101/session.xml", "no"), ("101/session.xml", "is not xml")),
    "mmi: emotion is a word": ("mmi", swap(MMI_XML, 'Value="2"', 'Value="sad"'), (MMI_XML, "'sad'")),
    "mmi: emotion without value": ("mmi", swap(MMI_XML, 'Value="2"', ""), (MMI_XML, "''")),
    "mmi: two clips": ("mmi", copy(MMI_XML, "Sessions/101/S002-102.xml"), ("Sessions/101", "2 files such as")),
    "mmi: two frames": (
        "mmi",
        both(*(remove(f"Sessions/101/S002-101/S002-101_0{k}.jpg") for k in range(1, 6))),
        ("Sessions/101", "2 frames"),
    ),
    "mmi: neither frames nor video": (
        "mmi",
        both(remove("Sessions/101/S002-101"), remove("Sessions/101/S002-101.avi")),
        ("Sessions/101", "0 frames"),
    ),
    "mmi: videos alone": (
        "mmi",
        both(*(remove(f"Sessions/{100 + k}/S{1 + k % 10:03d}-{100 + k}") for k in range(11))),
        ("no labeled images", "extract its frames"),
    ),
    "mmi table: header": ("mmi-table", swap("frames.csv", "subject", "person"), ("frames.csv, line 1", "'subject'")),
    "mmi table: emotion": ("mmi-table", swap("frames.csv", "disgust", "digust"), ("frames.csv, line 5", "'digust'")),
    "mmi table: frame missing": ("mmi-table", remove("frames/s1/9.png"), ("frames.csv, line 6", "frames/s1/9.png")),
    "mmi table: frame twice": ("mmi-table", swap("frames.csv", "s1/9", "s1/8"), ("frames.csv, line 6", "twice", "line 5")),
    "mmi table: two subjects": ("mmi-table", swap("frames.csv", "s1/9.png,S001", "s1/9.png,S002"), ("line 6", "two subjects")),
    "mmi table: two emotions": (
        "mmi-table",
        swap("frames.csv", "s1/9.png,S001,clip 1,disgust", "s1/9.png,S001,clip 1,fear"),
        ("line 6", "two emotions"),
    ),
    "mmi table: two frames": (
        "mmi-table",
        keep_lines("frames.csv", lambda text: "s1/9" not in text),
        ("frames.csv", "2 frames"),
    ),
    # SFEW
    "sfew: no Val": ("sfew", remove("Val"), ("no folder test or val",)),
    "sfew: emotion gone": ("sfew", remove("Train/Fear"), ("Train/Fear", "class folder not found")),
    "sfew: emotion empty": ("sfew", empty_folder("Val/Fear"), ("Val/Fear", "without images")),
    "sfew: emotion misnamed": ("sfew", move("Val/Sad", "Val/Sadd"), ("Val/Sadd", "is no class")),
    "sfew: emotion too many": ("sfew", copy("Train/Sad/Film_000018.png", "Train/Contempt/a.png"), ("Contempt",)),
    "sfew: one level too high": (
        "sfew",
        both(move("Train", "S/Train"), move("Val", "S/Val"), add("T/readme", "")),
        ("/S as its",),
    ),
    "sfew: identity without image": ("sfew-identities", swap("identities.csv", "Film_000000", "Film_9"), ("line 2", "Film_9")),
    "sfew: image without identity": (
        "sfew-identities",
        keep_lines("identities.csv", lambda text: "Film_000000" not in text),
        ("identities.csv", "1 images without a row", "film_000000.png"),
    ),
    "sfew: blank identity": ("sfew-identities", swap("identities.csv", "actor 0", " "), ("line 2", "no identity")),
    "sfew: identity twice": ("sfew-identities", swap("identities.csv", "Film_000001", "Film_000000"), ("line 3", "twice")),
    "sfew: no identity column": ("sfew-identities", swap("identities.csv", "identity", "actor"), ("line 1", "'identity'")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_damaged_tree_is_refused_in_one_line_that_names_the_place(tmp_path, case):
    layout, damage, named = REFUSED[case]
    name, build = TREES[layout]
    build(tmp_path)
    damage(tmp_path)
    with pytest.raises(DataError) as error:
        READERS[name](tmp_path)
    message = one_line(error.value)
    assert str(tmp_path) in message
    assert "; " in message, "no mend"
    assert [word for word in named if word not in message] == [], message


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["missing", "empty", "file", "loop"])
def test_a_root_that_holds_nothing_is_refused(tmp_path, name, kind):
    root = tmp_path / "set"
    if kind == "empty":
        root.mkdir()
    elif kind == "file":
        root.touch()
    elif kind == "loop":
        root.symlink_to(root)
    with pytest.raises(DataError) as error:
        READERS[name](root)
    assert str(root) in one_line(error.value)


# --- hostile trees: one line, at once ---------------------------------------------------------------------------------

SLOW_NAME = "(((((((a+)+)+)+)+)+)+)+x"  # as a pattern it takes for ever against a row of a
ENTITIES = "<!DOCTYPE a [<!ENTITY e0 'ha'>" + "".join(f"<!ENTITY e{k} '{f'&e{k - 1};' * 10}'>" for k in range(1, 12)) + "]>"
LISTS = {
    "rafdb": RAF_LIST,
    "simfer": "simfer.csv",
    "affectnet": "training.csv",
    "affectnet-npy": NPY,
    "fer2013": "fer2013.csv",
    "fer2013-npz": "fer2013.npz",
    "ckplus": CK_LABEL,
    "mmi": MMI_XML,
    "mmi-table": "frames.csv",
    "sfew-identities": "identities.csv",
}
HOSTILE: dict[str, tuple[str, Damage, str]] = {  # id -> layout, damage, a word of the message
    **{f"{layout}: a pipe": (layout, pipe(place), "no regular file") for layout, place in LISTS.items()},
    **{f"{layout}: endless": (layout, endless(place), "no regular file") for layout, place in LISTS.items()},
    **{f"{layout}: a terabyte": (layout, grow(place), place) for layout, place in LISTS.items()},
    "a folder whose name is a pattern": (
        "ckplus",
        both(
            move("cohn-kanade-images/S015", f"cohn-kanade-images/{SLOW_NAME}"),
            move(
                f"cohn-kanade-images/{SLOW_NAME}/001/S015_001_00000001.png",
                f"cohn-kanade-images/{SLOW_NAME}/001/{'a' * 60}.png",
            ),
        ),
        "is no frame of",
    ),
    "a subject of a hundred digits": (
        "ckplus",
        both(*(move(f"{part}/S015", f"{part}/S{'1' * 100}") for part in ("cohn-kanade-images", "Emotion"))),
        "S111",
    ),
    "xml that grows": ("mmi", content(MMI_XML, f"{ENTITIES}<a>&e11;</a>"), "is not xml"),
    "xml of an unknown encoding": ("mmi", content(MMI_XML, '<?xml version="1.0" encoding="no"?><a/>'), "is not xml"),
    "deep JSON": ("simfer", content("manifest.json", "[" * 10**5), "is not a JSON object"),
    "an array of a petabyte": (
        "affectnet-npy",
        content(NPY, npy_header(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({10**15},)}}")),
        "is not a npy file",
    ),
    "an array with a deep header": ("affectnet-npy", content(NPY, npy_header("(" * 5000)), "is not a npy file"),
    "a zip bomb": ("fer2013-npz", bomb("fer2013.npz", 2**30 + 2**24), "too large"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_tree_is_refused_in_one_line_at_once(tmp_path, case):
    layout, damage, named = HOSTILE[case]
    name, build = TREES[layout]
    build(tmp_path)
    damage(tmp_path)
    start = time.monotonic()
    with pytest.raises(DataError) as error:
        READERS[name](tmp_path)
    assert time.monotonic() - start < 5
    assert named in one_line(error.value)


# --- damages that are counted -----------------------------------------------------------------------------------------

COUNTED: dict[str, tuple[str, Damage, str]] = {  # id -> layout, damage, words of the reason; once each
    "raf: image without label": ("rafdb", copy(RAF_IMAGE, "Image/aligned/train_09999_aligned.jpg"), "without a label"),
    "raf: thumbnails": ("rafdb", add("Image/aligned/Thumbs.db", ""), "no images"),
    "raf: macOS's companion": ("rafdb", add("Image/aligned/._train_00001_aligned.jpg", ""), "no images"),
    "raf: a folder that ends in jpg": ("rafdb", lambda root: (root / "Image/aligned/a.jpg").mkdir(), "not looked into"),
    "raf: an extra loop": (
        "rafdb",
        lambda root: (root / "Image/aligned/a.jpg").symlink_to(root / "Image/aligned/a.jpg"),
        "no images",
    ),
    "raf folders: a text file": ("rafdb-numbered", add("train/3/readme.txt", ""), "no images"),
    "raf folders: a folder that ends in jpg": (
        "rafdb-numbered",
        lambda root: (root / "test/3/a.jpg").mkdir(),
        "not looked into",
    ),
    "raf folders: a loop": ("rafdb-numbered", lambda root: (root / "test/3/a.jpg").symlink_to("a.jpg"), "no images"),
    "raf folders: a file beside the classes": ("rafdb-numbered", add("train/.DS_Store", ""), "no images"),
    "simfer: image without label": ("simfer", copy(RAF_IMAGE, "Image/aligned/more.jpg"), "without a label"),
    "affectnet: image without label": (
        "affectnet",
        copy("Manually_Annotated_Images/3/validation0.jpg", "Manually_Annotated_Images/3/x.jpg"),
        "without a label",
    ),
    "affectnet npy: image without label": ("affectnet-npy", remove(NPY), "without a label"),
    "affectnet npy: thumbnails": ("affectnet-npy", add("val_set/images/Thumbs.db", ""), "no images"),
    "ck+: sequence without label": ("ckplus", remove(CK_LABEL), "without an emotion label"),
    "ck+: .DS_Store": ("ckplus", add("cohn-kanade-images/.DS_Store", ""), "no images"),
    "ck+: a file beside a label": ("ckplus", add("Emotion/S015/001/note.txt", ""), "beside the labels"),
    "ck+: .DS_Store beside a label": ("ckplus", add("Emotion/S015/001/.DS_Store", ""), "no images"),
    "mmi: video alone": ("mmi", remove("Sessions/101/S002-101"), "extract its frames"),
    "mmi: display of no emotion": ("mmi", swap(MMI_XML, 'Value="2"', 'Value="7"'), "none of the six"),
    "mmi: no emotion": ("mmi", swap(MMI_XML, '"Emotion"', '"Comment"'), "without an emotion"),
    "mmi: side view": ("mmi", swap("Sessions/101/session.xml", 'view="0"', 'view="1"'), "from the side"),
    "mmi: a text among the frames": ("mmi", add("Sessions/101/S002-101/log.txt", ""), "no images"),
    "mmi table: frame not named": ("mmi-table", copy("frames/s1/9.png", "frames/s1/11.png"), "does not name"),
    "sfew: thumbnails": ("sfew", add("Val/Sad/Thumbs.db", ""), "no images"),
}


@pytest.mark.parametrize("case", COUNTED)
def test_what_is_left_out_is_counted(tmp_path, case):
    layout, damage, reason = COUNTED[case]
    name, build = TREES[layout]
    build(tmp_path)
    before = READERS[name](tmp_path).skipped
    damage(tmp_path)
    after = READERS[name](tmp_path).skipped
    grown = {why: count - before.get(why, 0) for why, count in after.items() if count != before.get(why, 0)}
    assert list(grown.values()) == [1], grown
    assert reason in next(iter(grown))
    assert next(iter(grown)) in check_dataset(name, tmp_path)[0]


# --- images that do not decode ----------------------------------------------------------------------------------------

IMAGES = {
    "rafdb": RAF_IMAGE,
    "rafdb-numbered": "train/4/train_00008_aligned.jpg",
    "affectnet": "Manually_Annotated_Images/3/validation2.jpg",
    "affectnet-npy": "val_set/images/2.jpg",
    "ckplus": CK_IMAGE,
    "mmi": "Sessions/101/S002-101/S002-101_04.jpg",
    "sfew": "Val/Sad/Film_000020.png",
}


@pytest.mark.parametrize("layout", IMAGES)
@pytest.mark.parametrize(
    "damage",
    [
        halve,
        lambda place: content(place, ""),
        lambda place: content(place, "no image"),
        lambda place: content(place, b"GIF89a\0"),
    ],
    ids=["truncated", "empty", "text", "another format's first bytes"],
)
def test_an_image_that_does_not_decode_is_named_by_check(tmp_path, layout, damage):
    name, build = TREES[layout]
    build(tmp_path)
    assert "unreadable images: 0" in check_dataset(name, tmp_path)[0]
    damage(IMAGES[layout])(tmp_path)
    table, ok = check_dataset(name, tmp_path)
    assert not ok
    assert "unreadable images: 1" in table
    assert IMAGES[layout] in table


# --- files that may not be read: monkeypatched, since root may read everything ----------------------------------------


def refuse(function: Callable, place: str) -> Callable:
    def refused(path, *arguments, **options):
        if str(path).endswith(place):
            raise PermissionError(13, "Permission denied", str(path))
        return function(path, *arguments, **options)

    return refused


@pytest.mark.parametrize(
    ("layout", "place"),
    [
        ("rafdb", RAF_LIST),
        ("simfer", "simfer.csv"),
        ("affectnet", "training.csv"),
        ("fer2013", "fer2013.csv"),
        ("ckplus", CK_LABEL),
        ("mmi-table", "frames.csv"),
        ("sfew-identities", "identities.csv"),
    ],
)
def test_an_unreadable_list_is_one_line(tmp_path, layout, place, monkeypatch):
    name, build = TREES[layout]
    build(tmp_path)
    monkeypatch.setattr(reading, "open", refuse(open, place), raising=False)
    with pytest.raises(DataError) as error:
        READERS[name](tmp_path)
    assert f"{place}: cannot be read (Permission denied)" in one_line(error.value)


@pytest.mark.parametrize(
    ("layout", "place"),
    [
        ("rafdb", "Image/aligned"),
        ("rafdb-numbered", "train/4"),
        ("affectnet", "Manually_Annotated_Images/12"),
        ("affectnet-npy", "val_set/annotations"),
        ("ckplus", "S015/001"),
        ("mmi", "Sessions/101"),
        ("sfew", "Val/Sad"),
    ],
)
def test_an_unreadable_folder_is_one_line(tmp_path, layout, place, monkeypatch):
    name, build = TREES[layout]
    build(tmp_path)
    monkeypatch.setattr(reading.os, "scandir", refuse(os.scandir, place))
    with pytest.raises(DataError) as error:
        READERS[name](tmp_path)
    assert f"{place}: cannot be listed (Permission denied)" in one_line(error.value)
