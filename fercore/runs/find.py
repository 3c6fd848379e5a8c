"""Look a run up, in the local store and the shipped one."""

import os
from pathlib import Path

import numpy as np

from fercore.config import RunConfig
from fercore.errors import NotShipped, StoreError
from fercore.parallel.clock import session_start
from fercore.paths import runs_dir
from fercore.runs.local import local_folder
from fercore.runs.result import RunResult, read_result
from fercore.runs.shipped import shipped_analysis, shipped_result


def find_result(config: RunConfig, *, fresh: bool = False) -> RunResult | None:
    """The finished run of `config`, from the local store or the shipped one; None where there is none.

    With fresh=True only a run that was finished in this session counts (see `session_start`); with
    FERCORE_SHIPPED_ONLY=1, as in the notebook tests, the local store is not looked at.
    """
    local = None if shipped_only() and not fresh else read_result(local_folder(config) / "result.json")
    if local and not (fresh and local.provenance["finished"] < session_start()):
        return local
    return None if fresh else shipped_result(config)


def find_run(run: str | Path) -> Path:
    """The folder of a finished local run, from its id, the folder itself or a file in it.

    Raises:
        StoreError: there is none.
    """
    given = Path(run).expanduser()
    folder = given if given.is_dir() else given.parent if given.is_file() else runs_dir() / "store" / given
    if not (folder / "result.json").is_file():
        known = sorted(path.parent.name for path in (runs_dir() / "store").glob("*/best.safetensors"))
        several = f"{', '.join(known[:5])}{', ...' * (len(known) > 5)}" or "none yet"
        raise StoreError(f"no finished run {str(run)!r} here; with weights: {several} (`python -m fercore train` makes one)")
    return folder


def find_analysis(config: RunConfig, name: str) -> dict[str, np.ndarray] | None:
    """The arrays that analysis `name` left beside the run of `config`, from the local store or the shipped one."""
    local = local_folder(config) / f"{name}.npz"
    path = local if local.exists() and not shipped_only() else shipped_analysis(config, name)
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
