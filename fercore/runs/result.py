"""What a finished training left behind, and the files that hold it."""

import math
import os
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fercore.config import RunConfig, config_from
from fercore.errors import FercoreError, StoreError, UnknownMethod
from fercore.paths import shown
from fercore.runs import files

CONTENT = ("status", "epochs", "test", "provenance")  # of result.json, beside the config


@dataclass(frozen=True)
class RunResult:
    """What a finished training left behind.

    Attributes:
        config: what ran.
        status: "finished", or "diverged" (loss, weights or centers were not finite, or a loss above `train.DIVERGED_LOSS`).
        epochs: one row an epoch: epoch, step, lr, radius (mean length of the embeddings of a late batch), loss, val_loss,
            val_accuracy, val_balanced_accuracy, seconds; where it diverged, the last row has no `val_` columns.
        test: {"last": ..., "best": ...}, each with accuracy, balanced_accuracy, recall [K] and confusion [K][K];
            "best" is the epoch of the highest balanced accuracy on the validation split. Empty where it diverged.
        provenance: seed, git commit and whether the tree was dirty, versions, device, threads, seconds, data fingerprint.
        array_file: where `arrays` are read from.
    """

    config: RunConfig
    status: str
    epochs: list[dict[str, Any]]
    test: dict[str, dict[str, Any]]
    provenance: dict[str, Any]
    array_file: Path | None = field(default=None, compare=False)

    @property
    def diverged(self) -> bool:
        return self.status == "diverged"

    @property
    def losses(self) -> list[float | None]:
        """Mean training loss of each epoch, to the last digit: two networks that learned otherwise differ here."""
        return [row["loss"] for row in self.epochs]

    @property
    def accuracy(self) -> float:
        """Test accuracy after the last epoch; NaN where it diverged."""
        return self.test["last"]["accuracy"] if self.test else float("nan")

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes on the test set after the last epoch; NaN where it diverged."""
        return self.test["last"]["balanced_accuracy"] if self.test else float("nan")

    @property
    def recall(self) -> np.ndarray:
        """[K] recalls on the test set after the last epoch; NaN where it diverged, or there is no test image of the class."""
        known = self.test["last"]["recall"] if self.test else [None] * len(self.provenance["class_names"])
        return np.array(known, dtype=float)

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """What figures need, read on first use: see `fercore.evaluation.artifacts`."""
        return files.read(self.array_file, self.config.id, mend=files.TRAIN_FRESH)


def write_result(folder: Path, result: RunResult, arrays: dict[str, np.ndarray]) -> RunResult:
    """Write a finished run: arrays first, then the json, which makes it finished."""
    config = result.config
    content = {"config": config.to_dict()} | {name: without_nan(getattr(result, name)) for name in CONTENT}
    files.write(folder / "arrays.npz", arrays, config.id)
    files.write(folder / "result.json", content, config.id)
    return read_result(folder, config.id)


def read_result(folder: Path, run: str | None) -> RunResult | None:
    """`run`, as it is stored in a folder, or with None whatever run is; None where there is none.

    Raises:
        StoreError: what is stored there is damaged, another run, or of another version.
        UnknownMethod: its method has no row here.
    """
    path = folder / "result.json"
    if not os.path.lexists(path):
        return None
    content = files.read(path, run, mend=files.TRAIN_ANEW)
    try:
        result = RunResult(config_from(content["config"]), *(content[name] for name in CONTENT), folder / "arrays.npz")
        problem = None if run in (None, result.config.id) and is_sound(result) else f"not that of {run}"
    except UnknownMethod as error:  # nothing is wrong with the file
        raise UnknownMethod(f"{shown(path)}: {error}") from None
    except (TypeError, KeyError, ValueError, AttributeError, FercoreError) as error:
        problem = f"no readable run ({error})"
    if problem:
        raise StoreError(f"{shown(path)} is {problem}; {files.TRAIN_ANEW}")
    return result


def without_nan(content: Any) -> Any:
    """Plain values with null for what is no number, as JSON has it."""
    if isinstance(content, dict):
        return {key: without_nan(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [without_nan(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def is_sound(result: RunResult) -> bool:
    """Whether a result says what every result says: a file from before checksums may have been changed."""
    datetime.fromisoformat(result.provenance["finished"])  # which raises where it is no time
    if [row["epoch"] for row in result.epochs] != list(range(1, len(result.losses) + 1)):
        return False
    recalls = np.nan_to_num(result.recall)  # NaN: no test image of the class
    if result.diverged:
        return not result.test
    shares = [result.accuracy, result.balanced_accuracy, *recalls]
    known = result.status == "finished" and len(recalls) == len(result.provenance["class_names"])
    return known and all(0 <= share <= 1 for share in shares)
