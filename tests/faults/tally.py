"""What was tried to break, and how often something did: the table at the end of the test run, and how attempts are made.

An attempt is a block `with attempt(kind):`. What goes wrong in it is counted by what it would have cost a user, and fails its
test when that has tried everything. FERCORE_FAULTS=full tries as often as the issue asks for, which takes half an hour.
"""

import importlib
import io
import multiprocessing.util
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from fercore.errors import FercoreError
from fercore.parallel.executors import FORKS
from tests.forks import forked_interpreter

PATIENCE = 240  # seconds, after which a process counts as hung; none takes a tenth of it on a quiet machine
SOON = 20  # seconds, in which a process that was told to stop must have stopped

COSTS = ("lost", "wrong", "run", "hung", "traceback")  # columns: work, an answer, foreign code, ...
ATTEMPTS = "attempts"  # a test's report has under this name what it counted, wherever it ran
COMMANDS = {"fercore": "fercore.cli", "simfer": "simfer.__main__"}  # `python -m` to the module with its `main`
table: dict[str, Counter[str]] = defaultdict(Counter)  # of one test, by kind of failure
failures: list[str] = []


class Lost(AssertionError):
    """Work that was done, and must be done again, or a file that is gone."""


class Ran(AssertionError):
    """Code from a file was executed, or a file outside the folder was touched."""


class Hung(AssertionError):
    """It did not end, or left a process behind."""


class Traceback(AssertionError):
    """A traceback, or a signal's death, where a line belongs."""


FULL = os.environ.get("FERCORE_FAULTS") == "full"
in_full = pytest.mark.skipif(not FULL, reason="one of the longest; FERCORE_FAULTS=full tries it")


def times(sample: int, full: int) -> range:
    """How often to try: a sample in every test run, the full count where it is asked for."""
    return range(full if FULL else sample)


@contextmanager
def attempt(kind: str, case: str = "") -> Iterator[None]:
    """One attempt to break something: counted, and what it found kept until its test ends."""
    table[kind]["tried"] += 1
    try:
        yield
    except (Exception, pytest.fail.Exception) as error:  # the latter: an error that should have been raised was not
        costs = {Lost: "lost", Ran: "run", Hung: "hung", Traceback: "traceback"}
        answer = isinstance(error, AssertionError | pytest.fail.Exception)
        cost = costs.get(type(error), "wrong" if answer else "traceback")
        table[kind][cost] += 1
        failures.append(f"{kind}: {case}: {cost}: {type(error).__name__}: {error}")


def as_text(table: dict[str, Counter[str]]) -> list[str]:
    """The table of all tests, one line a kind of failure."""
    width = max(map(len, table))
    lines = [f"{'kind of failure':{width}}  {'tried':>5}" + "".join(f"{cost:>11}" for cost in COSTS)]
    for kind in sorted(table):
        lines.append(f"{kind:{width}}  {table[kind]['tried']:5}" + "".join(f"{table[kind][cost]:11}" for cost in COSTS))
    whole = sum(table.values(), Counter())
    lines.append(f"{'all':{width}}  {whole['tried']:5}" + "".join(f"{whole[cost]:11}" for cost in COSTS))
    return lines


# --- processes --------------------------------------------------------------------------------------------------------


def start(module: str, *arguments: object, file_limit: int | None = None, **more: object) -> subprocess.Popen:
    """`python -m module ...` as a terminal starts it: a group of processes of its own, in which Ctrl-C works.

    `file_limit`: bytes, above which the system refuses to write a file, as where a disk is full.
    """

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if file_limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

    command = [sys.executable, "-m", module, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, start_new_session=True, preexec_fn=prepare, **(pipes | more))


def end(process: "subprocess.Popen | Forked", patience: float = PATIENCE) -> tuple[int, str]:
    """Exit code, and output with errors, of a process that ends and leaves none behind."""
    try:
        out, errors = process.communicate(timeout=patience)
        wait_until(lambda: not living(process.pid), "a process was left behind", seconds=SOON)
    except subprocess.TimeoutExpired:
        raise Hung(f"{' '.join(map(str, process.args))} did not end") from None
    finally:
        stop_group(process)
    text = out + errors
    if "Traceback" in text or (process.returncode < 0 and process.returncode not in (-signal.SIGKILL, -signal.SIGTERM)):
        raise Traceback(text[-2000:] or f"ended by signal {-process.returncode}")
    return process.returncode, text


