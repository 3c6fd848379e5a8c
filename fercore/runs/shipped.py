"""The shipped store, `results/`: what the committed notebooks show, each file checked against its index."""

import csv
import io
import shutil
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

from fercore.config import RunConfig
from fercore.data.names import FREE, parse_name
from fercore.errors import StoreError
from fercore.paths import RESULTS, shown
from fercore.runs.local import local_folder
from fercore.runs.result import RunResult, pack, read_result, sha256, write_at_once

INDEX_COLUMNS = ("id", "status", "accuracy", "balanced_accuracy", "seconds", "json_sha256", "npz_sha256")

SHIPPED_FILES = {"result.json": "json_sha256", "arrays.npz": "npz_sha256"}  # of a run: the column of its sum
ANALYSES_COLUMNS = ("id", "name", "sha256")


def shipped_folder(config: RunConfig) -> Path:
    return RESULTS / "runs" / config.id


@lru_cache
def shipped_analyses() -> dict[tuple[str, str], str]:
    """results/analyses.csv: (run id, name of the analysis) to SHA-256."""
    index = RESULTS / "analyses.csv"
    if not index.exists():
        return {}
    with index.open(newline="") as file:
        return {(row["id"], row["name"]): row["sha256"] for row in csv.DictReader(file)}


def shipped_analysis(config: RunConfig, name: str) -> Path | None:
    """The file of a shipped analysis, checked against its index; None where it is not shipped."""
    known = shipped_analyses().get((config.id, name))
    if known is None:
        return None
    path = shipped_folder(config) / f"{name}.npz"
    if not path.exists() or sha256(path) != known:
        raise StoreError(f"{shown(path)} is not what results/analyses.csv lists; restore it with git, or ship it again")
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
    folder = shipped_folder(config)
    for name, column in SHIPPED_FILES.items():
        path = folder / name
        if not path.exists():
            raise StoreError(f"{shown(path)} is missing, but results/index.csv lists it; restore it with git")
        if sha256(path) != row[column]:
            raise StoreError(f"{shown(path)} is not what results/index.csv lists; restore it with git, or ship the run again")
    return read_result(folder / "result.json")


def ship(results: list[RunResult], *, drawn: Collection[str] | None = None) -> int:
    """Copy finished runs, and what analyses say of them, into results/ and rewrite both indexes.

    Args:
        results: what to ship.
        drawn: ids of the runs whose embeddings figures may draw; those of the others, most of a run's bytes, stay here. None
            means all. Embeddings of photographs stay here in any case.

    Returns:
        How many runs and analyses are new or changed.

    Raises:
        StoreError: results/ cannot be written.
    """
    rows, changed = dict(shipped_index()), 0
    try:
        for result in results:
            folder = shipped_folder(result.config)
            before = rows.get(result.config.id)
            if result.array_file.parent != folder:
                folder.mkdir(parents=True, exist_ok=True)
                with_embeddings = parse_name(result.config.data)[0] in FREE and (drawn is None or result.config.id in drawn)
                arrays = {
                    name: values for name, values in result.arrays.items() if with_embeddings or name != "test_embeddings"
                }
                write_at_once(folder / "arrays.npz", pack(arrays))
                write_at_once(folder / "result.json", result.to_json().encode())
            rows[result.config.id] = index_row(result, folder)
            changed += rows[result.config.id] != before
        write_index("index.csv", INDEX_COLUMNS, [rows[run] for run in sorted(rows)])
        changed += ship_analyses(results)
    except OSError as error:
        raise StoreError(f"cannot write {shown(RESULTS)}: {error.strerror or error}") from None
    shipped_index.cache_clear()
    return changed


def ship_analyses(results: list[RunResult]) -> int:
    """Copy what was found out about these runs; returns how many of the files are new or changed."""
    known = dict(shipped_analyses())
    before = dict(known)
    for result in results:
        for path in sorted(local_folder(result.config).glob("*.npz")):
            if path.name != "arrays.npz":
                shutil.copyfile(path, shipped_folder(result.config) / path.name)
                known[result.config.id, path.stem] = sha256(path)
    rows = [{"id": run, "name": name, "sha256": known[run, name]} for run, name in sorted(known)]
    write_index("analyses.csv", ANALYSES_COLUMNS, rows)
    shipped_analyses.cache_clear()
    return sum(before.get(key) != value for key, value in known.items())


def index_row(result: RunResult, folder: Path) -> dict[str, str]:
    return {
        "id": result.config.id,
        "status": result.status,
        "accuracy": f"{result.accuracy:.4f}",
        "balanced_accuracy": f"{result.balanced_accuracy:.4f}",
        "seconds": f"{result.provenance['seconds']:.0f}",
        "json_sha256": sha256(folder / "result.json"),
        "npz_sha256": sha256(folder / "arrays.npz"),
    }


def write_index(name: str, columns: tuple[str, ...], rows: list[dict[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_at_once(RESULTS / name, text.getvalue().encode())
