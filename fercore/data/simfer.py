"""SimFER's folders, rendered at first use, and its test faces with one knob of the scene turned."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fercore.data.readers.catalog import CLASS_NAMES, Catalog
from fercore.data.readers.raf import read_list
from fercore.data.store import StoredImages, open_store
from fercore.errors import DataError
from fercore.paths import ROOT, data_dir, shown

SIMFER_SEEDS = {"sequences": 1, "sequences-quick": 1, "people": 2}  # the others' is 0: nobody is known from a pre-training
LONGEST = 1_000_000  # bytes of a manifest, as the renderer has it


def make_simfer(preset: str, *, turned: int = 0) -> Path:
    """SimFER's folder of a preset, rendered first where it is missing or was left unfinished.

    With `turned`, the folder of so many of its test images of each class with one knob of the scene turned.

    Raises:
        DataError: the renderer failed, or the folder cannot be written.
    """
    folder = data_dir() / "simfer" / (f"{preset}-turned" if turned else preset)
    if is_complete(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        render_simfer(preset, folder, turned)
    except OSError as error:
        raise DataError(
            f"cannot write {shown(folder)}: {error.strerror or error}; set FERCORE_DATA to a folder you may write"
        ) from None
    return folder


def simfer_truth(preset: str) -> np.ndarray:
    """[N] true labels of a preset's images, in the order of its catalog and store; single images alone, no sequences."""
    with (make_simfer(preset) / "simfer.csv").open(newline="") as file:
        return np.array([int(row["true_label"]) - 1 for row in csv.DictReader(file)])


def is_complete(folder: Path) -> bool:
    """Whether the renderer came to its end: the manifest is its last file."""
    manifest = folder / "manifest.json"
    short = manifest.is_file() and manifest.stat().st_size <= LONGEST
    return short and '"complete": true' in manifest.read_text(errors="replace")


def render_simfer(preset: str, folder: Path, turned: int) -> None:
    """Run the renderer, which shows its own progress, waits for another in the same folder, and ends with this process."""
    print(f"rendering SimFER's preset {preset} into {shown(folder)}: once, for some minutes", file=sys.stderr)
    seed = str(SIMFER_SEEDS.get(preset, 0))
    command = [sys.executable, "-m", "simfer", "--preset", preset, "--out", str(folder.resolve()), "--seed", seed]
    command += ["--parent", str(os.getpid()), *(["--turned", str(turned)] if turned else [])]
    code = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode  # its bar is on stderr, which it inherits
    if code:
        raise DataError(f"SimFER's preset {preset} was not rendered (exit code {code}; its reason stands above)")


PER_CLASS, FEW = 40, 3  # images; few where the preset is small
FEW_IN = ("quick", "quick-noisy")


@dataclass(frozen=True)
class TurnedFaces:
    """n faces, the same number of each class, seen again under each level of each knob.

    Attributes:
        images: knob by knob and level by level, n each.
        labels: [n] int64.
        levels: {knob: how many levels}.
    """

    images: StoredImages
    labels: np.ndarray
    levels: dict[str, int]


def load_turned(preset: str, image_size: int) -> TurnedFaces:
    """The turned faces of a preset, rendered on first use (about a minute) into data_dir()/simfer/<preset>-turned.

    Raises:
        DataError: they could not be rendered, or the folder is damaged.
    """
    folder = make_simfer(preset, turned=FEW if preset in FEW_IN else PER_CLASS)
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        levels = {knob: len(values) for knob, values in manifest["knobs"].items()}
        count = manifest["turned"] * len(CLASS_NAMES)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise DataError(f"{shown(folder / 'manifest.json')} is damaged; delete the folder to make it anew") from None
    found = read_list(folder)
    labels, splits = np.array(found["labels"]), np.array(found["splits"])
    catalog = Catalog(name="simfer", root=folder, files=tuple(found["files"]), labels=labels, splits=splits)
    if len(catalog) != count * sum(levels.values()):
        raise DataError(f"{shown(folder)} has {len(catalog)} images, not those of its manifest; delete it to make it anew")
    return TurnedFaces(StoredImages(open_store(catalog, image_size), np.arange(len(catalog))), labels[:count], levels)
