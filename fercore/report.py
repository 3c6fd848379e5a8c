"""Published number beside ours: one row each, with where it was measured, its interval, and its status."""

import csv
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from fercore.config import RunConfig
from fercore.data import parse_name
from fercore.errors import ConfigError, FercoreError
from fercore.experiments import EXPERIMENTS, PAPER_TABLES, Experiment
from fercore.full_scale import FULL_SCALE, full_scale
from fercore.metrics import recalls, summarize
from fercore.paths import PAPER_CSV, shown
from fercore.profiles import check_profile
from fercore.runs import RunResult, find_result
from fercore.stats import Estimate, estimate, paired_difference

BEGIN, END = "<!-- report: begin (made by `make figures`) -->", "<!-- report: end -->"
DATA_NAMES = {
    "wmnist": "W-MNIST",
    "simfer": "SimFER",
    "rafdb": "RAF-DB",
    "affectnet": "AffectNet",
    "fer2013": "FER2013",
    "ckplus": "CK+",
    "mmi": "MMI",
    "sfew": "SFEW",
}  # as in paper.csv
Trial = int | tuple[int, int]
LAYERS = "table 3.2"  # the one table without results: sizes of layers, which tests/models hold against the network
NOTHING = {"here on": "-", "here": "-", "95 % interval": "-", "minus baseline": "-"}


def published(item: str | None = None) -> list[dict[str, str]]:
    """Every row of paper.csv, or those of one table.

    paper, item, row, column, value (in percent, as printed; layer sizes in table 3.2), data (the set that the paper
    measured on), of ("own": a result of the paper; "quoted": one that it takes from another work), note.

    Raises:
        ConfigError: there is no such table.
    """
    with PAPER_CSV.open(newline="") as file:
        lines = list(csv.DictReader(file))
    known = list(dict.fromkeys(line["item"] for line in lines))
    if item is not None and item not in known:
        raise ConfigError(f"unknown table {item!r}; known: {', '.join(known)}")
    return [line for line in lines if item in (None, line["item"])]


def report(profile: str = "laptop", item: str | None = None) -> pd.DataFrame:
    """Every published number beside what finished runs of `profile` say; nothing is trained.

    A published row that can be read in two ways, or that ran on two data sets, has a line for each: the row's name, a
    comma, the reading. Profile paper has, besides what stands in, the runs on the papers' own data (fercore.full_scale).

    Columns: item, data (the paper's), row, measure, paper (%), here on (what ran here, marked where it stands in for the
    paper's data), here (mean ± standard deviation in %, and n), 95 % interval of that mean, minus baseline (paired, same
    seeds or folds; see `baseline_of`), status ("finished", "diverged", "not run", "quoted", "layer size", with the number of
    runs).
    """
    lines = published(item)
    experiments = experiments_of(profile, lines)
    return pd.DataFrame([row for line in lines for row in rows_of(line, experiments[line["item"]])])


def full_scale_report(item: str | None = None) -> pd.DataFrame:
    """The papers' own numbers on licensed data beside what ran on these data here, at profile paper.

    Columns: as `report`, without what stands in; a row in two readings has a line for each.
    """
    lines = [line for line in published(item) if line["of"] == "own" and line["item"] in FULL_SCALE]
    return pd.DataFrame([row for line in lines for row in rows_of(line, full_scale(line["item"]))])


def full_scale_summary() -> pd.DataFrame:
    """One line a table on licensed data: how many of its own numbers have a finished run on these data.

    Columns: table, data, its own, here.
    """
    rows = []
    for item, part in full_scale_report().groupby("item", sort=False):
        numbers = part.assign(row=part["row"].str.split(",").str[0])
        finished_ones = numbers[numbers["status"].str.contains("finished")]
        own, here = (len(some[["row", "measure", "data"]].drop_duplicates()) for some in (numbers, finished_ones))
        name = f"{published(item)[0]['paper']}, {item}"
        rows.append({"table": name, "data": ", ".join(part["data"].unique()), "its own": own, "here": here or "not run"})
    return pd.DataFrame(rows)


def table_report(item: str, profile: str = "laptop") -> pd.DataFrame:
    """What ran of one table, compactly, against its softmax row.

    Columns: item, row, paper, here, 95 % interval, minus softmax, status.
    """
    table = report(profile, item)
    table = table[table["here on"] != "-"].rename(columns={"minus baseline": "minus softmax"})
    return table[["item", "row", "paper", "here", "95 % interval", "minus softmax", "status"]].reset_index(drop=True)


