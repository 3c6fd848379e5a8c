"""SimFER's test faces with one knob of the scene turned: what robustness is measured on."""

import json
from dataclasses import dataclass

import numpy as np

from fercore.data.catalog import CLASS_NAMES, Catalog
from fercore.data.faces import make_simfer
from fercore.data.raf import read_list
from fercore.data.store import StoredImages, open_store
from fercore.errors import DataError
from fercore.paths import shown

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
    manifest = json.loads((folder / "manifest.json").read_text())
    levels = {knob: len(values) for knob, values in manifest["knobs"].items()}
    found = read_list(folder)
    labels, splits = np.array(found["labels"]), np.array(found["splits"])
    catalog = Catalog(name="simfer", root=folder, files=tuple(found["files"]), labels=labels, splits=splits)
    count = manifest["turned"] * len(CLASS_NAMES)
    if len(catalog) != count * sum(levels.values()):
        raise DataError(f"{shown(folder)} has {len(catalog)} images, not those of its manifest; delete it to make it anew")
    return TurnedFaces(StoredImages(open_store(catalog, image_size), np.arange(len(catalog))), labels[:count], levels)
