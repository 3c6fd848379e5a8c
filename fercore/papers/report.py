"""Published number beside ours: one row each, with where it was measured, its interval, and its status."""

from collections.abc import Callable
from dataclasses import asdict
from itertools import groupby

import pandas as pd

from fercore.config import RunConfig
from fercore.data.names import FREE, parse_name
from fercore.evaluation.compare import Known, in_words, measured
from fercore.evaluation.stats import Estimate, estimate
from fercore.papers.experiments import PAPER_TABLES, PHOTOGRAPHED_ROWS
from fercore.papers.published import DATA_NAMES, LAYERS, published
from fercore.papers.tables import OWN_DATA, Experiment, on_own_data, on_photographs, on_whole_network
from fercore.profiles import check_profile
from fercore.runs.find import find_results

NOTHING = estimate([])


def report(profile: str = "laptop", item: str | None = None, *, as_numbers: bool = False) -> pd.DataFrame:
    """Every published number beside what finished runs of `profile` say; nothing is trained.

    A published row that can be read in two ways, or that ran on two data sets, has a line for each: the row's name, a
    comma, the reading. Profile paper has, besides what stands in, the runs on the papers' own data (fercore.papers.tables).

    Columns: item, data (the paper's), row, measure, paper (%), here on (what ran here, marked where it stands in for the
    paper's data), here (mean ± standard deviation in %, and n), 95 % interval of that mean, minus baseline (paired, same
    seeds or folds; see `baseline_of`), status ("finished", "diverged", "not run", "quoted", "layer size", with the number of
    runs).

    `as_numbers`, for programs, has in the place of the three columns of text before the status numbers in %, unrounded and
    NaN where there is none: mean, std, n, low, high (of the mean's interval), difference, its pairs, difference low,
    difference high; and at the end runs, the ids of those that have a result, joined by a blank.
    """
    lines = published(item)
    table = table_of(lines, experiments_of(profile, lines), in_numbers if as_numbers else in_words)
    return table.astype({"paper": float}) if as_numbers else table


def full_scale_report(item: str | None = None) -> pd.DataFrame:
    """The papers' own numbers on licensed data beside what ran on these data here, at profile paper.

    Columns: as `report`, without what stands in; a row in two readings has a line for each.
    """
    lines = [line for line in published(item) if line["of"] == "own" and line["item"] in OWN_DATA]
    return table_of(lines, {item: on_own_data(item) for item in {line["item"] for line in lines}})


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
    """One line a table: how many of its numbers are the paper's own, on what they were measured, and what ran here.

    Columns: table, measured on, numbers, its own, of these here (with a finished run), the same again (here too,
    but by runs and a measure that were counted before under another name), here on.
    """
    lines, counted, summaries = published(), set(), []
    experiments = experiments_of(profile, lines)
    known = look_up(experiments)
    for item, part in groupby(lines, key=lambda line: line["item"]):
        printed = list(part)
        ran = [[row for row in rows_of(line, experiments[item], known) if "finished" in row["status"]] for line in printed]
        new, again = 0, 0
        for rows in filter(None, ran):
            measured = {(row["measure"], row["runs"]) for row in rows}
            new, again = (new, again + 1) if measured <= counted else (new + 1, again)
            counted |= measured
        summaries.append(
            {
                "table": f"{printed[0]['paper']}, {item}",
                "measured on": ", ".join(dict.fromkeys(line["data"] for line in printed)),
                "numbers": str(len(printed)),
                "its own": str(sum(line["of"] == "own" for line in printed)),
                "of these here": "held by tests" if item == LAYERS else str(new),
                "the same again": str(again),
                "here on": "; ".join(dict.fromkeys(row["here on"] for rows in ran for row in rows)) or "-",
            }
        )
    return pd.DataFrame(summaries)


# --- one row ------------------------------------------------------------------------------------------------------------


