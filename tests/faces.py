"""Faces that train in a second: colored noise in SimFER's tree, and the configs that suit it."""

import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image

TINY = {"image_size": 24, "crop": 20, "width": 1 / 16, "epochs": 2, "batch_size": 16, "erasing": 0.5}
SIDE = 24
COLORS = np.array([[220, 40, 40], [40, 220, 40], [40, 40, 220], [220, 220, 40], [220, 40, 220], [40, 220, 220], [128] * 3])


def make_tree(root: Path, *, train: int = 10, test: int = 4, people: int = 6, frames: int = 0) -> Path:
    """SimFER's tree: of each class `train` and `test` images, colored by class; with frames, that many to a sequence."""
    rng = np.random.default_rng(0)
    rows, lines = [], []
    (root / "EmoLabel").mkdir(parents=True)
    (root / "Image" / "aligned").mkdir(parents=True)
    for split, count, first in (("train", train, 0), ("test", test, people)):
        for i in range(7 * count):
            label = i // (frames or 1) % 7
            name = f"{split}_{i + 1:0{5 if split == 'train' else 4}d}"
            pixels = (COLORS[label] + rng.normal(0, 40, (SIDE, SIDE, 3))).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / "Image" / "aligned" / f"{name}_aligned.jpg", quality=95)
            identity = first + i // (7 * (frames or 1)) % people
            rows.append(
                [f"{name}.jpg", split, label + 1, identity, i // frames if frames else -1, 1 + i % frames if frames else 0]
            )
            lines.append(f"{name}.jpg {label + 1}\n")
    (root / "EmoLabel" / "list_patition_label.txt").write_text("".join(lines))
    with (root / "simfer.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["name", "split", "label", "identity", "sequence", "frame"], *rows])
    (root / "manifest.json").write_text(json.dumps({"complete": True}, indent=1))
    return root
