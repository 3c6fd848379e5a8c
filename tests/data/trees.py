"""Small data sets in the exact layouts of the releases, with SimFER faces in place of the licensed ones.

Every builder takes the folder to make and `image`, a function from a running number to a PIL image.
"""

import csv
import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from simfer.assets import load_head
from simfer.expression import sample_expression
from simfer.identity import sample_identity
from simfer.render import render
from simfer.wild import sample_scene

ImageMaker = Callable[[int], Image.Image]


@cache
def draw(i: int) -> Image.Image:
    """A SimFER face of 100 x 100 pixels, another for each i."""
    rng = np.random.default_rng(i)
    person, expression = sample_identity(load_head(), rng), sample_expression(i % 7, rng)
    return render(person, expression, sample_scene(rng), size=100)


def save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_table(path: Path, header: str, rows: Iterable[Iterable[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])


# --- RAF-DB and SimFER ------------------------------------------------------------------------------------------------

RAF_TRAIN, RAF_TEST = (3, 2, 2, 4, 2, 2, 3), (2, 1, 1, 2, 1, 1, 1)  # images of ids 1..7


def raf_entries() -> list[tuple[str, int]]:
    """("train_00001", 1) and so on, in the list's order: training first."""
    labels = {"train": RAF_TRAIN, "test": RAF_TEST}
    digits = {"train": 5, "test": 4}
    return [
        (f"{split}_{number:0{digits[split]}d}", label)
        for split, counts in labels.items()
        for number, label in enumerate((k for k, count in enumerate(counts, 1) for _ in range(count)), 1)
    ]


def rafdb(root: Path, image: ImageMaker = draw) -> None:
    write_raf(root, raf_entries(), image)


def write_raf(root: Path, entries: list[tuple[str, int]], image: ImageMaker) -> None:
    write(root / "EmoLabel" / "list_patition_label.txt", "".join(f"{stem}.jpg {label}\n" for stem, label in entries))
    for i, (stem, _) in enumerate(entries):
        save(image(i), root / "Image" / "aligned" / f"{stem}_aligned.jpg")


def rafdb_numbered(root: Path, image: ImageMaker = draw) -> None:
    for i, (stem, label) in enumerate(raf_entries()):
        save(image(i), root / stem.split("_")[0] / str(label) / f"{stem}_aligned.jpg")


# Classes of the folders 00..06 (the released README names 00, 01, 02 and 06), here with surprise, anger and fear as 04,
# 03 and 05, and as many images as tell them apart.
DACL_TRAIN = {"00": (6, 2), "01": (3, 3), "02": (4, 2), "03": (5, 4), "04": (0, 8), "05": (1, 2), "06": (2, 2)}


def rafdb_dacl(root: Path, image: ImageMaker = draw) -> None:
    i = 0
    for folder, (_, count) in DACL_TRAIN.items():
        for part, images in (("train", count), ("valid", 1)):
            for _ in range(images):
                save(image(i), root / part / folder / f"image_{i:03d}.jpg")
                i += 1


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


# --- AffectNet --------------------------------------------------------------------------------------------------------

AFFECTNET_HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
AFFECTNET_IDS = [*range(11), 0, 1, 3]  # of the training images; validation has 0..7


def affectnet(root: Path, image: ImageMaker = draw) -> None:
    for name, ids, folder in (("training", AFFECTNET_IDS, "12"), ("validation", range(8), "3")):
        rows = []
        for i, expression in enumerate(ids):
            rows.append((f"{folder}/{name}{i}.jpg", 1, 2, 3, 4, "1.0;2.0", expression, 0.1, -0.2))
            save(image(i), root / "Manually_Annotated_Images" / folder / f"{name}{i}.jpg")
        write_table(root / f"{name}.csv", AFFECTNET_HEADER, rows)


def affectnet_npy(root: Path, image: ImageMaker = draw) -> None:
    for part, ids in (("train_set", AFFECTNET_IDS), ("val_set", range(8))):
        (root / part / "annotations").mkdir(parents=True)
        for i, expression in enumerate(ids):
            save(image(i), root / part / "images" / f"{i}.jpg")
            annotations = {"exp": str(expression), "val": "0.1", "aro": "-0.2", "lnd": np.zeros(136)}
            for kind, value in annotations.items():
                np.save(root / part / "annotations" / f"{i}_{kind}.npy", value)


# --- FER2013 ----------------------------------------------------------------------------------------------------------


def fer2013(root: Path, image: ImageMaker = draw) -> None:
    rows = []
    for usage, count in (("Training", 14), ("PublicTest", 7), ("PrivateTest", 7)):
        for i in range(count):
            pixels = np.asarray(image(i).convert("L").resize((48, 48))).flatten()
            rows.append((i % 7, " ".join(map(str, pixels)), usage))
    write_table(root / "fer2013.csv", "emotion,pixels,Usage", rows)


# --- sequences --------------------------------------------------------------------------------------------------------

CK_EMOTIONS = (1, 2, 3, 4, 5, 6, 7, 5, None)  # of nine sequences of eight subjects; the last has no label


def ckplus(root: Path, image: ImageMaker = draw) -> None:
    for number, emotion in enumerate(CK_EMOTIONS):
        subject, sequence = f"S{10 + 5 * min(number, 7):03d}", f"{1 + number // 8:03d}"
        for frame in range(1, 6):
            stem = f"{subject}_{sequence}_{frame:08d}"
            save(image(10 * number + frame), root / "cohn-kanade-images" / subject / sequence / f"{stem}.png")
        labels = root / "Emotion" / subject / sequence
        labels.mkdir(parents=True)
        if emotion:
            write(labels / f"{stem}_emotion.txt", f"   {emotion:.7e}\n")


MMI_FRAMES = 7
MMI_EMOTIONS = (1, 2, 3, 4, 5, 6, 4, 6, 1, 2, 3)  # of sessions of ten subjects, the first two times


def mmi_xml(emotion: int | None) -> str:
    tag = f'<Metatag Name="Emotion" Value="{emotion}"/>' if emotion is not None else ""
    return f'<?xml version="1.0"?><ActionUnitList><Metatag Name="Subject" Value="1"/>{tag}</ActionUnitList>'


def mmi_session(root: Path, number: int, subject: int, emotion: int | None, *, view: int = 0, image: ImageMaker = draw) -> Path:
    session = root / "Sessions" / str(number)
    clip = f"S{subject:03d}-{number:03d}"
    write(session / "session.xml", f'<session sessionId="{number}"><track view="{view}" filename="{clip}.avi"/></session>')
    write(session / f"{clip}.xml", mmi_xml(emotion))
    write(session / f"{clip}.avi", "video")
    for frame in range(1, MMI_FRAMES + 1):
        save(image(10 * number + frame), session / clip / f"{clip}_{frame:02d}.jpg")
    return session


def mmi(root: Path, image: ImageMaker = draw) -> None:
    for number, emotion in enumerate(MMI_EMOTIONS, 100):
        mmi_session(root, number, subject=1 + (number - 100) % 10, emotion=emotion, image=image)


MMI_NAMES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")


def mmi_table(root: Path, image: ImageMaker = draw) -> None:
    rows = []
    for number, emotion in enumerate(MMI_EMOTIONS):
        for frame in (8, 9, 10):  # as names without leading zeros sort wrongly
            name = f"frames/s{number}/{frame}.png"
            rows.append((name, f"S{number % 10:03d}", f"clip {number}", MMI_NAMES[emotion - 1]))
            save(image(10 * number + frame), root / name)
    write_table(root / "frames.csv", "file,subject,session,emotion", rows)


SFEW_COUNTS = {
    "Angry": (3, 2),
    "Disgust": (1, 1),
    "Fear": (2, 1),
    "Happy": (3, 2),
    "Neutral": (2, 1),
    "Sad": (2, 1),
    "Surprise": (2, 1),
}


def sfew(root: Path, image: ImageMaker = draw) -> None:
    i = 0
    for name, counts in SFEW_COUNTS.items():
        for part, count in zip(("Train", "Val"), counts, strict=True):
            for _ in range(count):
                save(image(i), root / part / name / f"Film_{i:06d}.png")
                i += 1


def sfew_identities(root: Path, image: ImageMaker = draw) -> None:
    sfew(root, image)
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    write_table(root / "identities.csv", "file,identity", [(file, f"actor {i % 4}") for i, file in enumerate(files)])


TREES: dict[str, tuple[str, Callable[..., None]]] = {  # layout -> reader, builder
    "rafdb": ("rafdb", rafdb),
    "rafdb-numbered": ("rafdb", rafdb_numbered),
    "rafdb-dacl": ("rafdb", rafdb_dacl),
    "simfer": ("simfer", simfer),
    "simfer-sequences": ("simfer", simfer_sequences),
    "affectnet": ("affectnet", affectnet),
    "affectnet-npy": ("affectnet", affectnet_npy),
    "fer2013": ("fer2013", fer2013),
    "ckplus": ("ckplus", ckplus),
    "mmi": ("mmi", mmi),
    "mmi-table": ("mmi", mmi_table),
    "sfew": ("sfew", sfew),
    "sfew-identities": ("sfew", sfew_identities),
}
