"""A training, a sweep and the course are told to stop: a line, at once, and no process stays behind."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.faces import TINY, make_tree
from tests.faults.tally import SOON, Forked, attempt, end, kill, one_line, start, start_forked, times, wait_for, wait_until


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """The options of a training that takes an hour, and whose checkpoint comes after a second."""
    settings = TINY | {"epochs": 5000}
    return [
        "--device",
        "cpu",
        "--data",
        f"simfer:{make_tree(tmp_path / 'set')}",
        *(f"--set={k}={v}" for k, v in settings.items()),
    ]


def begin(*arguments: str, runs: int, forked: bool) -> subprocess.Popen | Forked:
    """The command, when so many runs have a checkpoint."""
    store = Path(os.environ["FERCORE_RUNS"]) / "store"
    shutil.rmtree(store, ignore_errors=True)
    process = (
        start_forked("fercore", *arguments, output=store.parent.with_name("words")) if forked else start("fercore", *arguments)
    )
    wait_for(store, "*/checkpoint.pt", process, runs)
    return process


@pytest.mark.parametrize("what", [("train",), ("sweep", "--seeds", "0,1")], ids=lambda what: what[0])
def test_stopped_it_says_so_at_once(what, command):
    runs = min(len(os.sched_getaffinity(0)), 2) if what[0] == "sweep" else 1
    for number in times(2, 4):
        with attempt(f"stopped: {what[0]}"):
            fresh = ["--fresh"] * (number % 2)
            process = begin(*what, *command, *fresh, runs=runs, forked=number % 2 == 0)
            if number == 0:
                process.send_signal(signal.SIGTERM)
            else:  # as a terminal's Ctrl-C, the likeliest: once it meets the command itself
                os.killpg(process.pid, signal.SIGINT)
            said = one_line(end(process, SOON))
            assert re.sub(r", with FERCORE_SESSION_START=2\S+,", " anew", said) == (
                f"stopped; the same command{' anew' * len(fresh)} goes on from the last finished epoch"
            )


def test_stopped_while_it_starts(command):
    for number in times(2, 8):
        with attempt("stopped: train"):
            process = start("fercore", "train", *command)
            wait_until(lambda: "torch" in Path(f"/proc/{process.pid}/maps").read_text(), "never began")  # noqa: B023
            os.killpg(process.pid, [signal.SIGINT, signal.SIGTERM][number % 2])
            assert one_line(end(process, SOON)).startswith("stopped")


def test_a_killed_sweep_leaves_no_process(command):
    for _ in times(1, 4):
        with attempt("killed: sweep"):
            kill(begin("sweep", "--seeds", "0,1", *command, runs=min(len(os.sched_getaffinity(0)), 2), forked=True))
