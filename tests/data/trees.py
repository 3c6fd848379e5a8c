"""Small data sets in the exact layouts of the releases, with noise in place of the licensed images.

The main layout of each set is fercore's own (`fercore.course.rehearsal`); the other ones that a set is found in stand here.
Every builder takes the folder to make and `image`, a function from a running number and a class to a PIL image.
"""

import csv
import json
import shutil
import tarfile
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
from PIL import Image

from fercore.course.rehearsal import (
    AFFECTNET_IDS,
    MMI_NAMES,
    MMI_SESSIONS,
    ImageMaker,
    raf_entries,
    save,
    write,
    write_layout,
    write_raf,
    write_session,
    write_table,
)
from fercore.data.readers.counts import EXPECTED


@cache
def draw(i: int, label: int | None = None) -> Image.Image:
    """32 x 32 pixels of noise, other ones for each i: what a reader finds hangs on no image's content."""
    return Image.fromarray(np.random.default_rng(i).integers(0, 256, (32, 32, 3), dtype=np.uint8))


def main_layout(name: str, root: Path, image: ImageMaker = draw) -> None:
    write_layout(name, root, image)


rafdb, affectnet, fer2013, ckplus, mmi, sfew = (
    partial(main_layout, name) for name in ("rafdb", "affectnet", "fer2013", "ckplus", "mmi", "sfew")
)
mmi_session = partial(write_session, image=draw)


# --- RAF-DB and SimFER ------------------------------------------------------------------------------------------------


def rafdb_numbered(root: Path, image: ImageMaker = draw) -> None:
    for i, (stem, label) in enumerate(raf_entries()):
        save(image(i), root / stem.split("_")[0] / str(label) / f"{stem}_aligned.jpg")


# Small releases, whose sizes tell what numbered folders mean: training images of each class.
RAF_SHARES = (9, 2, 6, 34, 14, 5, 18)
DACL_ORDER = (6, 3, 4, 5, 0, 1, 2)  # 00 Neutral, 01 Happiness, 02 Sadness and 06 Disgust, as its README names them


def class_folders(
    root: Path, names: Sequence[str], counts: dict[str, Sequence[int]], image: ImageMaker = draw, file: str = "{i:04d}.jpg"
) -> None:
    """root/part/name/file; counts {part: images of each name}, part "" being the root itself."""
    i = 0
    for part, numbers in counts.items():
        for name, count in zip(names, numbers, strict=True):
            for _ in range(count):
                save(image(i), root / part / name / file.format(i=i, part=part))
                i += 1


def rafdb_from_zero(root: Path, order: Sequence[int], test: str, image: ImageMaker = draw) -> None:
    counts = {"train": [RAF_SHARES[k] for k in order], test: ONE}
    class_folders(root, [f"{number:02d}" for number in range(7)], counts, image)


rafdb_dacl = partial(rafdb_from_zero, order=DACL_ORDER, test="valid")
rafdb_zero_based = partial(rafdb_from_zero, order=range(7), test="test")
rafdb_as_affectnet = partial(rafdb_from_zero, order=(6, 3, 4, 0, 1, 2, 5), test="test")


def rafdb_named(root: Path, image: ImageMaker = draw) -> None:
    """train and val, as a course hands it on."""
    class_folders(
        root, ["angry", "Disgust", "fearful", "Happy", "neutral", "SAD", "surprised"], {"Train": TWO, "val": ONE}, image
    )


def rafdb_twice(root: Path, image: ImageMaker = draw) -> None:
    """A zip unpacked in folders of its name; the list with other names, commas and the other spelling."""
    inner = root / "RAF-DB" / "basic"
    rafdb(inner, image)
    listed = inner / "EmoLabel" / "list_patition_label.txt"
    rows = [line.replace(".jpg ", "_aligned.jpg,") for line in listed.read_text().splitlines()]
    write(inner / "EmoLabel" / "list_partition_label.txt", "\n".join(rows))
    listed.unlink()
    (inner / "Image" / "aligned").rename(inner / "Image" / "once")
    (inner / "Image" / "aligned").mkdir()
    (inner / "Image" / "once").rename(inner / "Image" / "aligned" / "aligned")