def fork(function: Callable[..., object], *arguments: object, output: Path, file_limit: int | None = None) -> BaseProcess:
    """`function(*arguments)` in a process of its own, which begins at once, for PyTorch is loaded; `output` gets its words."""
    process = FORKS.Process(target=in_fork, args=(function, arguments, dict(os.environ), output, file_limit))
    process.start()
    return process


def in_fork(
    function: Callable[..., object], arguments: tuple, environment: dict[str, str], output: Path, file_limit: int | None
) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    multiprocessing.util.spawnv_passfds = forked_interpreter  # what it starts itself begins at once too
    with output.open("a") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    try:
        with nullcontext() if file_limit is None else short_files(file_limit):
            function(*arguments)
    except FercoreError as error:
        sys.exit(f"error: {error}")


@contextmanager
def short_files(limit: int) -> Iterator[None]:
    """No file may get longer than so many bytes, and what is said goes into one too: it is said afterwards."""
    words = io.StringIO()
    try:
        with redirect_stdout(words), redirect_stderr(words):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(words.getvalue(), end="", file=sys.stderr)


def start_forked(module: str, *arguments: object, output: Path, file_limit: int | None = None) -> "Forked":
    """`start`, but in a process that begins at once."""
    output.unlink(missing_ok=True)
    return Forked(fork(obey, module, arguments, output=output, file_limit=file_limit), output, arguments)


def obey(module: str, arguments: tuple) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream in (sys.__stdout__, sys.__stderr__):
        stream.reconfigure(encoding=os.environ.get("PYTHONIOENCODING"))
    importlib.import_module(COMMANDS[module]).main([str(argument) for argument in arguments])


@dataclass
class Forked:
    """What of subprocess.Popen is used here, of a forked command."""

    process: BaseProcess
    output: Path
    args: tuple

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    def poll(self) -> int | None:
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        if self.process.is_alive():
            os.kill(self.pid, number)

    def wait(self) -> None:
        self.process.join()

    def communicate(self, timeout: float) -> tuple[str, str]:
        self.process.join(timeout)
        if self.process.is_alive():
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.output.read_text(), ""


def joined(process: BaseProcess, output: Path) -> tuple[int, str]:
    """Exit code and words of a forked process that ended by itself."""
    process.join(PATIENCE)
    if process.is_alive():
        os.killpg(process.pid, signal.SIGKILL)
        raise Hung(f"a process did not end: {output.read_text()[-500:]}")
    text = output.read_text()
    if "Traceback" in text or process.exitcode < 0:
        raise Traceback(text[-2000:] or f"ended by signal {-process.exitcode}")
    return process.exitcode, text


def kill_when(ready: Callable[[], object], process: BaseProcess, delay: float = 0.0) -> bool:
    """Kill a forked process, and what it started, at this moment; False where it had ended before."""
    wait_until(lambda: ready() or not process.is_alive(), "the moment to kill never came")
    time.sleep(delay)
    alive = process.is_alive()
    if alive:
        os.kill(process.pid, signal.SIGKILL)
    process.join(SOON)
    wait_until(lambda: not living(process.pid), "a process was left behind", seconds=SOON)
    return alive


def run(module: str, *arguments: object, **more: object) -> tuple[int, str]:
    return end(start(module, *arguments, **more))


def one_line(outcome: tuple[int, str]) -> str:
    """The error of a command that failed: exit code 1 and one line."""
    code, text = outcome
    found = [line for line in re.split(r"[\r\n]", text) if line.startswith(("error: ", "stopped; "))]
    assert code == 1, f"exit code {code}: {text[-500:]}"
    assert len(found) == 1, text[-500:]
    return found[0]


def kill(process: subprocess.Popen | Forked, with_signal: int = signal.SIGKILL) -> None:
    """End the process, and see that those which it started end with it."""
    process.send_signal(with_signal)
    end(process, SOON)


def wait_until(ready: Callable[[], object], otherwise: str, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise Hung(otherwise)
        time.sleep(0.005)


def wait_for(folder: Path, pattern: str, process: subprocess.Popen | Forked, count: int = 1) -> None:
    """Wait until so many files of this name are there, or the process has ended."""
    wait_until(lambda: len(list(folder.glob(pattern))) >= count or process.poll() is not None, f"no {pattern} in {folder}")


def living(group: int) -> list[int]:
    """Processes of a group that are no zombies."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = path.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):  # ended meanwhile
            continue
        if int(its_group) == group and state != "Z":
            found.append(int(path.parent.name))
    return found


def stop_group(process: subprocess.Popen | Forked) -> None:
    """Leave nothing behind, whatever a test found."""
    for pid in living(process.pid):
        os.kill(pid, signal.SIGKILL)
    process.wait()
