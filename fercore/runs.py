"""The run store: a finished training is found by its config's id, and never trained twice.

Two stores of one format. The local one, `runs/store/<id>/`, also keeps weights and, while a run is unfinished, its
checkpoint. The shipped one, `results/<id>.json` (+ `.npz`) with `index.csv`, is what the committed notebooks show; every
file of it must match the SHA-256 in the index, so that a changed number is noticed and never silently plotted. What
examinations found out about a run (`fercore.examinations`) lies beside it, in both stores.
"""

import csv
import hashlib
import io
import json
import os
import shutil
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from fercore.config import RunConfig, config_from
from fercore.errors import FercoreError, NotShipped, StoreError
from fercore.paths import RESULTS, runs_dir, shown

# `fresh` results are those finished after this moment: `make course FRESH=1` hands its own start to every notebook,
# so that a run which two notebooks show is trained anew once, not twice.
SESSION_START = os.environ.get("FERCORE_SESSION_START") or datetime.now(UTC).isoformat(timespec="seconds")

INDEX_COLUMNS = ("id", "status", "accuracy", "balanced_accuracy", "seconds", "json_sha256", "npz_sha256")


@dataclass(frozen=True)
class RunResult:
    """What a finished training left behind.

    Attributes:
        config: what ran.
        status: "finished", or "diverged" (the loss was not finite or above `train.DIVERGED_LOSS`).
        epochs: one row an epoch: epoch, step, lr, radius (mean length of the embeddings of a late batch), loss, val_loss,
            val_accuracy, val_balanced_accuracy, seconds; where it diverged, the last row has no val_ columns.
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
        """What figures need, read on first use: see `train.test_once` and `train.collect_snapshots`."""
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


def find_result(config: RunConfig, *, fresh: bool = False) -> RunResult | None:
    """The finished run of `config`, from the local store or the shipped one; None where there is none.

    With fresh=True only a run that was finished in this session counts (see `SESSION_START`); with
    FERCORE_SHIPPED_ONLY=1, as in the notebook tests, the local store is not looked at.
    """
    local = None if shipped_only() and not fresh else read_result(local_folder(config) / "result.json")
    if local and not (fresh and local.provenance["finished"] < SESSION_START):
        return local
    return None if fresh else shipped_result(config)


def find_examination(config: RunConfig, name: str) -> dict[str, np.ndarray] | None:
    """The arrays that examination `name` left beside the run of `config`, from the local store or the shipped one."""
    local = local_folder(config) / f"examined-{name}.npz"
    path = local if local.exists() and not shipped_only() else shipped_examination(config, name)
    if path is None:
        return None
    with np.load(path) as saved:
        return {key: saved[key] for key in saved.files}


def shipped_only() -> bool:
    return os.environ.get("FERCORE_SHIPPED_ONLY") == "1"


def require_trainable(config: RunConfig) -> None:
    """Raise NotShipped where only shipped results may be used."""
    if shipped_only():
        raise NotShipped(
            f"no shipped result for {config.id}; make it with `{config.command()}`, then ship it with `make results`"
        )


def local_folder(config: RunConfig) -> Path:
    return runs_dir() / "store" / config.id


def open_folder(config: RunConfig) -> Path:
    """The run's folder in the local store, made if need be and proven writable before any time is spent.

    Raises:
        StoreError: it cannot be written.
    """
    folder = local_folder(config)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = error.strerror or error
        raise StoreError(f"cannot write {shown(folder)} ({reason}); make it writable, or set FERCORE_RUNS") from None
    return folder


def run_lock(config: RunConfig) -> FileLock:
    """A lock that one process at a time holds on a run; released by the system when its holder dies."""
    return FileLock(open_folder(config) / "lock")


def forget_checkpoint(config: RunConfig) -> None:
    """Delete what an earlier session left of an unfinished run: a fresh training starts at the beginning."""
    checkpoint = local_folder(config) / "checkpoint.pt"
    if checkpoint.exists() and checkpoint.stat().st_mtime < datetime.fromisoformat(SESSION_START).timestamp():
        checkpoint.unlink()


def save_result(result: RunResult, arrays: dict[str, np.ndarray]) -> RunResult:
    """Write a finished run: arrays first, then the json, each at once or not at all. The json makes it finished."""
    folder = open_folder(result.config)
    write_at_once(folder / "arrays.npz", pack(arrays))
    write_at_once(folder / "result.json", result.to_json().encode())
    return read_result(folder / "result.json")


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
        array_file = path.with_name("arrays.npz") if path.name == "result.json" else path.with_suffix(".npz")
        return RunResult(config=config, array_file=array_file, **content)
    except (ValueError, TypeError, KeyError, FercoreError) as error:
        raise StoreError(f"{shown(path)} is no readable run ({error}); delete it to train it again") from None


# --- the shipped store ---------------------------------------------------------------------------------------------


EXAMINED_COLUMNS = ("id", "name", "sha256")


@lru_cache
def shipped_examinations() -> dict[tuple[str, str], str]:
    """results/examinations.csv: (run id, name of the examination) to SHA-256."""
    index = RESULTS / "examinations.csv"
    if not index.exists():
        return {}
    with index.open(newline="") as file:
        return {(row["id"], row["name"]): row["sha256"] for row in csv.DictReader(file)}


def shipped_examination(config: RunConfig, name: str) -> Path | None:
    """The file of a shipped examination, checked against its index; None where it is not shipped."""
    known = shipped_examinations().get((config.id, name))
    if known is None:
        return None
    path = RESULTS / f"{config.id}.{name}.npz"
    if not path.exists() or sha256(path) != known:
        raise StoreError(f"{shown(path)} is not what results/examinations.csv lists; restore it with git, or ship it again")
    return path


@lru_cache
def shipped_index() -> dict[str, dict[str, str]]:
    """results/index.csv by run id; empty where nothing is shipped."""
    index = RESULTS / "index.csv"
    if not index.exists():
        return {}
    with index.open(newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def shipped_result(config: RunConfig) -> RunResult | None:
    """The shipped run of `config`, checked against the index; None where it is not shipped.

    Raises:
        StoreError: a file is missing or was changed since it was shipped.
    """
    row = shipped_index().get(config.id)
    if row is None:
        return None
    for suffix in ("json", "npz"):
        path = RESULTS / f"{config.id}.{suffix}"
        if not path.exists():
            raise StoreError(f"{shown(path)} is missing, but results/index.csv lists it; restore it with git")
        if sha256(path) != row[f"{suffix}_sha256"]:
            raise StoreError(f"{shown(path)} is not what results/index.csv lists; restore it with git, or ship the run again")
    return read_result(RESULTS / f"{config.id}.json")


def ship(results: list[RunResult], *, drawn: Collection[str] | None = None) -> int:
    """Copy finished runs, and what examinations say of them, into results/ and rewrite both indexes.

    Args:
        results: what to ship.
        drawn: ids of the runs whose embeddings figures may draw; those of the others, most of a run's bytes, stay here. None
            means all.

    Returns:
        How many runs and examinations are new or changed.

    Raises:
        StoreError: results/ cannot be written.
    """
    rows, changed = dict(shipped_index()), 0
    try:
        RESULTS.mkdir(exist_ok=True)
        for result in results:
            target = RESULTS / f"{result.config.id}.json"
            before = rows.get(result.config.id)
            if result.array_file.parent != RESULTS:
                with_embeddings = drawn is None or result.config.id in drawn
                arrays = {
                    name: values for name, values in result.arrays.items() if with_embeddings or name != "test_embeddings"
                }
                write_at_once(target.with_suffix(".npz"), pack(arrays))
                write_at_once(target, result.to_json().encode())
            rows[result.config.id] = index_row(result, target)
            changed += rows[result.config.id] != before
        write_index("index.csv", INDEX_COLUMNS, [rows[run] for run in sorted(rows)])
        changed += ship_examinations(results)
    except OSError as error:
        raise StoreError(f"cannot write {shown(RESULTS)}: {error.strerror or error}") from None
    shipped_index.cache_clear()
    return changed


def ship_examinations(results: list[RunResult]) -> int:
    """Copy what was found out about these runs; returns how many of the files are new or changed."""
    known = dict(shipped_examinations())
    before = dict(known)
    for result in results:
        for path in sorted(local_folder(result.config).glob("examined-*.npz")):
            name = path.stem.removeprefix("examined-")
            shutil.copyfile(path, RESULTS / f"{result.config.id}.{name}.npz")
            known[result.config.id, name] = sha256(path)
    rows = [{"id": run, "name": name, "sha256": known[run, name]} for run, name in sorted(known)]
    write_index("examinations.csv", EXAMINED_COLUMNS, rows)
    shipped_examinations.cache_clear()
    return sum(before.get(key) != value for key, value in known.items())


def index_row(result: RunResult, target: Path) -> dict[str, str]:
    return {
        "id": result.config.id,
        "status": result.status,
        "accuracy": f"{result.accuracy:.4f}",
        "balanced_accuracy": f"{result.balanced_accuracy:.4f}",
        "seconds": f"{result.provenance['seconds']:.0f}",
        "json_sha256": sha256(target),
        "npz_sha256": sha256(target.with_suffix(".npz")),
    }


def write_index(name: str, columns: tuple[str, ...], rows: list[dict[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_at_once(RESULTS / name, text.getvalue().encode())


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
