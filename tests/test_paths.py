"""Where runs and data go: in a checkout, outside one, and as the environment says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fercore import paths


@pytest.fixture(autouse=True)
def away(tmp_path, monkeypatch):
    """A user who stands in an empty folder, with no variable set."""
    for name in ("FERCORE_HOME", "FERCORE_DATA", "FERCORE_RUNS", "FERCORE_FIGURES", "JPY_PARENT_PID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path.resolve()


def test_a_checkout_keeps_its_own_folders_wherever_one_stands():
    assert paths.CHECKOUT
    assert (paths.data_dir(), paths.runs_dir()) == (paths.ROOT / "data", paths.ROOT / "runs")


def test_outside_a_checkout_they_lie_where_one_stands(away, monkeypatch):
    monkeypatch.setattr(paths, "CHECKOUT", False)
    assert (paths.data_dir(), paths.runs_dir()) == (away / "data", away / "runs")
    assert paths.figures_dir("quick") == away / "runs" / "quick" / "figures"


@pytest.mark.parametrize("checkout", [True, False])
def test_one_variable_moves_both_and_one_each_of_them(away, monkeypatch, checkout):
    monkeypatch.setattr(paths, "CHECKOUT", checkout)
    monkeypatch.setenv("FERCORE_HOME", "here")
    assert (paths.data_dir(), paths.runs_dir()) == (away / "here" / "data", away / "here" / "runs")
    monkeypatch.setenv("FERCORE_DATA", str(away / "faces"))
    assert (paths.data_dir(), paths.runs_dir()) == (away / "faces", away / "here" / "runs")


@pytest.mark.parametrize(("given", "meant"), [("faces", "faces"), ("../faces", "../faces"), ("~/faces", "home/faces")])
def test_a_relative_folder_is_the_same_one_in_every_process(away, monkeypatch, given, meant):
    monkeypatch.setenv("HOME", str(away / "home"))
    monkeypatch.setenv("FERCORE_DATA", given)
    wanted = Path(os.path.normpath(away / meant))
    assert paths.data_dir() == wanted
    (away / "notebooks").mkdir()
    monkeypatch.chdir("notebooks")
    assert paths.data_dir() == wanted
    assert asked_in_a_process() == str(wanted)


def test_a_kernel_stands_where_jupyter_was_started(away, monkeypatch):
    monkeypatch.setenv("FERCORE_DATA", "faces")
    (away / "notebooks").mkdir()
    found = asked_in_a_process(cwd="notebooks", env={"JPY_PARENT_PID": str(os.getpid())})
    assert found == str(away / "faces")


def asked_in_a_process(cwd: str | None = None, env: dict[str, str] | None = None) -> str:
    command = [sys.executable, "-c", "from fercore.paths import data_dir; print(data_dir())"]
    return subprocess.run(
        command, cwd=cwd, env=os.environ | (env or {}), capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_printed_path_is_true_from_where_one_stands(away):
    assert paths.shown(away / "runs" / "store") == "runs/store"
    assert paths.shown(Path("faces") / "x.png") == "faces/x.png"
    assert paths.shown(away.parent / "faces") == str(away.parent / "faces")
    assert paths.shown(paths.ROOT / "data") == str(paths.ROOT / "data")