def experiments_of(profile: str, lines: list[dict[str, str]]) -> dict[str, list[Experiment]]:
    """{item: its runs}, an experiment each for what everyone has, photographs, digits as published, the paper's own."""
    check_profile(profile)
    found = {}
    for item in {line["item"] for line in lines}:
        found[item] = [PAPER_TABLES[item](profile)] if item in PAPER_TABLES else []
        if item in PHOTOGRAPHED_ROWS and profile == "laptop":
            found[item].append(on_photographs(PHOTOGRAPHED_ROWS[item], profile))
        if item == "table 3.1" and profile == "laptop":
            found[item].append(on_whole_network())
        found[item] += on_own_data(item) if profile == "paper" and item in OWN_DATA else []
    return found


def look_up(experiments: dict[str, list[Experiment]]) -> Known:
    """All their runs, each read once: a table asks some of them for fifty numbers."""
    configs = {run: None for tables in experiments.values() for rows in tables for runs in rows.values() for run in runs}
    return dict(zip(configs, find_results(configs), strict=True))


def in_numbers(ours: Estimate, difference: Estimate) -> dict[str, object]:
    """As `in_words`, for programs."""
    names = {"mean": "difference", "n": "pairs", "low": "difference low", "high": "difference high"}
    return asdict(ours) | {name: getattr(difference, field) for field, name in names.items()}


def table_of(
    lines: list[dict[str, str]], experiments: dict[str, list[Experiment]], tell: Callable[..., dict[str, object]] = in_words
) -> pd.DataFrame:
    known = look_up(experiments)
    rows = [row for line in lines for row in rows_of(line, experiments[line["item"]], known, tell)]
    table = pd.DataFrame(rows)
    runs = table.pop("runs")
    if tell is in_words:
        return table
    return table.assign(runs=[" ".join(sorted(run.id for run in some if known[run])) or "-" for some in runs])


def rows_of(
    line: dict[str, str], experiments: list[Experiment], known: Known, tell: Callable[..., dict[str, object]] = in_words
) -> list[dict[str, object]]:
    """The report's lines for one published number, each with its runs; `tell` says what was measured here."""
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
        return [told | {"here on": "-"} | tell(NOTHING, NOTHING) | {"status": status, "runs": frozenset()}]
    rows = []
    for experiment, label in found:
        runs, baseline = experiment[label], experiment[baseline_of(experiment, label)]
        *ours, status = measured(runs, baseline, line["column"], known)
        own = {"row": label, "here on": measured_on(runs[0], line["data"]), "runs": frozenset(runs)}
        rows.append(told | own | tell(*ours) | {"status": status})
    return rows


def speaks_of(line: dict[str, str], label: str, config: RunConfig) -> bool:
    """Whether a row of runs belongs to a published number: its own row, on its own data or on what stands in for them."""
    return line["of"] == "own" and label.split(",")[0] == line["row"] and fits(config, line["data"])


def fits(config: RunConfig, paper_data: str) -> bool:
    """Whether a run is on the paper's data, or on what stands in for them."""
    return parse_name(config.data)[0] in ("simfer", "fer2013") or not stands_in(config, paper_data)


def stands_in(config: RunConfig, paper_data: str) -> bool:
    """Whether a run is on other data than the paper's."""
    return DATA_NAMES[parse_name(config.data)[0]] != paper_data


def baseline_of(experiment: Experiment, label: str) -> str:
    """The row that `label` is compared with: softmax with the same pre-training "[...]" and in the same readings, as far as it
    has them; else the first row.
    """
    row, *readings = label.split(", ")
    _, bracket, pretraining = row.partition(" [")
    same = [", ".join([f"softmax{bracket}{pretraining}", *readings[n:]]) for n in range(len(readings) + 1)]
    return next((name for name in same if name in experiment), next(iter(experiment)))


def measured_on(config: RunConfig, paper_data: str) -> str:
    """The data of a run as a reader knows it, marked "stand-in" where the paper measured on other data."""
    return data_of(config) + " (stand-in)" * stands_in(config, paper_data)


def data_of(config: RunConfig) -> str:
    """A run's data set, of SimFER the preset, and of what everyone has whether it was trained as published."""
    data = parse_name(config.data)[0]
    as_published = config.profile == "paper" and data in FREE
    return DATA_NAMES[data] + (f" {config.preset}" if config.preset else "") + ", published schedule" * as_published
