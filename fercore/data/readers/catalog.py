"""What a reader found on disk: one entry an image, nothing decoded yet."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fercore.data.names import CLASS_NAMES

CONTEMPT = "Contempt"  # class 7, where a set has it
ALL_CLASSES = (*CLASS_NAMES, CONTEMPT)


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """The images of one data set, in the order of its own list.

    Args:
        name: the reader's name, such as "rafdb".
        root: the folder that was read.
        files: N image files; empty where the images lie in `pixels`.
        labels: [N] int64 in the order of `class_names`.
        splits: [N] "train", "val" (only where the set brings one) or "test"; "all" where it is one heap: for folds, or to be
            divided.
        class_names: CLASS_NAMES, or ALL_CLASSES where the set has contempt; of one's own set its own.
        identities: [N] int64, who is seen; None where the set does not say.
        sequences: [N] int64, which video a frame comes from; None for single images.
        votes: [N, K] float32, how many people voted for each class; None where one label is all.
        pixels: [N, H, W] uint8, for a set whose images lie in a table (FER2013).
        folds: the number of subject-independent folds of the set's protocol; 0 where it has train and test.
        skipped: what was left out, and how often: reason -> count.
        notes: what else is to be known of this form of the set, a line each.
    """

    name: str
    root: Path
    files: tuple[Path, ...] = ()
    labels: np.ndarray
    splits: np.ndarray
    class_names: tuple[str, ...] = CLASS_NAMES
    identities: np.ndarray | None = None
    sequences: np.ndarray | None = None
    votes: np.ndarray | None = None
    pixels: np.ndarray | None = None
    folds: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)