def summary(profile: str = "laptop") -> pd.DataFrame:
    """One line a table: how many of its numbers are the paper's own, on what they were measured, and what ran here."""
    table = report(profile)
    rows = []
    for item, part in table.groupby("item", sort=False):
        lines = published(item)
        own = sum(line["of"] == "own" for line in lines)
        here = [name for name in part.loc[part["status"] != "not run", "here on"].unique() if name != "-"]
        finished_rows = part.loc[part["status"].str.contains("finished"), ["row", "measure", "data"]]
        ran = len({(row.split(",")[0], *rest) for row, *rest in finished_rows.itertuples(index=False)})
        rows.append(
            {
                "table": f"{lines[0]['paper']}, {item}",
                "measured on": ", ".join(part["data"].unique()),
                "numbers": str(len(lines)),
                "its own": str(own),
                "of these here": "held by tests" if item == LAYERS else str(ran),
                "here on": ", ".join(here) or "-",
            }
        )
    return pd.DataFrame(rows)


def to_document(profile: str = "laptop") -> str:
    """The whole report as a Markdown page, one section a table."""
    lines = ["# Every published number, and ours", "", "Made by `make figures`; do not edit.", ""]
    lines += [
        "*Paper* is what is printed, in percent. *Here* is the mean ± standard deviation (over so many seeds or folds) at",
        f"profile `{profile}`, on the data that *here on* names. **A stand-in is not the paper's data**: its numbers compare",
        "methods with each other, never with the number printed beside them. *Minus baseline* is the mean difference from the",
        "table's softmax or first row, same seeds and folds, with its 95 % interval. *Quoted* numbers stand in the table but",
        "are other works' results. Sets of sequences are measured in sequences.",
        "The confusion matrices of the thesis (figures 3.12, 3.13, 4.5, 4.6) and the gamma curves (figure 3.15) are pictures",
        "without printed numbers.",
    ]
    table = report(profile)
    for item, part in table.groupby("item", sort=False):
        printed = published(item)
        lines += ["", f"## {printed[0]['paper']}, {item}", ""]
        lines += [to_markdown(part.drop(columns="item").replace("-", ""))]
        notes = {(line["row"], line["column"]): line["note"] for line in printed if line["note"]}
        if notes:
            lines += ["", *(f"- {row}, {column}: {note}." for (row, column), note in notes.items())]
    lines += ["", "## On the papers' own data, at the published schedules", ""]
    lines += ["Numbers of the papers, and of these how many have a finished run here; notebook 11 has the commands.", ""]
    lines += [to_markdown(full_scale_summary())]
    return "\n".join(lines) + "\n"


def to_readme(profile: str = "laptop") -> str:
    """What the README shows: table 3.1 whole, a line for each table, and what the trainings took."""
    return f"""{to_markdown(table_report("table 3.1", profile))}

All tables, number by number: [figures/REPORT.md](figures/REPORT.md).

{to_markdown(summary(profile))}

{training_hours(profile)}"""


def training_hours(profile: str) -> str:
    """How many runs the experiments have, and the sum of the times that those finished took."""
    configs = {config.id: config for make in EXPERIMENTS.values() for group in make(profile).values() for config in group}
    runs = finished(configs.values())
    hours = sum(run.provenance["seconds"] for run in runs) / 3600
    return f"{len(runs)} of {len(configs)} trainings are finished; their times add up to {hours:.1f} hours."


# --- one row ------------------------------------------------------------------------------------------------------------


def experiments_of(profile: str, lines: list[dict[str, str]]) -> dict[str, list[Experiment]]:
    """{item: its runs}, one experiment each for what stands in and for the paper's own data; none where there are no runs."""
    check_profile(profile)
    found = {}
    for item in {line["item"] for line in lines}:
        found[item] = [PAPER_TABLES[item](profile)] if item in PAPER_TABLES else []
        found[item] += full_scale(item) if profile == "paper" and item in FULL_SCALE else []
    return found