ONE, TWO = (1,) * 7, (2,) * 7


def simfer(root: Path, image: ImageMaker = draw) -> None:
    """RAF-DB's tree with simfer.csv; three identities, of which the last is in the test split alone. No sequences."""
    entries = raf_entries()
    write_raf(root, entries, image)
    who = [2 if stem.startswith("test") else i % 2 for i, (stem, _) in enumerate(entries)]
    write_truth(root, entries, [(who[i], -1, 0, 0.5) for i in range(len(entries))])


SEQUENCE_FRAMES = 4  # the first is neutral


def simfer_sequences(root: Path, image: ImageMaker = draw) -> None:
    """The sequences preset: nine sequences of nine people, training images alone."""
    frames = [divmod(i, SEQUENCE_FRAMES) for i in range(9 * SEQUENCE_FRAMES)]
    entries = [(f"train_{i + 1:05d}", 1 + sequence % 6) for i, (sequence, _) in enumerate(frames)]
    write_raf(root, entries, image)
    write_truth(root, entries, [(sequence, sequence, frame, 0.5) for sequence, frame in frames])


def write_truth(root: Path, entries: list[tuple[str, int]], more: list[tuple]) -> None:
    rows = [(f"{stem}.jpg", stem.split("_")[0], label, *rest) for (stem, label), rest in zip(entries, more, strict=True)]
    write_table(root / "simfer.csv", "name,split,label,identity,sequence,frame,yaw", rows)
    write(root / "manifest.json", json.dumps({"complete": True}))


# --- AffectNet, FER2013, MMI and SFEW ---------------------------------------------------------------------------------


def affectnet_npy(root: Path, image: ImageMaker = draw) -> None:
    for part, ids in (("train_set", AFFECTNET_IDS), ("val_set", range(8))):
        (root / part / "annotations").mkdir(parents=True)
        for i, expression in enumerate(ids):
            save(image(i), root / part / "images" / f"{i}.jpg")
            annotations = {"exp": str(expression), "val": "0.1", "aro": "-0.2", "lnd": np.zeros(136)}
            for kind, value in annotations.items():
                np.save(root / part / "annotations" / f"{i}_{kind}.npy", value)


def affectnet_zips(root: Path, image: ImageMaker = draw) -> None:
    affectnet(root, image)
    (root / "Manually_Annotated").mkdir()
    (root / "Manually_Annotated_Images").rename(root / "Manually_Annotated" / "Manually_Annotated_Images")


