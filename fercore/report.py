"""Published number beside ours: one row each, with its interval, its difference from softmax, and its status."""

import csv
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from fercore.config import RunConfig
from fercore.errors import FercoreError
from fercore.experiments import PAPER_TABLES
from fercore.paths import PAPER_CSV, shown
from fercore.profiles import check_profile
from fercore.runs import RunResult, find_result
from fercore.stats import Estimate, estimate, paired_difference

BEGIN, END = "<!-- report: begin (made by `make figures`) -->", "<!-- report: end -->"


def published() -> list[dict[str, str]]:
    """Every row of paper.csv: paper, item, row, column, value."""
    with PAPER_CSV.open(newline="") as file:
        return list(csv.DictReader(file))


def report(profile: str = "laptop") -> pd.DataFrame:
    """Every published number used so far, beside what finished runs of `profile` say; nothing is trained.

    A published row that can be read in two ways has a line for each: the row's name, a comma, the reading.

    Columns: item, row, paper (%), here (mean ± standard deviation in %, and n), 95 % interval of that mean, paired
    difference from the softmax row with the same seeds and its interval, status ("finished", "diverged" or "not run",
    with the number of seeds).
    """
    tables = {item: make(check_profile(profile)) for item, make in PAPER_TABLES.items()}
    rows = []
    for line in published():
        experiment = tables[line["item"]]
        for label in [label for label in experiment if label.split(",")[0] == line["row"]]:
            ours = compare(experiment[label], baseline=experiment["softmax"], metric=line["column"])
            rows.append({"item": line["item"], "row": label, "paper": f"{float(line['value']):.2f}"} | ours)
    return pd.DataFrame(rows)


def compare(configs: list[RunConfig], baseline: list[RunConfig], metric: str = "accuracy") -> dict[str, str]:
    """One row of a table: ours, its interval, the paired difference from `baseline`, the status."""
    runs, others = finished(configs), finished(baseline)
    converged = [run for run in runs if not run.diverged]
    values = percent(converged, metric)
    ours = estimate(list(values.values()))
    same = configs == baseline
    difference = paired_difference(values, percent([run for run in others if not run.diverged], metric))
    return {
        "here": f"{ours:.2f}" if converged else "-",
        "95 % interval": interval(ours),
        "minus softmax": "-"
        if same or not difference.n
        else f"{difference.mean:+.2f} [{difference.low:+.2f}, {difference.high:+.2f}]",
        "status": status(configs, runs),
    }


def finished(configs: Iterable[RunConfig]) -> list[RunResult]:
    """The stored runs among `configs`."""
    return [result for config in configs if (result := find_result(config))]


def percent(runs: list[RunResult], metric: str) -> dict[int, float]:
    """{seed: 100 * metric}."""
    return {run.config.seed: 100 * getattr(run, metric) for run in runs}


def interval(value: Estimate) -> str:
    """The interval of a percentage; with few seeds the t-interval can reach beyond what a percentage can be."""
    return f"{max(value.low, 0):.2f} to {min(value.high, 100):.2f}" if value.n > 1 else "-"


def signed(difference: Estimate) -> str:
    """A difference with its sign, and its interval where there is one."""
    bounds = f" [{difference.low:+.2f}, {difference.high:+.2f}]" if difference.n > 1 else ""
    return f"{difference.mean:+.2f}{bounds}"


def status(configs: list[RunConfig], runs: list[RunResult]) -> str:
    """How many of the wanted runs there are, and how many of them diverged."""
    if not runs:
        return "not run"
    diverged = sum(run.diverged for run in runs)
    told = [f"{len(runs) - diverged} finished"] * (diverged < len(runs)) + [f"{diverged} diverged"] * (diverged > 0)
    left = len(configs) - len(runs)
    return ", ".join(told + [f"{left} not run"] * (left > 0))


def to_markdown(table: pd.DataFrame) -> str:
    """A GitHub table; pandas' own needs a package more."""
    lines = ["| " + " | ".join(table.columns) + " |", "|" + " --- |" * len(table.columns)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in table.astype(str).to_numpy()])


def write_between_markers(path: Path, text: str) -> None:
    """Replace what stands between the report's markers in a Markdown file.

    Raises:
        FercoreError: the file has no such markers.
    """
    content = path.read_text() if path.exists() else ""
    head, begin, rest = content.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise FercoreError(f"{shown(path)} has no lines {BEGIN!r} and {END!r} to write the report between")
    path.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}")
