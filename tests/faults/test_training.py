"""Trainings are killed at any moment: while they train, save, test and write, in sweeps and notebooks. Nothing is lost."""

import json
import os
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from fercore.config import RunConfig, config_from
from fercore.course import notebooks
from fercore.data import load_data
from fercore.runs import files
from fercore.runs.local import local_folder
from fercore.sweep import sweep
from fercore.train import train
from tests.faces import make_tree
from tests.faults.runs import config_of
from tests.faults.tally import SOON, Lost, attempt, fork, in_full, joined, kill_when, times, wait_until

EPOCHS = 12


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set, its image store, and what undisturbed trainings on it leave."""
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FERCORE_DATA", str(root / "data"))
        patch.setenv("FERCORE_RUNS", str(root / "runs"))
        tree = make_tree(root / "set")
        for epochs in (2, EPOCHS):
            train(config_of(tree, epochs=epochs), device="cpu")
    return root


@pytest.fixture
def config(made, monkeypatch) -> Callable[..., RunConfig]:
    monkeypatch.setenv("FERCORE_DATA", str(made / "data"))
    return lambda **values: config_of(made / "set", **values)


def content(config: RunConfig, store: Path) -> dict[str, Any]:
    """All that a run left, but when, how long, and of which commit: somebody may work here meanwhile."""
    folder = store / config.id
    kept = {name: files.read(folder / name, config.id) for name in ("arrays.npz", "last.safetensors", "best.safetensors")}
    kept["result.json"] = files.read(folder / "result.json", config.id)
    for name in ("finished", "seconds", "commit", "dirty"):
        del kept["result.json"]["provenance"][name]
    for row in kept["result.json"]["epochs"]:
        del row["seconds"]
    return kept


def check_whole(config: RunConfig, made: Path) -> None:
    """The run is there, and is the very one that an undisturbed training gives; nothing else is."""
    found, wanted = content(config, local_folder(config).parent), content(config, made / "runs" / "store")
    if files.checksum(found) != files.checksum(wanted):
        raise Lost(f"{config.id} is not what an undisturbed training gives")
    assert sorted(path.name for path in local_folder(config).iterdir()) == sorted(
        path.name for path in (made / "runs" / "store" / config.id).iterdir()
    )


def go(values: dict[str, Any]) -> None:
    train(config_from(values), device="cpu")


def test_killed_while_it_trains_it_goes_on(config, made, tmp_path):
    long, output = config(epochs=EPOCHS), tmp_path / "words"
    folder, reached = local_folder(long), 0
    for number in times(5, 45):
        with attempt("killed: training"):
            before = (folder / "checkpoint.pt").stat().st_mtime_ns if (folder / "checkpoint.pt").exists() else 0

            def saved(before: int = before) -> bool:
                return (folder / "checkpoint.pt").exists() and (folder / "checkpoint.pt").stat().st_mtime_ns > before

            moments = [lambda: (folder / ".checkpoint.pt.part").exists(), saved, lambda: True]
            kill_when(moments[number % 3], fork(go, long.to_dict(), output=output), random.Random(number).random() / 20)
            if (folder / "result.json").exists():  # it was quick
                shutil.rmtree(folder)
                reached = 0
            elif (folder / "checkpoint.pt").exists():
                epochs = len(files.read(folder / "checkpoint.pt", long.id)["epochs"])
                if epochs < reached:
                    raise Lost(f"{reached} epochs were done, {epochs} are left")
                reached = epochs
    with attempt("killed: training"):
        assert joined(fork(go, long.to_dict(), output=output), output)[0] == 0
        check_whole(long, made)


WRITTEN = (".arrays.npz.part", "best.safetensors", "last.safetensors", ".objective.safetensors.part", ".result.json.part")


@pytest.mark.parametrize("name", [WRITTEN[number] for number in times(2, 5)])
def test_killed_while_it_tests_and_writes_it_goes_on(name, config, made, tmp_path):
    short, output = config(epochs=2), tmp_path / "words"
    for number in times(1, 4):
        shutil.rmtree(local_folder(short), ignore_errors=True)
        with attempt("killed: evaluation"):
            kill_when(lambda: (local_folder(short) / name).exists(), fork(go, short.to_dict(), output=output), number / 500)
            assert joined(fork(go, short.to_dict(), output=output), output)[0] == 0
            check_whole(short, made)


def read_set(data: str, options: dict[str, Any]) -> None:
    load_data(data, **options)


def test_killed_while_it_decodes_it_goes_on(config, made, tmp_path, monkeypatch):
    short, output = config(), tmp_path / "words"
    wanted = load_data(short.data, **short.data_options).fingerprint
    for number in times(3, 12):
        monkeypatch.setenv("FERCORE_DATA", str(tmp_path / str(number)))
        store, suffix = tmp_path / str(number) / "store", ("lock", "part", "sums")[number % 3]
        with attempt("killed: image store"):
            process = fork(read_set, short.data, short.data_options, output=output)
            kill_when(lambda store=store, suffix=suffix: list(store.glob(f"*.{suffix}")), process, number / 1000)
            assert load_data(short.data, **short.data_options).fingerprint == wanted
            assert not list(store.glob("*.part"))


def sweep_them(every: list[dict[str, Any]]) -> None:
    sweep([config_from(values) for values in every], device="cpu")


@in_full
def test_a_killed_sweep_goes_on(config, made, tmp_path):
    runs = [config(epochs=EPOCHS), config(epochs=2)]
    output, store = tmp_path / "words", local_folder(runs[0]).parent
    for number in times(1, 10):
        with attempt("killed: sweep"):
            process = fork(sweep_them, [run.to_dict() for run in runs], output=output)
            kill_when(lambda: list(store.glob("*/checkpoint.pt")), process, random.Random(number).random() / 5)
    with attempt("killed: sweep"):
        sweep(runs, device="cpu")
        for run in runs:
            check_whole(run, made)


def test_a_sweep_whose_workers_are_killed_loses_no_run(config, made, tmp_path):
    runs = [config(epochs=EPOCHS), config(epochs=2)]
    output, store = tmp_path / "words", local_folder(runs[0]).parent
    with attempt("killed: sweep"):
        process = fork(sweep_them, [run.to_dict() for run in runs], output=output)
        wait_until(lambda: (store / runs[0].id / "checkpoint.pt").exists(), "no checkpoint")
        workers = [worker for server in children(process.pid) for worker in children(server)]
        assert workers
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        assert joined(process, output)[0] == 0
        for run in runs:
            check_whole(run, made)


def children(parent: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(path.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def run_notebooks(folder: Path) -> None:
    notebooks.NOTEBOOKS = folder
    notebooks.run_course("quick")


def test_a_killed_course_leaves_no_kernel_and_goes_on(config, made, tmp_path):
    """The kernel is in a session of its own, and would train on for hours."""
    long, output = config(epochs=EPOCHS), tmp_path / "words"
    code = f"""
import json, os
from pathlib import Path
from fercore.config import config_from
from fercore.train import train
Path({str(tmp_path / "kernel")!r}).write_text(str(os.getpid()))
train(config_from(json.loads({json.dumps(long.to_dict())!r})), device="cpu")"""
    (tmp_path / "notebooks").mkdir()
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbformat.write(book, tmp_path / "notebooks" / "00_mine.ipynb")
    for number in times(1, 5):
        with attempt("killed: notebook"):
            (tmp_path / "kernel").unlink(missing_ok=True)
            process = fork(run_notebooks, tmp_path / "notebooks", output=output)
            begun = (tmp_path / "kernel", local_folder(long) / "checkpoint.pt")  # the second is there from the first time on
            kill_when(lambda begun=begun: all(file.exists() for file in begun), process, number / 50)
            kernel = Path(f"/proc/{(tmp_path / 'kernel').read_text()}")
            wait_until(
                lambda kernel=kernel: not kernel.exists() or "Z" in (kernel / "stat").read_text(), "a kernel stayed", SOON
            )
    with attempt("killed: notebook"):
        assert joined(fork(run_notebooks, tmp_path / "notebooks", output=output), output)[0] == 0
        check_whole(long, made)
