"""Look a run up, in the local store and the shipped one."""

import os

import numpy as np

from fercore.config import RunConfig
from fercore.errors import NotShipped
from fercore.parallel.clock import session_start
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
