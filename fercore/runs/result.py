"""What a finished training left behind, and the files that hold it."""

import hashlib
import io
import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fercore.config import RunConfig, config_from
from fercore.errors import FercoreError, StoreError
from fercore.paths import shown


@dataclass(frozen=True)
class RunResult:
    """What a finished training left behind.

    Attributes:
        config: what ran.
        status: "finished", or "diverged" (the loss was not finite or above `train.DIVERGED_LOSS`).
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
    def accuracy(self) -> float:
        """Test accuracy after the last epoch; NaN where it diverged."""
        return self.test["last"]["accuracy"] if self.test else float("nan")

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes on the test set after the last epoch; NaN where it diverged."""
        return self.test["last"]["balanced_accuracy"] if self.test else float("nan")

    @property
    def recall(self) -> np.ndarray:
        """[K] recalls on the test set after the last epoch; NaN where it diverged."""
        return np.array(self.test["last"]["recall"]) if self.test else np.full(len(self.provenance["class_names"]), np.nan)

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """What figures need, read on first use: see `fercore.evaluation.artifacts`."""
        if self.array_file is None or not self.array_file.exists():
            raise StoreError(f"run {self.config.id} has no arrays; train it again with fresh=True")
        with np.load(self.array_file) as saved:
            return {name: saved[name] for name in saved.files}

    def to_json(self) -> str:
        """The result without its arrays."""
        content = dict(
            config=self.config.to_dict(), status=self.status, epochs=self.epochs, test=self.test, provenance=self.provenance
        )
        return json.dumps(content, indent=1) + "\n"


def pack(arrays: dict[str, np.ndarray]) -> bytes:
    """The arrays as the bytes of an .npz file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def write_at_once(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part."""
    part = path.with_name(f".{path.name}.part-{os.getpid()}")
    part.write_bytes(content)
    part.replace(path)


def read_result(path: Path) -> RunResult | None:
    """A stored run, or None where there is no such file.

    Raises:
        StoreError: the file is not a run of this version.
    """
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text())
        config = config_from(content.pop("config"))
        return RunResult(config=config, array_file=path.with_name("arrays.npz"), **content)
    except (ValueError, TypeError, KeyError, FercoreError) as error:
        raise StoreError(f"{shown(path)} is no readable run ({error}); delete it to train it again") from None


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