def affectnet_folders(root: Path, image: ImageMaker = draw) -> None:
    names = ["Anger", "Contempt", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"]
    class_folders(root, names, {"train": (2,) * 8, "val": (1,) * 8}, image)


AFFECTNET_SHARES = (82, 147, 28, 15, 7, 5, 27, 4)  # of ids 0..7
AFFECTNET_TRAIN = tuple(AFFECTNET_SHARES[k] for k in (3, 4, 5, 1, 2, 6, 0, 7))  # in canonical order
SMALL_RELEASES = {
    "rafdb": ({"train": RAF_SHARES, "test": (1,) * 7},),
    "affectnet": tuple({"train": AFFECTNET_TRAIN[:n], "test": (1,) * n} for n in (7, 8)),
    "fer2013": EXPECTED["fer2013"],
}


def affectnet_numbered(root: Path, image: ImageMaker = draw) -> None:
    class_folders(root, "01234567", {"train": AFFECTNET_SHARES, "val": (1,) * 8}, image)


YOLO_NAMES = ("Anger", "Contempt", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")


def affectnet_yolo(root: Path, image: ImageMaker = draw) -> None:
    write(root / "data.yaml", f"train: ../train/images\nnc: 8\nnames: {list(YOLO_NAMES)}\nroboflow: none\n")
    for part, count in (("train", 16), ("valid", 8), ("test", 8)):
        for i in range(count):
            save(image(i), root / part / "images" / f"{part}{i}.jpg")
            write(root / part / "labels" / f"{part}{i}.txt", f"{i % 8} 0.5 0.5 1 1\n")
    write(root / "train" / "labels" / "train0.txt", "0 0.2 0.2 0.1 0.1\n1 0.7 0.7 0.1 0.1\n")


def affectnet_yolo_parts(root: Path, image: ImageMaker = draw) -> None:
    """The same, images and labels apart."""
    affectnet_yolo(root / "one", image)
    for part in ("train", "valid", "test"):
        for kind in ("images", "labels"):
            (root / kind).mkdir(exist_ok=True)
            (root / "one" / part / kind).rename(root / kind / part)
    (root / "one" / "data.yaml").rename(root / "dataset.yaml")
    shutil.rmtree(root / "one")


def fer_rows(root: Path, image: ImageMaker) -> list[dict[str, str]]:
    """The rows of FER2013's table, which is taken away again."""
    fer2013(root, image)
    with open(root / "fer2013.csv") as file:
        rows = list(csv.DictReader(file))
    (root / "fer2013.csv").unlink()
    return rows


def fer2013_icml(root: Path, image: ImageMaker = draw) -> None:
    """Blanks in the header, and everything else that was seen in copies of the table."""
    rows = [(f"{row['emotion']}.0", row["Usage"], f" {row['pixels']} ") for row in fer_rows(root, image)]
    write_table(root / "icml_face_data.csv", "emotion, Usage, pixels", rows)


def fer2013_challenge(root: Path, image: ImageMaker = draw) -> None:
    rows = fer_rows(root, image)
    for part in ("train", "test"):
        wanted = [(row["emotion"], row["pixels"]) for row in rows if (row["Usage"] == "Training") == (part == "train")]
        write_table(root / f"{part}.csv", "emotion,pixels", wanted)


def fer2013_tar(root: Path, image: ImageMaker = draw) -> None:
    fer2013(root, image)
    write(root / "README", "")
    with tarfile.open(root / "fer2013.tar.gz", "w:gz") as archive:
        for name in ("README", "fer2013.csv"):
            archive.add(root / name, f"fer2013/{name}")
            (root / name).unlink()


def fer2013_folders(root: Path, image: ImageMaker = draw) -> None:
    class_folders(
        root, ["angry", "disgusted", "fearful", "Happiness", "neutral", "sad", "surprised"], {"train": TWO, "test": TWO}, image
    )


def fer2013_named(root: Path, image: ImageMaker = draw) -> None:
    """Whose files are named as the challenge's parts."""
    names = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    class_folders(root, names, {"train": TWO}, image, "Training_{i}.jpg")
    class_folders(root, names, {"test": ONE}, image, "PublicTest_{i}.jpg")
    class_folders(root, names, {"test": ONE}, image, "PrivateTest_{i}.jpg")


VOTED = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


def ferplus(root: Path, image: ImageMaker = draw) -> None:
    """Eight of ten vote for FER2013's own class, but for three training images; contempt ends each split."""
    fer2013(root, image)
    with open(root / "fer2013.csv") as file:
        usages, classes = zip(*((row["Usage"], int(row["emotion"])) for row in csv.DictReader(file)), strict=True)
    votes = np.zeros((len(usages), 10), dtype=int)
    votes[np.arange(len(usages)), [(4, 5, 6, 1, 3, 2, 0)[k] for k in classes]] = 8
    votes[:, 8] = 1
    votes[[i for i, usage in enumerate(usages) if usage not in usages[i + 1 : i + 2]], :8] = (0,) * 7 + (8,)
    votes[0], votes[1], votes[2] = (5, 5, *(0,) * 8), (0,) * 9 + (10,), (0,) * 8 + (9, 1)
    rows = [(usage, f"fer{i:07d}.png", *row) for i, (usage, row) in enumerate(zip(usages, votes.tolist(), strict=True))]
    write_table(root / "fer2013new.csv", f"Usage,Image name,{VOTED}", rows)


def ferplus_folders(root: Path, image: ImageMaker = draw) -> None:
    names = ["angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "suprise", "NF"]  # as a widespread copy has it
    class_folders(root, names, {"train": (2,) * 9, "validation": (1,) * 9, "test": (1,) * 9}, image)


def fer2013_npz(root: Path, image: ImageMaker = draw) -> None:
    rows = fer_rows(root, image)
    usages = ("Training", "PublicTest", "PrivateTest")
    arrays = {
        "pixels": [np.array(row["pixels"].split(), dtype=np.uint8).reshape(48, 48) for row in rows],
        "emotion": [int(row["emotion"]) for row in rows],
        "usage": [usages.index(row["Usage"]) for row in rows],
    }
    np.savez_compressed(root / "fer2013.npz", **{name: np.array(values, dtype=np.uint8) for name, values in arrays.items()})


def ckplus_zips(root: Path, image: ImageMaker = draw) -> None:
    ckplus(root, image)
    for name, outer in (("cohn-kanade-images", "extended-cohn-kanade-images"), ("Emotion", "Emotion_labels")):
        (root / outer).mkdir()
        (root / name).rename(root / outer / name)


CK_48 = ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")


def ckplus_48(root: Path, image: ImageMaker = draw) -> None:
    """Three frames of each of nine sequences of eight people."""
    for number in range(9):
        for frame in (12, 13, 14):
            name = f"S{10 + 5 * (number % 8):03d}_{1 + number // 8:03d}_{frame:08d}.png"
            save(image(20 * number + frame), root / CK_48[number % 7] / name)


def ckplus_48_parts(root: Path, image: ImageMaker = draw) -> None:
    """Divided by someone: the last frame of each sequence is a test image."""
    ckplus_48(root / "train", image)
    for file in sorted((root / "train").rglob("*14.png")):
        (root / "test" / file.parent.name).mkdir(parents=True, exist_ok=True)
        file.rename(root / "test" / file.parent.name / file.name)


def ckplus_table(root: Path, image: ImageMaker = draw) -> None:
    usages = ["Training"] * 8 + ["PublicTest"] * 8 + ["PrivateTest"] * 8
    pixels = [" ".join(map(str, np.asarray(image(i).convert("L").resize((48, 48))).flatten())) for i in range(24)]
    write_table(root / "ckextended.csv", "emotion,pixels,Usage", [(i % 8, pixels[i], usages[i]) for i in range(24)])


def mmi_table(root: Path, image: ImageMaker = draw) -> None:
    rows = []
    for number, emotion in enumerate(MMI_SESSIONS):
        for frame in (8, 9, 10):  # as names without leading zeros sort wrongly
            name = f"frames/s{number}/{frame}.png"
            rows.append((name, f"S{number % 10:03d}", f"clip {number}", MMI_NAMES[emotion - 1]))
            save(image(10 * number + frame), root / name)
    write_table(root / "frames.csv", "file,subject,session,emotion", rows)


def sfew_identities(root: Path, image: ImageMaker = draw) -> None:
    sfew(root, image)
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    write_table(root / "identities.csv", "file,identity", [(file, f"actor {i % 4}") for i, file in enumerate(files)])


def sfew_zips(root: Path, image: ImageMaker = draw) -> None:
    sfew(root, image)
    for part, name in (("Train", "Train_Aligned_Faces"), ("Val", "Val_Aligned_Faces_new")):
        (root / name).mkdir()
        (root / part).rename(root / name / name)
    save(image(0), root / "Test_Aligned_Faces" / "1.png")


JAFFE_EMOTIONS = ("AN", "DI", "FE", "HA", "NE", "SA", "SU")


def jaffe(root: Path, image: ImageMaker = draw) -> None:
    for k, person in enumerate(("KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM", "UY", "YM")):
        for i, emotion in enumerate(JAFFE_EMOTIONS):
            save(image(10 * k + i), root / f"{person}.{emotion}{1 + i % 3}.{10 * k + i}.tiff")
    write(root / "README_FIRST.txt", "")


# --- one's own --------------------------------------------------------------------------------------------------------


def own(root: Path, image: ImageMaker = draw) -> None:
    """Three classes of any name, one of them rare, in train and test."""
    class_folders(root, ["bored", "curious", "Zen"], {"train": (12, 10, 2), "test": (4, 4, 2)}, image)


def own_numbered(root: Path, image: ImageMaker = draw) -> None:
    class_folders(root, "012", {"": (8, 8, 8)}, image)
    write(root / "classes.txt", "bored\ncurious\nZen\n")


def own_heap(root: Path, image: ImageMaker = draw) -> None:
    """One folder of expressions, as people call them, with what systems leave in it."""
    class_folders(root, ["happy", "Sad", "surprised"], {"": (10, 10, 10)}, image)
    write(root / ".DS_Store", "")
    write(root / "__MACOSX" / "._happy", "")
    write(root / "happy" / "Thumbs.db", "")


TREES: dict[str, tuple[str, Callable[..., None]]] = {  # layout -> reader, builder
    "rafdb": ("rafdb", rafdb),
    "rafdb-numbered": ("rafdb", rafdb_numbered),
    "rafdb-dacl": ("rafdb", rafdb_dacl),
    "rafdb-zero-based": ("rafdb", rafdb_zero_based),
    "rafdb-as-affectnet": ("rafdb", rafdb_as_affectnet),
    "rafdb-named": ("rafdb", rafdb_named),
    "rafdb-twice": ("rafdb", rafdb_twice),
    "simfer": ("simfer", simfer),
    "simfer-sequences": ("simfer", simfer_sequences),
    "affectnet": ("affectnet", affectnet),
    "affectnet-zips": ("affectnet", affectnet_zips),
    "affectnet-npy": ("affectnet", affectnet_npy),
    "affectnet-folders": ("affectnet", affectnet_folders),
    "affectnet-numbered": ("affectnet", affectnet_numbered),
    "affectnet-yolo": ("affectnet", affectnet_yolo),
    "affectnet-yolo-parts": ("affectnet", affectnet_yolo_parts),
    "fer2013": ("fer2013", fer2013),
    "fer2013-icml": ("fer2013", fer2013_icml),
    "fer2013-tar": ("fer2013", fer2013_tar),
    "fer2013-npz": ("fer2013", fer2013_npz),
    "fer2013-challenge": ("fer2013", fer2013_challenge),
    "fer2013-folders": ("fer2013", fer2013_folders),
    "fer2013-named": ("fer2013", fer2013_named),
    "ferplus": ("ferplus", ferplus),
    "ferplus-folders": ("ferplus", ferplus_folders),
    "ckplus": ("ckplus", ckplus),
    "ckplus-zips": ("ckplus", ckplus_zips),
    "ckplus-48": ("ckplus", ckplus_48),
    "ckplus-48-parts": ("ckplus", ckplus_48_parts),
    "ckplus-table": ("ckplus", ckplus_table),
    "mmi": ("mmi", mmi),
    "mmi-table": ("mmi", mmi_table),
    "sfew": ("sfew", sfew),
    "sfew-zips": ("sfew", sfew_zips),
    "sfew-identities": ("sfew", sfew_identities),
    "jaffe": ("jaffe", jaffe),
    "own": ("folder", own),
    "own-heap": ("folder", own_heap),
    "own-numbered": ("folder", own_numbered),
}
