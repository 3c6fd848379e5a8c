"""The local store, `runs/store/<id>/`: results, weights and, while a run is unfinished, its checkpoint."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from fercore.config import RunConfig
from fercore.errors import StoreError
from fercore.parallel.clock import session_start
from fercore.paths import runs_dir, shown
from fercore.runs.result import RunResult, pack, read_result, write_at_once


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, text, lists and dictionaries of these) at once or not at all."""
    import torch  # here alone: who looks a run up needs none

    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The saved state on the CPU, or None where there is none. Nothing in the file is executed.

    Raises:
        StoreError: the file is damaged.
    """
    import torch

    if not path.exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds: RuntimeError, UnpicklingError, EOFError, ...
        reason = str(error).splitlines()[0]
        raise StoreError(f"{shown(path)} is damaged ({reason}); delete it to start this run again") from None


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


def forget_checkpoint(config: RunConfig) -> None:
    """Delete what an earlier session left of an unfinished run: a fresh training starts at the beginning."""
    checkpoint = local_folder(config) / "checkpoint.pt"
    if checkpoint.exists() and checkpoint.stat().st_mtime < datetime.fromisoformat(session_start()).timestamp():
        checkpoint.unlink()


def save_result(result: RunResult, arrays: dict[str, np.ndarray]) -> RunResult:
    """Write a finished run: arrays first, then the json, each at once or not at all. The json makes it finished."""
    folder = open_folder(result.config)
    write_at_once(folder / "arrays.npz", pack(arrays))
    write_at_once(folder / "result.json", result.to_json().encode())
    return read_result(folder / "result.json")
