"""The local store, `runs/store/<id>/`: results, weights and, while a run is unfinished, its checkpoint."""

import os
from datetime import datetime
from pathlib import Path

from fercore.config import RunConfig
from fercore.errors import StoreError
from fercore.parallel.clock import session_start
from fercore.paths import runs_dir, shown
from fercore.runs.files import AGAIN, FORMATS, TRAIN_FRESH, read, unwritable
from fercore.runs.result import read_result


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
        raise unwritable(folder, error) from None
    return folder


def inspect(folder: Path) -> list[str]:
    """What is wrong in a run's folder, a line a file: damaged, of another run, of unknown kind, or left by a killed process.

    Raises:
        UnknownMethod: the run's method has no row here, so that its result cannot be read.
    """
    problems = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            problems.append(f"{shown(path)} was left by a killed process; delete it")
        elif path.suffix in FORMATS:
            try:
                look_at(path, folder.name)
            except StoreError as error:
                problems.append(str(error))
        elif path.name != "lock":
            problems.append(f"{shown(path)} is no file of a run; move it elsewhere")
    if (folder / "result.json").exists() and not (folder / "arrays.npz").exists():
        problems.append(f"{shown(folder / 'arrays.npz')} is missing; {TRAIN_FRESH}")
    return problems


def look_at(path: Path, run: str) -> None:
    """Read a file of `run`; StoreError where it is not what was written."""
    if path.name == "result.json":
        read_result(path.parent, run)
    else:
        read(path, run, mend=TRAIN_FRESH if path.name == "arrays.npz" or path.suffix == ".safetensors" else AGAIN)


def forget_checkpoint(config: RunConfig) -> None:
    """Delete what an earlier session left of an unfinished run: a fresh training starts at the beginning."""
    checkpoint = local_folder(config) / "checkpoint.pt"
    if checkpoint.exists() and checkpoint.stat().st_mtime < datetime.fromisoformat(session_start()).timestamp():
        checkpoint.unlink()
