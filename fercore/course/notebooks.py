"""Execute the course's notebooks headless with papermill, and regenerate figures/ from the shipped results."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat

from fercore.errors import ConfigError, FercoreError
from fercore.paths import FIGURES, NOTEBOOKS, ROOT, runs_dir, shown
from fercore.profiles import check_profile
from fercore.runs.files import write_at_once

CELL_TIMEOUT = {"quick": 900, "laptop": 6 * 3600, "paper": 14 * 24 * 3600}  # seconds; papermill has no limit of its own
AT_ONCE = {"quick": 2, "laptop": 1, "paper": 1}  # a quick notebook mostly draws; the sweeps of the others fill every core


@dataclass(frozen=True)
class Executed:
    """One executed notebook."""

    name: str
    seconds: float
    figures: int
    checks: int
    output: Path


def run_course(
    profile: str,
    *,
    only: str | None = None,
    device: str = "auto",
    fresh: bool = False,
    parameters: dict[str, Any] | None = None,
) -> list[Executed]:
    """Execute every notebook (or those whose names start with `only`) into runs/<profile>/, AT_ONCE of them at a time.

    Raises:
        ConfigError: an unknown profile, notebook or parameter.
        FercoreError: a cell failed; the partly executed notebook is kept and named.
    """
    check_profile(profile)
    notebooks = find_notebooks(only)
    given = {"PROFILE": profile, "DEVICE": device, "FRESH": fresh} | (parameters or {})
    plans = [(path, choose_parameters(path, given, explicit=set(parameters or {}))) for path in notebooks]

    from fercore.parallel.executors import CorePool

    os.environ["FERCORE_SESSION_START"] = datetime.now(UTC).isoformat(timespec="seconds")
    at_once = min(AT_ONCE[profile], len(os.sched_getaffinity(0)))
    with environment(**{"OMP_NUM_THREADS": "1"} if at_once > 1 else {}):
        pool = CorePool(at_once)  # processes, for papermill changes the folder it works in
        try:
            begun = [
                pool.submit(execute, path, runs_dir() / profile / path.name, chosen, CELL_TIMEOUT[profile])
                for path, chosen in plans
            ]
            return [notebook.result() for notebook in begun]
        finally:
            pool.shutdown(cancel_futures=True)


def find_notebooks(only: str | None) -> list[Path]:
    notebooks = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
    if not notebooks:
        raise ConfigError("the notebooks are not here; `fercore lab FOLDER` puts them into a folder: go there")
    chosen = [path for path in notebooks if path.name.startswith(only or "")]
    if not chosen:
        raise ConfigError(f"no notebook starts with {only!r}; there are: {', '.join(path.stem for path in notebooks)}")
    return chosen


def choose_parameters(path: Path, given: dict[str, Any], explicit: set[str]) -> dict[str, Any]:
    """Those of `given` that the notebook's parameters cell declares; one that a user named must be among them.

    papermill itself only warns of an unknown parameter and goes on without it.
    """
    import papermill  # takes a second to import, and no other command needs it

    declared = papermill.inspect_notebook(path).keys()
    for name in explicit - declared:
        raise ConfigError(f"{path.name} has no parameter {name!r}; it has: {', '.join(sorted(declared))}")
    return {name: value for name, value in given.items() if name in declared}


def execute(path: Path, output: Path, parameters: dict[str, Any], timeout: int) -> Executed:
    """Run one notebook by papermill and count what it shows."""
    print(f"executing {path.name} ...", file=sys.stderr, flush=True)
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    from fercore.course.cells import CHECK_MARK

    output.parent.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # this environment's kernel, not one of the user's home folder
    started = time.perf_counter()
    try:
        papermill.execute_notebook(
            path, output, parameters, kernel_name="python3", cwd=NOTEBOOKS, execution_timeout=timeout,
            progress_bar=False, log_output=False, stderr_file=sys.stderr, extra_arguments=["--IPKernelApp.log_level=40"],
        )  # fmt: skip
    except PapermillExecutionError as error:
        reason = f"{error.ename}: {error.evalue}".strip().splitlines()[0]
        raise FercoreError(f"{path.name} failed in cell {error.exec_count}: {reason} (see {shown(output)})") from None
    except CellTimeoutError:
        raise FercoreError(f"{path.name}: a cell took longer than {timeout:,} s (see {shown(output)})") from None
    except DeadKernelError:
        raise FercoreError(f"{path.name}: the kernel died, often for lack of memory (see {shown(output)})") from None
    outputs = [out for cell in nbformat.read(output, as_version=4).cells for out in cell.get("outputs", [])]
    figures = sum(any(kind.startswith("image/") for kind in out.get("data", {})) for out in outputs)
    checks = sum(out.get("text", "").count(CHECK_MARK) for out in outputs if out.get("name") == "stdout")
    return Executed(path.stem, time.perf_counter() - started, figures, checks, output)


def course_table(executed: list[Executed]) -> str:
    """The table that `make course` ends with."""
    width = max(len(item.name) for item in executed)
    lines = [f"{'notebook':{width}}  minutes  figures  checks passed  executed notebook"]
    for item in executed:
        lines.append(
            f"{item.name:{width}}  {item.seconds / 60:7.1f}  {item.figures:7d}  {item.checks:13d}  {shown(item.output)}"
        )
    return "\n".join(lines)


def regenerate_figures() -> list[Path]:
    """Rewrite figures/, its REPORT.md and the README's table from the shipped results, at profile laptop; returns the files.

    Each notebook that exports figures is executed: a figure and the page that shows it cannot differ.

    Raises:
        FercoreError: a notebook failed, or a needed run is not shipped.
    """
    from fercore.course.film import write_film
    from fercore.papers.markdown import to_document, to_verdicts, write_between_markers

    with environment(FERCORE_FIGURES=str(FIGURES), FERCORE_SHIPPED_ONLY="1"):
        for path in find_notebooks(None):
            if "save_figure(" in path.read_text():
                chosen = choose_parameters(path, {"PROFILE": "laptop"}, explicit=set())
                execute(path, runs_dir() / "figures" / path.name, chosen, CELL_TIMEOUT["quick"])
        write_film()
        write_between_markers(ROOT / "README.md", "verdicts", to_verdicts("laptop"))
        write_at_once(FIGURES / "REPORT.md", to_document("laptop").encode())
    return [*sorted(FIGURES.glob("*.[gp]*")), FIGURES / "REPORT.md", ROOT / "README.md"]


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    """Environment variables for a while; kernels started meanwhile inherit them."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
