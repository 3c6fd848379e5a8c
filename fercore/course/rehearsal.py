"""Small folders in the exact layouts of the six releases, with images of anyone's own in place of the licensed ones.

What checks and trainings do with a real set, they do with such a folder too: the tests and chapter 11 rehearse with SimFER's
faces. A folder is readable, and never taken for the release: `check_dataset` finds its counts to differ.
"""

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from fercore.data.readers.catalog import CONTEMPT
from fercore.data.readers.files import CLASS_BY_NAME
from fercore.errors import ConfigError

ImageMaker = Callable[[int, int], Image.Image]  # from a running number and a canonical class


def write_layout(name: str, root: Path, image: ImageMaker, *, times: int = 1) -> None:
    """Write a small set in the layout of the release `name` into the folder `root`.

    Args:
        name: a key of LAYOUTS.
        root: the folder; it is made.
        image: gives the image with a running number that shows a class (7 is contempt).
        times: multiplies the number of images; with 4 a quarter of the people can be held out for validation.

    Raises:
        ConfigError: there is no such layout.
    """
    if name not in LAYOUTS:
        raise ConfigError(f"unknown layout {name!r}; known: {', '.join(LAYOUTS)}")
    LAYOUTS[name](Path(root), image, times)


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


# --- RAF-DB -----------------------------------------------------------------------------------------------------------

RAF_TRAIN, RAF_TEST = (3, 2, 2, 4, 2, 2, 3), (2, 1, 1, 2, 1, 1, 1)  # images of ids 1..7


def raf_entries(times: int = 1) -> list[tuple[str, int]]:
    """("train_00001", 1) and so on, in the list's order: training first."""
    labels = {"train": RAF_TRAIN, "test": RAF_TEST}
    digits = {"train": 5, "test": 4}
    return [
        (f"{split}_{number:0{digits[split]}d}", label)
        for split, counts in labels.items()
        for number, label in enumerate((k for k, count in enumerate(counts, 1) for _ in range(times * count)), 1)
    ]


def rafdb(root: Path, image: ImageMaker, times: int) -> None:
    write_raf(root, raf_entries(times), image)


def write_raf(root: Path, entries: list[tuple[str, int]], image: ImageMaker) -> None:
    write(root / "EmoLabel" / "list_patition_label.txt", "".join(f"{stem}.jpg {label}\n" for stem, label in entries))
    for i, (stem, label) in enumerate(entries):
        save(image(i, label - 1), root / "Image" / "aligned" / f"{stem}_aligned.jpg")


# --- AffectNet and FER2013 --------------------------------------------------------------------------------------------

AFFECTNET_HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
AFFECTNET_NAMES = ("Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger", CONTEMPT)  # ids 0..7
AFFECTNET_IDS = [*range(11), 0, 1, 3]  # of the training images, 8 to 10 being no expressions; validation has 0..7


def affectnet(root: Path, image: ImageMaker, times: int) -> None:
    for name, ids, folder in (("training", AFFECTNET_IDS, "12"), ("validation", range(8), "3")):
        rows = []
        for i, expression in enumerate([*ids] * times):
            rows.append((f"{folder}/{name}{i}.jpg", 1, 2, 3, 4, "1.0;2.0", expression, 0.1, -0.2))
            shown = image(i, class_called(AFFECTNET_NAMES[expression % 8]))
            save(shown, root / "Manually_Annotated_Images" / folder / f"{name}{i}.jpg")
        write_table(root / f"{name}.csv", AFFECTNET_HEADER, rows)


FER_NAMES = ("Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise", "Neutral")  # ids 0..6


def fer2013(root: Path, image: ImageMaker, times: int) -> None:
    rows = []
    for usage, count in (("Training", 14), ("PublicTest", 7), ("PrivateTest", 7)):
        for i in range(times * count):
            face = image(i, class_called(FER_NAMES[i % 7]))
            pixels = np.asarray(face.convert("L").resize((48, 48))).flatten()
            rows.append((i % 7, " ".join(map(str, pixels)), usage))
    write_table(root / "fer2013.csv", "emotion,pixels,Usage", rows)


def class_called(name: str) -> int:
    return CLASS_BY_NAME[name.lower()]


# --- CK+, MMI, SFEW ---------------------------------------------------------------------------------------------------

CK_NAMES = ("Anger", CONTEMPT, "Disgust", "Fear", "Happiness", "Sadness", "Surprise")  # ids 1..7
CK_SEQUENCES = (1, 2, 3, 4, 5, 6, 7, 5, None)  # emotions, of nine sequences of eight subjects; the last has no label


def ckplus(root: Path, image: ImageMaker, times: int) -> None:
    for number, emotion in enumerate(CK_SEQUENCES * times):
        subject, sequence = f"S{10 + 5 * (number % 8):03d}", f"{1 + number // 8:03d}"
        shown = class_called(CK_NAMES[emotion - 1] if emotion else "Neutral")
        for frame in range(1, 6):
            stem = f"{subject}_{sequence}_{frame:08d}"
            save(image(10 * number + frame, shown), root / "cohn-kanade-images" / subject / sequence / f"{stem}.png")
        labels = root / "Emotion" / subject / sequence
        labels.mkdir(parents=True)
        if emotion:
            write(labels / f"{stem}_emotion.txt", f"   {emotion:.7e}\n")


MMI_FRAMES = 7
MMI_NAMES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")  # ids 1..6
MMI_SESSIONS = (1, 2, 3, 4, 5, 6, 4, 6, 1, 2, 3)  # emotions, of sessions of ten subjects, the first two times


def mmi(root: Path, image: ImageMaker, times: int) -> None:
    for k, emotion in enumerate(MMI_SESSIONS * times):
        write_session(root, 100 + k, subject=1 + k % 10, emotion=emotion, image=image)


def write_session(root: Path, number: int, subject: int, emotion: int, image: ImageMaker) -> Path:
    """One session of MMI, and its folder."""
    session, clip = root / "Sessions" / str(number), f"S{subject:03d}-{number:03d}"
    tags = f'<Metatag Name="Subject" Value="1"/><Metatag Name="Emotion" Value="{emotion}"/>'
    write(session / "session.xml", f'<session sessionId="{number}"><track view="0" filename="{clip}.avi"/></session>')
    write(session / f"{clip}.xml", f'<?xml version="1.0"?><ActionUnitList>{tags}</ActionUnitList>')
    write(session / f"{clip}.avi", "video")
    shown = class_called(MMI_NAMES[emotion - 1])
    for frame in range(1, MMI_FRAMES + 1):
        save(image(10 * number + frame, shown), session / clip / f"{clip}_{frame:02d}.jpg")
    return session


SFEW_COUNTS = {
    "Angry": (3, 2),
    "Disgust": (1, 1),
    "Fear": (2, 1),
    "Happy": (3, 2),
    "Neutral": (2, 1),
    "Sad": (2, 1),
    "Surprise": (2, 1),
}


def sfew(root: Path, image: ImageMaker, times: int) -> None:
    i = 0
    for name, counts in SFEW_COUNTS.items():
        for part, count in zip(("Train", "Val"), counts, strict=True):
            for _ in range(times * count):
                save(image(i, class_called(name)), root / part / name / f"Film_{i:06d}.png")
                i += 1


LAYOUTS: dict[str, Callable[[Path, ImageMaker, int], None]] = {
    "rafdb": rafdb,
    "affectnet": affectnet,
    "fer2013": fer2013,
    "ckplus": ckplus,
    "mmi": mmi,
    "sfew": sfew,
}
