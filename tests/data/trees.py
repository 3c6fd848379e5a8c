"""Small data sets in the exact layouts of the releases, with noise in place of the licensed images.

The main layout of each set is fercore's own (`fercore.course.rehearsal`); the other ones that a set is found in stand here.
Every builder takes the folder to make and `image`, a function from a running number and a class to a PIL image.
"""

import csv
import json
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
from PIL import Image

from fercore.course.rehearsal import (
    AFFECTNET_IDS,
    MMI_EMOTIONS,
    MMI_NAMES,
    ImageMaker,
    raf_entries,
    save,
    write,
    write_layout,
    write_raf,
    write_session,
    write_table,
)


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


# --- AffectNet, FER2013, MMI and SFEW ---------------------------------------------------------------------------------


def affectnet_npy(root: Path, image: ImageMaker = draw) -> None:
    for part, ids in (("train_set", AFFECTNET_IDS), ("val_set", range(8))):
        (root / part / "annotations").mkdir(parents=True)
        for i, expression in enumerate(ids):
            save(image(i), root / part / "images" / f"{i}.jpg")
            annotations = {"exp": str(expression), "val": "0.1", "aro": "-0.2", "lnd": np.zeros(136)}
            for kind, value in annotations.items():
                np.save(root / part / "annotations" / f"{i}_{kind}.npy", value)


def fer2013_npz(root: Path, image: ImageMaker = draw) -> None:
    fer2013(root, image)
    with open(root / "fer2013.csv") as file:
        rows = list(csv.DictReader(file))
    (root / "fer2013.csv").unlink()
    usages = ("Training", "PublicTest", "PrivateTest")
    arrays = {
        "pixels": [np.array(row["pixels"].split(), dtype=np.uint8).reshape(48, 48) for row in rows],
        "emotion": [int(row["emotion"]) for row in rows],
        "usage": [usages.index(row["Usage"]) for row in rows],
    }
    np.savez_compressed(root / "fer2013.npz", **{name: np.array(values, dtype=np.uint8) for name, values in arrays.items()})


def mmi_table(root: Path, image: ImageMaker = draw) -> None:
    rows = []
    for number, emotion in enumerate(MMI_EMOTIONS):
        for frame in (8, 9, 10):  # as names without leading zeros sort wrongly
            name = f"frames/s{number}/{frame}.png"
            rows.append((name, f"S{number % 10:03d}", f"clip {number}", MMI_NAMES[emotion - 1]))
            save(image(10 * number + frame), root / name)
    write_table(root / "frames.csv", "file,subject,session,emotion", rows)


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
    "fer2013-npz": ("fer2013", fer2013_npz),
    "ckplus": ("ckplus", ckplus),
    "mmi": ("mmi", mmi),
    "mmi-table": ("mmi", mmi_table),
    "sfew": ("sfew", sfew),
    "sfew-identities": ("sfew", sfew_identities),
}
