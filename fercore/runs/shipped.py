"""The shipped store, `results/`: what the committed notebooks show, each file checked against its index."""

import csv
import io
import os
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from fercore.config import RunConfig
from fercore.data.names import FREE, parse_name
from fercore.errors import StoreError
from fercore.paths import RESULTS, shown
from fercore.runs import files
from fercore.runs.local import local_folder
from fercore.runs.result import RunResult, read_result, write_result

INDEX, ANALYSES = "index.csv", "analyses.csv"
INDEX_COLUMNS = ("id", "status", "accuracy", "balanced_accuracy", "seconds", "json_sha256", "npz_sha256")
SHIPPED_FILES = {"result.json": "json_sha256", "arrays.npz": "npz_sha256"}  # of a run: the column of its sum
ANALYSES_COLUMNS = ("id", "name", "sha256")


def shipped_folder(config: RunConfig) -> Path:
    return RESULTS / "runs" / config.id


@lru_cache
def shipped_analyses() -> dict[tuple[str, str], str]:
    """results/analyses.csv: (run id, name of the analysis) to SHA-256."""
    return {(row["id"], row["name"]): row["sha256"] for row in read_index(ANALYSES, ANALYSES_COLUMNS)}


def shipped_analysis(config: RunConfig, name: str) -> Path | None:
    """The file of a shipped analysis, checked against its index; None where it is not shipped."""
    known = shipped_analyses().get((config.id, name))
    if known is None:
        return None
    path = shipped_folder(config) / f"{name}.npz"
    require_as_listed(path, known, ANALYSES)
    return path


@lru_cache
def shipped_index() -> dict[str, dict[str, str]]:
    """results/index.csv by run id; empty where nothing is shipped."""
    return {row["id"]: row for row in read_index(INDEX, INDEX_COLUMNS)}


