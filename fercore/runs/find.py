"""Look a run up, in the local store and the shipped one."""

import os
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from fercore.config import RunConfig
from fercore.data import parse_name
from fercore.errors import NotShipped, StoreError
from fercore.parallel.clock import session_start
from fercore.paths import RESULTS, runs_dir, shown
from fercore.runs import files
from fercore.runs.identity import confirm, describe_change, facts_now, is_made_here
from fercore.runs.local import local_folder
from fercore.runs.result import RunResult, read_result
from fercore.runs.shipped import shipped_analysis, shipped_index, shipped_result


def find_result(config: RunConfig, *, fresh: bool = False) -> RunResult | None:
    """The finished run of `config`, from the local store or the shipped one; None where there is none.

    With fresh=True only a run that was finished in this session counts (see `session_start`); with
    FERCORE_SHIPPED_ONLY=1, as in the notebook tests, the local store is not looked at.

    Raises:
        StoreError: what is stored is damaged or of another run, or the data were changed since; see `identity.confirm`.
    """
    return find_results([config], fresh=fresh)[0]


def find_results(configs: Iterable[RunConfig], *, fresh: bool = False) -> list[RunResult | None]:
    """`find_result` of each; a set that many runs are about is looked at once."""
    look = cache(facts_now)
    return [find_about(config, fresh, look) for config in configs]


def find_record(run: str) -> RunResult:
    """The run of this id, whatever has become of its data since.

    Raises:
        StoreError: there is none, or it is damaged.
    """
    result = read_result(runs_dir() / "store" / run, run) or shipped_result(run)
    if result is None:
        places = f"{shown(runs_dir() / 'store')} and {shown(RESULTS / 'runs')}"
        raise StoreError(f"no finished run {run!r}; those here are the folders of {places}")
    return result


def is_stored(config: RunConfig) -> bool:
    """Whether there is a result of `config`; whether it can be used, `find_result` says."""
    return config.id in shipped_index() or (not shipped_only() and (local_folder(config) / "result.json").exists())


def find_about(config: RunConfig, fresh: bool, look: Callable[..., Any]) -> RunResult | None:
    local = None if shipped_only() and not fresh else read_result(local_folder(config), config.id)
    if local and fresh and local.provenance["finished"] < session_start():
        local = None
    result = local or (None if fresh else shipped_result(config.id))
    if result is None or parse_name(config.data)[0] == "wmnist" or (local is None and is_made_here(config)):
        return result
    now = look(config.data, tuple(config.data_options.items()))
    return confirm(result, now) if local or now else result  # shipped results on photographs come without their photographs


def find_run(run: str | Path) -> Path:
    """The folder of a finished local run, from its id, the folder itself or a file in it.

    Raises:
        StoreError: there is none.
    """
    if not isinstance(run, str | os.PathLike):
        raise StoreError(f"a run is its config, its id or its folder, got {type(run).__name__}")
    given = Path(run).expanduser()
    folder = given if given.is_dir() else given.parent if given.is_file() else runs_dir() / "store" / given
    if not (folder / "result.json").is_file():
        if str(run) in shipped_index():
            raise StoreError(f"{run} is shipped without weights; `python -m fercore train --like {run} --fresh` makes them")
        weights = (runs_dir() / "store").glob("*/best.safetensors")
        known = sorted(path.parent.name for path in weights if (path.parent / "result.json").exists())
        several = f"{', '.join(known[:5])}{', ...' * (len(known) > 5)}" or "none yet"
        raise StoreError(f"no finished run {str(run)!r} here; with weights: {several} (`python -m fercore train` makes one)")
    return folder


def find_analysis(config: RunConfig, name: str) -> dict[str, np.ndarray] | None:
    """The arrays that analysis `name` left beside the run of `config`, from the local store or the shipped one.

    None where there are none, or only those of a shipped network while the one here learned otherwise.
    """
    path = local_folder(config) / f"{name}.npz"
    if shipped_only() or not os.path.lexists(path):
        path = shipped_analysis(config, name)
        if path and not shipped_only() and learned_otherwise(config):
            return None
    return None if path is None else files.read(path, config.id)


def learned_otherwise(config: RunConfig) -> bool:
    """Whether the local run of `config` is another network than the shipped one: of other code, versions or data."""
    here, shipped = read_result(local_folder(config), config.id), shipped_result(config.id)
    return bool(here and shipped) and (
        here.losses != shipped.losses or describe_change(shipped.provenance, here.provenance) != ""
    )


def shipped_only() -> bool:
    return os.environ.get("FERCORE_SHIPPED_ONLY") == "1"


def require_trainable(config: RunConfig) -> None:
    """Raise NotShipped where only shipped results may be used."""
    if shipped_only():
        raise NotShipped(
            f"no shipped result for {config.id}; make it with `{config.command()}`, then ship it with `make results`"
        )