def rows_of(line: dict[str, str], experiments: list[Experiment]) -> list[dict[str, str]]:
    """The report's lines for one published number."""
    told = {
        "item": line["item"],
        "data": line["data"],
        "row": line["row"],
        "measure": line["column"],
        "paper": line["value"] if line["item"] == LAYERS else f"{float(line['value']):.2f}",
    }
    found = [(rows, label) for rows in experiments for label in rows if speaks_of(line, label, rows[label][0])]
    if not found:
        status = "quoted" if line["of"] == "quoted" else "layer size" if line["item"] == LAYERS else "not run"
        return [told | NOTHING | {"status": status}]
    rows = []
    for experiment, label in found:
        ours = compare(experiment[label], baseline=experiment[baseline_of(experiment, label)], metric=line["column"])
        ours = {"minus baseline" if name == "minus softmax" else name: value for name, value in ours.items()}
        rows.append(told | {"row": label, "here on": measured_on(experiment[label][0], line["data"])} | ours)
    return rows


def speaks_of(line: dict[str, str], label: str, config: RunConfig) -> bool:
    """Whether a row of runs belongs to a published number: its own row, on its own data or on what stands in for them."""
    name = parse_name(config.data)[0]
    fits = name == "simfer" or DATA_NAMES[name] == line["data"]
    return line["of"] == "own" and label.split(",")[0] == line["row"] and fits


def baseline_of(experiment: Experiment, label: str) -> str:
    """The row that `label` is compared with: softmax with the same pre-training, "softmax [...]", else the first row."""
    _, bracket, pretraining = label.split(",")[0].partition(" [")
    same = f"softmax{bracket}{pretraining}"
    return same if same in experiment else next(iter(experiment))


def measured_on(config: RunConfig, paper_data: str) -> str:
    """The data of a run as a reader knows it, marked "stand-in" where the paper measured on other data."""
    name = DATA_NAMES[parse_name(config.data)[0]]
    preset = f" {config.preset}" if config.preset else ""
    return name + preset + ("" if name == paper_data else " (stand-in)")


def compare(configs: list[RunConfig], baseline: list[RunConfig], metric: str = "accuracy") -> dict[str, str]:
    """One row of a table: ours, its interval, the paired difference from `baseline`, the status."""
    runs, others = finished(configs), finished(baseline)
    converged = [run for run in runs if not run.diverged]
    values = percent(converged, metric)
    ours = estimate(list(values.values()))
    same = configs == baseline
    difference = paired_difference(values, percent([run for run in others if not run.diverged], metric))
    return {
        "here": f"{ours:.2f}" if values else "-",
        "95 % interval": interval(ours),
        "minus softmax": "-"
        if same or not difference.n
        else f"{difference.mean:+.2f} [{difference.low:+.2f}, {difference.high:+.2f}]",
        "status": status(configs, runs) if values or not converged else "no such class here",
    }


def finished(configs: Iterable[RunConfig]) -> list[RunResult]:
    """The stored runs among `configs`."""
    return [result for config in configs if (result := find_result(config))]


def percent(runs: list[RunResult], metric: str) -> dict[Trial, float]:
    """{seed: 100 * metric}, or by (seed, fold) where the set is tested in folds; without runs on data that cannot tell it."""
    values = {trial(run.config): 100 * measure(run, metric) for run in runs}
    return {key: value for key, value in values.items() if not math.isnan(value)}


def trial(config: RunConfig) -> Trial:
    """What two methods' runs must share to be a pair: the seed and, where there are folds, the test fold."""
    return config.seed if config.fold is None else (config.seed, config.fold)


def measure(run: RunResult, metric: str) -> float:
    """A number of the test set after the last epoch, named as paper.csv's columns are; of whole sequences, where it has them.

    "accuracy", "balanced accuracy", "minority recall" (the mean over the classes with few training images), "recall Fear", or
    "Fear as Anger": the share of the fearful images that were called angry. NaN where the set has no such class.
    """
    last = run.test["last"]
    if metric == "accuracy":
        return last.get("sequence_accuracy", run.accuracy)
    confusion = np.array(last.get("sequence_confusion", last["confusion"]))
    if metric.replace("_", " ") == "balanced accuracy":
        return summarize(confusion)["balanced_accuracy"] if "sequence_confusion" in last else run.balanced_accuracy
    if metric == "minority recall":
        minority = run.provenance["minority"]
        return float(recalls(confusion)[minority].mean()) if minority else math.nan
    names = run.provenance["class_names"]
    true, _, predicted = metric.removeprefix("recall ").partition(" as ")
    if not {true, predicted or true} <= set(names):
        return math.nan
    row = confusion[names.index(true)]
    return float(row[names.index(predicted or true)] / row.sum()) if row.sum() else math.nan


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