def read_index(name: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
    path = RESULTS / name
    if not os.path.lexists(path):
        return []
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""  # a pipe would never answer
        table = csv.DictReader(text.splitlines(), strict=True)
        rows = list(table)
        sound = table.fieldnames == list(columns) and not any(None in (*row, *row.values()) for row in rows)
    except (OSError, ValueError, csv.Error):
        sound = False
    if not sound:
        raise StoreError(f"{shown(path)} is damaged; restore it with git")
    return rows


def require_as_listed(path: Path, known: str, index: str) -> None:
    """Raise StoreError where a shipped file is missing, or was changed since it was shipped."""
    if not path.is_file():
        raise StoreError(f"{shown(path)} is missing, but results/{index} lists it; restore it with git")
    if files.file_sum(path) != known:
        raise StoreError(f"{shown(path)} is not what results/{index} lists; restore it with git, or ship it again")


def shipped_result(run: str) -> RunResult | None:
    """The shipped run of this id, checked against the index; None where it is not shipped.

    Raises:
        StoreError: a file is missing or was changed since it was shipped.
    """
    row = shipped_index().get(run)
    if row is None:
        return None
    folder = RESULTS / "runs" / run
    for name, column in SHIPPED_FILES.items():
        require_as_listed(folder / name, row[column], INDEX)
    return read_result(folder, run)


def inspect_shipped() -> list[str]:
    """What is wrong in results/, a line a file: missing, changed, in no index."""
    listed = {(run, f"{name}.npz"): (known, ANALYSES) for (run, name), known in shipped_analyses().items()}
    for run, row in shipped_index().items():
        listed |= {(run, name): (row[column], INDEX) for name, column in SHIPPED_FILES.items()}
    there = {(path.parent.name, path.name) for path in (RESULTS / "runs").glob("*/*")}
    unknown = sorted(there - listed.keys())
    problems = [f"{shown(path)} was left by a killed process; delete it" for path in RESULTS.glob(".*.part")]
    problems += [f"{shown(RESULTS / 'runs' / run / name)} is in no index; ship its run, or delete it" for run, name in unknown]
    for run, name in sorted(listed):
        try:
            require_as_listed(RESULTS / "runs" / run / name, *listed[run, name])
        except StoreError as error:
            problems.append(str(error))
    return problems


def ship(results: list[RunResult], *, drawn: Collection[str] | None = None) -> tuple[int, list[str]]:
    """Copy finished runs, and what analyses say of them, into results/ and rewrite both indexes.

    Args:
        results: what to ship.
        drawn: ids of the runs whose embeddings figures may draw; those of the others, most of a run's bytes, stay here. None
            means all. Embeddings of photographs stay here in any case, and so do analyses of them; and so do, of profile
            paper, the planes of all epochs but the last.

    Returns:
        How many runs and analyses are new, and a line for each that had been shipped otherwise.

    Raises:
        StoreError: results/ cannot be written, or a file of a run is not what was stored.
    """
    try:
        RESULTS.mkdir(parents=True, exist_ok=True)
        with FileLock(RESULTS / ".lock"):  # two that ship at once would each write an index without the other's rows
            forget_indexes()
            before = shipped_index() | shipped_analyses()
            ship_runs(results, drawn)
            ship_analyses(results)
            forget_indexes()
            after = shipped_index() | shipped_analyses()
            return len(after) - len(before), [
                change(key, before[key], after[key]) for key in before if before[key] != after[key]
            ]
    except OSError as error:
        raise files.unwritable(RESULTS, error) from None


def change(key: str | tuple[str, str], before: Any, after: Any) -> str:
    """A line for a run, or an analysis (run, name), that is no longer what had been shipped."""
    if isinstance(key, tuple):
        return ": ".join(key)
    return f"{key}: accuracy {before['accuracy']} -> {after['accuracy']}"


def forget_indexes() -> None:
    """Read the indexes anew when they are needed next."""
    shipped_index.cache_clear()
    shipped_analyses.cache_clear()


def ship_runs(results: list[RunResult], drawn: Collection[str] | None) -> None:
    """Copy the runs, and list them."""
    rows = dict(shipped_index())
    for result in results:
        folder, run = shipped_folder(result.config), result.config.id
        if result.array_file.parent != folder:
            folder.mkdir(parents=True, exist_ok=True)
            with_embeddings = is_free(result) and (drawn is None or run in drawn)
            write_result(folder, result, shipped_arrays(result, with_embeddings))
        rows[run] = index_row(result, folder)
    write_index(INDEX, INDEX_COLUMNS, [rows[run] for run in sorted(rows)])


def shipped_arrays(result: RunResult, with_embeddings: bool) -> dict[str, np.ndarray]:
    """Of a run's arrays those that ship. At profile paper, whose hundred epochs no film shows, the last planes alone."""
    arrays = {name: values for name, values in result.arrays.items() if with_embeddings or name != "test_embeddings"}
    long = result.config.profile == "paper"
    return arrays | {name: arrays[name][-1:] for name in ("snapshot_embeddings", "centers") if long and name in arrays}


def is_free(result: RunResult) -> bool:
    """Whether anyone may have what is computed of its images; of other sets only answers and counts are shipped."""
    return parse_name(result.config.data)[0] in FREE


def ship_analyses(results: list[RunResult]) -> None:
    """Copy what was found out about these runs, and list it."""
    known = dict(shipped_analyses())
    for result in filter(is_free, results):
        run = result.config.id
        for path in sorted(local_folder(result.config).glob("*.npz")):
            if path.name != "arrays.npz":
                target = shipped_folder(result.config) / path.name
                files.write(target, files.read(path, run), run)
                known[run, path.stem] = files.file_sum(target)
    rows = [{"id": run, "name": name, "sha256": known[run, name]} for run, name in sorted(known)]
    write_index(ANALYSES, ANALYSES_COLUMNS, rows)


def index_row(result: RunResult, folder: Path) -> dict[str, str]:
    return {
        "id": result.config.id,
        "status": result.status,
        "accuracy": f"{result.accuracy:.4f}",
        "balanced_accuracy": f"{result.balanced_accuracy:.4f}",
        "seconds": f"{result.provenance['seconds']:.0f}",
        "json_sha256": files.file_sum(folder / "result.json"),
        "npz_sha256": files.file_sum(folder / "arrays.npz"),
    }


def write_index(name: str, columns: tuple[str, ...], rows: list[dict[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    files.write_at_once(RESULTS / name, text.getvalue().encode())
