"""What every test gets: stores of its own in a temporary folder, one thread, no progress lines."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: bit-identity holds for one thread count

import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

import fercore.train as loop
from fercore.config import RunConfig
from fercore.data.wmnist import fetch_mnist
from fercore.parallel.executors import FORKS
from fercore.paths import ROOT, data_dir
from fercore.runs import shipped
from tests.digits import TINY
from tests.faults import tally
from tests.forks import PRELOADED

# Said here, where no forked process comes by: those that sweep start a server of their own, with the library's shorter list.
FORKS.set_forkserver_preload(PRELOADED)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty local and shipped stores; the local one's folder of runs."""
    for name in ("FERCORE_SHIPPED_ONLY", "FERCORE_HOME", "FERCORE_FIGURES", "FERCORE_SESSION_START"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FERCORE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("FERCORE_PROGRESS", "0")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(shipped, "RESULTS", tmp_path / "results")
    shipped.forget_indexes()
    yield tmp_path / "runs" / "store"
    shipped.forget_indexes()


@pytest.fixture
def tiny():
    """Make a config that trains in about a second: `tiny(method="dda", gamma=1)`."""

    def make(**values: object) -> RunConfig:
        return RunConfig(**({"method": "softmax"} | TINY | values))

    return make


@pytest.fixture(scope="session")
def mnist() -> Path:
    """The folder of MNIST's four files, fetched if need be."""
    raw = data_dir() / "MNIST" / "raw"
    fetch_mnist(raw)
    return raw


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[RunConfig]:
    """The configs that are really trained in this process."""
    called, fit = [], loop.fit
    monkeypatch.setattr(
        loop, "fit", lambda session, *rest, **more: called.append(session.config) or fit(session, *rest, **more)
    )
    return called


@pytest.fixture
def raw_copy(mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of its own, in which the four good files are links that a test may replace."""
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in mnist.iterdir():
        if file.is_file():
            (raw / file.name).symlink_to(file.resolve())
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "data"))
    return raw


@pytest.fixture
def run_cli(monkeypatch: pytest.MonkeyPatch):
    """Run `python -m fercore ...` and return the finished process; `env` adds variables."""

    def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "fercore", *arguments]
        return subprocess.run(command, env=os.environ | (env or {}), capture_output=True, text=True, timeout=300)

    return run


# --- the table of attempts to break it; this process reads reports of tests that other ones ran -----------------------------


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for report in reports:
        if report.when == "call":
            for kind, found in dict(report.user_properties).get(tally.ATTEMPTS, {}).items():
                table[kind].update(found)
    if table:
        terminalreporter.section("attempts to break it")
        for line in tally.as_text(table):
            terminalreporter.write_line(line)
