"""No room on the disk at any write: the line says which file, how much is missing and how to go on; then it goes on."""

import errno
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fercore.config import config_from
from fercore.errors import StoreError
from fercore.papers import tuning
from fercore.papers.analyses import examine
from fercore.papers.markdown import write_between_markers
from fercore.runs import files, shipped
from fercore.runs.find import find_result
from fercore.runs.local import inspect, local_folder
from fercore.train import train
from tests.faces import make_tree
from tests.faults.runs import KINDS, config_of, train_with_answers
from tests.faults.tally import PATIENCE, Traceback, attempt, fork, joined, one_line, times

GO_ON = "make room, and the same command goes on"


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "data"))
    return config_of(make_tree(tmp_path / "set"))


def go(values: dict[str, Any]) -> None:
    train(config_from(values), device="cpu")


def refused(function, *arguments, output: Path, file_limit: int) -> str:
    """The line in which a process that may not write longer files ends."""
    output.unlink(missing_ok=True)
    return one_line(joined(fork(function, *arguments, output=output, file_limit=file_limit), output))


def test_the_long_files_of_a_training(config, tmp_path):
    """The image store and the checkpoint are the longest; the system refuses each."""
    output, folder = tmp_path / "words", local_folder(config)
    train(config, device="cpu")
    wanted = find_result(config).test
    store = max(path.stat().st_size for path in (tmp_path / "data" / "store").iterdir())
    limits = ((0, "image store"), (store, "checkpoint.pt"), (store - 1, "image store"))
    for limit, named in (limits[number] for number in times(2, 3)):
        for path in (folder, tmp_path / "data"):
            shutil.rmtree(path)
        with attempt("no room: training", named):
            line = refused(go, config.to_dict(), output=output, file_limit=limit)
            assert line.startswith("error: cannot write")
            assert named in line
            assert "make room" in line
        with attempt("no room: training", f"{named}, going on"):
            assert joined(fork(go, config.to_dict(), output=output), output)[0] == 0
            assert find_result(config).test == wanted


@pytest.mark.parametrize("name", [*KINDS, "checkpoint.pt"])
def test_each_file_of_a_run(name, config, monkeypatch):
    """Refused when it is flushed, as of a disk that promised more than it has."""

    def refuse(file: int) -> None:
        if f".{name}.part" in os.readlink(f"/proc/self/fd/{file}"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with attempt("no room: each file", name), monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(StoreError, match=rf"cannot write \S+{name} .*{GO_ON}"):
            train_with_answers(config)
    with attempt("no room: each file", f"{name}, going on"):
        assert not list(local_folder(config).glob(".*"))
        train_with_answers(config)
        assert not inspect(local_folder(config))


def test_a_checkpoint_stays_while_the_next_finds_no_room(config, tmp_path):
    """Of a disk that fills up while a training runs, the last finished epoch is kept."""
    output, checkpoint = tmp_path / "words", local_folder(config) / "checkpoint.pt"
    with attempt("no room: training"):
        save = files.write_at_once

        def fill(path: Path, content: bytes) -> None:
            if checkpoint.exists():
                raise files.unwritable(path, OSError(28, "No space left on device"), len(content))
            save(path, content)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(files, "write_at_once", fill)
            with pytest.raises(StoreError, match=GO_ON):
                train(config, device="cpu")
        assert len(files.read(checkpoint, config.id)["epochs"]) == 1
        assert joined(fork(go, config.to_dict(), output=output), output)[0] == 0


def ask(values: dict[str, Any]) -> None:
    examine(config_from(values), "probabilities", device="cpu")


def ship_it(values: dict[str, Any], results: Path) -> None:
    shipped.RESULTS = results
    shipped.ship([find_result(config_from(values))])


def choose_it(file: Path) -> None:
    tuning.TUNED, tuning.choose = file, lambda profile: {"center": {"lambda_c": 0.5}}
    tuning.write_choices("quick")


def test_what_is_written_beside_runs(config, tmp_path):
    train(config, device="cpu")
    output, values = tmp_path / "words", config.to_dict()
    cases = {
        "an answer": (ask, values),
        "shipping": (ship_it, values, tmp_path / "results"),
        "choices": (choose_it, tmp_path / "tuned.json"),
    }
    for case, (function, *arguments) in cases.items():
        for limit in (0, 50):
            with attempt(f"no room: {case}"):
                line = refused(function, *arguments, output=output, file_limit=limit)
                assert "cannot write" in line
                assert GO_ON in line
        with attempt(f"no room: {case}"):
            assert joined(fork(function, *arguments, output=output), output)[0] == 0


def test_a_page_keeps_its_words(tmp_path, monkeypatch):
    """README.md, of which a part is written anew."""
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- x: begin (made by `make figures`) -->\nold\n<!-- x: end -->\nafter\n")
    before = page.read_text()

    def refuse(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with attempt("no room: a page"), monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(StoreError, match=rf"cannot write \S+README\.md .*{GO_ON}"):
            write_between_markers(page, "x", "new")
        assert page.read_text() == before
    write_between_markers(page, "x", "new")
    assert page.read_text() == before.replace("old", "new")


# --- a real small disk --------------------------------------------------------------------------------------------------

ON_A_SMALL_DISK = """
size=$1 disk=$2; shift 2
mount -t tmpfs -o size=$size none "$disk" || exit 99
"$@"; code=$?
ls -A "$disk"/store/* >&2
mount -o remount,size=64m "$disk"
"$@" && exit $code
"""


@pytest.mark.parametrize("kilobytes", [(100, 8, 400)[number] for number in times(1, 3)])
def test_a_training_on_a_small_disk(kilobytes, config, tmp_path, monkeypatch):
    disk = tmp_path / "disk"
    disk.mkdir()
    monkeypatch.setenv("FERCORE_RUNS", str(disk))
    mine = ["unshare", "--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK, "sh", f"{kilobytes}k", str(disk)]
    command = [*mine, sys.executable, "-m", *shlex.split(config.command())[2:], "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode in (1, 99) and ("unshare" in done.stderr or "mount" in done.stderr):
        pytest.skip("no disk may be mounted here")
    with attempt("no room: a small disk"):
        if "Traceback" in done.stderr:
            raise Traceback(done.stderr[-2000:])
        assert "test accuracy" in done.stdout
        if kilobytes < 400:
            assert done.returncode == 1, done.stderr
            assert "No space left on device" in done.stderr
            assert GO_ON in done.stderr
            assert ".part" not in done.stderr
