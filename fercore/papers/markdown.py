"""The report as Markdown: REPORT.md, and the README's table."""

import math
from pathlib import Path

import pandas as pd

from fercore.errors import FercoreError
from fercore.evaluation.compare import status, stored
from fercore.papers.claims import HOLDS, NOT_RUN, REVERSED, claims_table, tally
from fercore.papers.experiments import EXPERIMENTS
from fercore.papers.published import published
from fercore.papers.report import full_scale_summary, report, summary
from fercore.papers.tables import on_whole_network
from fercore.papers.words import words_table
from fercore.paths import shown
from fercore.runs.files import write_at_once


def to_document(profile: str = "laptop") -> str:
    """The whole report as a Markdown page, one section a table."""
    lines = ["# Every published number, and ours", "", "Made by `make figures`; do not edit.", ""]
    lines += [*verdict_section(profile), ""]
    lines += [
        "*Paper* is what is printed, in percent. *Here* is the mean ± standard deviation (over so many seeds or folds) at",
        f"profile `{profile}`, on the data that *here on* names. **A stand-in is not the paper's data**: its numbers compare",
        "methods with each other, never with the number printed beside them. *Minus baseline* is the mean difference from the",
        "table's softmax or first row, same seeds and folds, with its 95 % interval. *Quoted* numbers stand in the table but",
        "are other works' results. No difference crosses precisions (float32 and bfloat16, in each run's record). Sets of",
        "sequences are measured in sequences; an interval of a mean ends at 0 and 100. *The same again*: here too, by runs",
        "that were counted before under another name.",
        "The confusion matrices of the thesis (figures 3.12, 3.13, 4.5, 4.6) and the gamma curves (figure 3.15) are pictures",
        "without printed numbers.",
        "",
        to_markdown(summary(profile)),
        "",
        training_hours(profile),
    ]
    table = report(profile)
    for item, part in table.groupby("item", sort=False):
        printed = published(item)
        lines += ["", f"## {printed[0]['paper']}, {item}", ""]
        lines += [to_markdown(part.drop(columns="item").replace("-", ""))]
        notes = {(line["row"], line["column"]): line["note"] for line in printed if line["note"]}
        if notes:
            lines += ["", *(f"- {row}, {column}: {note}." for (row, column), note in notes.items())]
    lines += ["", "## Claims in words", ""]
    lines += [
        "What the papers say without a number beside it, and what the runs here say. *Arrives*: the first epoch with nine",
        "tenths of the lower of both final validation accuracies.",
        "",
        to_markdown(words_table(profile)),
    ]
    lines += ["", "## On the papers' own data, at the published schedules", ""]
    lines += ["Numbers of the papers, and of these how many have a finished run here; notebook 11 has the commands.", ""]
    lines += [to_markdown(full_scale_summary())]
    return "\n".join(lines) + "\n"


def verdict_section(profile: str) -> list[str]:
    """Every claim with its verdict, and the rule."""
    table = claims_table(profile)
    return [
        "## Verdicts",
        "",
        "A claim is a published difference in points. *Here* is the mean difference of the same rows, same seeds or folds,",
        "with its 95 % interval; *p* is a paired t-test's, by Holm's correction over the claims of a paper that ran at this",
        "profile. **Reversed**: the interval lies below 0. **Holds**: above 0. **Smaller than published**: it contains 0 and",
        "ends below the published difference. **Undecided**: it contains both, and about so many pairs would make it too",
        "narrow for that. **Single pair**: there is no interval. A pair of which one training diverged is left out and counted",
        "as lost: the mean is of those that finished. Claims that rest on the same runs under several names are counted once.",
        "",
        to_markdown(shown_claims(table)),
        "",
        verdict_counts(table),
        "",
        to_markdown(tally(table)),
        "",
        "## Numbers",
    ]


def to_verdicts(profile: str = "laptop") -> str:
    """What the README shows of the verdicts: each paper's main claims where they ran, and how all of them came out."""
    table = claims_table(profile)
    once = table[table["main"] & (table["measure"] == "accuracy") & ((table["set"] == 0) | ~table.duplicated("set"))]
    ran = once.groupby(["table", "says"])["verdict"].transform(lambda told: (told != NOT_RUN).any())
    once = once[~ran | (once["verdict"] != NOT_RUN)]
    return f"{to_markdown(in_one_line(once))}\n\n{verdict_counts(table)} {training_hours(profile)}"


def in_one_line(table: pd.DataFrame) -> pd.DataFrame:
    """A line a claim and set that it was tried on, with all readings."""
    rows = []
    for (paper, item, claim, data, _), part in table.groupby(["paper", "table", "says", "data", "here on"], sort=False):
        rows.append(
            {
                "paper": f"{paper}, {item}",
                "claim": claim,
                "published": f"{part['published'].iloc[0]:+.2f} on {data}",
                "here": span(part["here"]),
                "pairs": pairs_of(part),
                "on": measured_on(part).iloc[0],
                "verdict": by_reading(part),
            }
        )
    return pd.DataFrame(rows)


def span(told: pd.Series) -> str:
    """The one difference that there is, with its interval; of several from the lowest to the highest, in how many readings."""
    there = [text for text in told if text != "-"]
    if len(there) < 2:
        return there[0] if there else "-"
    means = sorted((text.split()[0] for text in there), key=float)
    return f"{means[0]} to {means[-1]} in {len(told)} readings"


def pairs_of(part: pd.DataFrame) -> str:
    """On how many pairs the readings rest, from the fewest to the most, and how many more a divergence took."""
    pairs, lost = sorted({n for n in part["pairs"] if n}), sum(part["lost"])
    told = " to ".join(map(str, dict.fromkeys((pairs[0], pairs[-1])))) if pairs else "-"
    return told + f", {lost} lost" * (lost > 0)


def by_reading(part: pd.DataFrame) -> str:
    """The verdict, or each verdict with the readings that it is of; and whether Holm's correction lets go of it."""
    readings = [claim[len(says) + 2 :] or "otherwise" for claim, says in zip(part["claim"], part["says"], strict=True)]
    verdicts = [
        f"{told}, not by Holm" if told in (HOLDS, REVERSED) and p >= 0.05 else told
        for told, p in zip(part["verdict"], part["p"], strict=True)
    ]
    found = pd.Series(readings).groupby(verdicts, sort=False).agg(list)
    if len(found) == 1:
        return found.index[0]
    return "; ".join(f"{one} ({names[0] if len(names) == 1 else f'{len(names)} readings'})" for one, names in found.items())


def measured_on(table: pd.DataFrame) -> pd.Series:
    """The data of each line, marked where they stand in."""
    return table["here on"] + [" (stand-in)" * bool(stands_in) for stands_in in table["stand-in"]]


def shown_claims(table: pd.DataFrame) -> pd.DataFrame:
    """The table of verdicts as a reader wants it: where it was measured, and of the undecided how many pairs would decide."""
    pairs = [
        f" ({n} pair{'s' * (n > 1)}{f'; {lost} lost by divergence' * (lost > 0)})" * (n > 0)
        for n, lost in zip(table["pairs"], table["lost"], strict=True)
    ]
    needed = [f" (about {n} pairs would decide)" * (n > 0) for n in table["needed"]]
    return pd.DataFrame(
        {
            "paper": table["paper"] + ", " + table["table"],
            "claim": table["claim"] + [f" ({measure})" * (measure != "accuracy") for measure in table["measure"]],
            "published": [f"{value:+.2f} on {data}" for value, data in zip(table["published"], table["data"], strict=True)],
            "here": table["here"] + pairs,
            "on": measured_on(table),
            "p": ["-" if math.isnan(p) else "<0.01" if p < 0.005 else f"{p:.2f}" for p in table["p"]],
            "verdict": table["verdict"] + needed,
        }
    )


def verdict_counts(table: pd.DataFrame) -> str:
    """How many claims there are, on how many sets of runs they rest, how these came out, and how sure they are together."""
    counts = tally(table).drop(columns="paper").sum()
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    unrun = sum(table["verdict"] == NOT_RUN)
    sure = tally(table[table["p"] < 0.05]).drop(columns="paper").sum()
    kept = " and ".join(f"{sure[name]} of {counts[name]} {name}" for name in (HOLDS, REVERSED))
    return (
        f"{len(table)} claims and readings rest on {counts.sum()} sets of runs: {told}. Not run: {unrun}. "
        f"Each verdict is of its claim alone; by Holm's correction over all claims of a paper, {kept} remain below 5 %."
    )


def training_hours(profile: str) -> str:
    """How many runs the experiments have, how many finished and diverged, and the sum of the times that these took."""
    tables = [make(profile) for make in EXPERIMENTS.values()] + ([on_whole_network()] if profile == "laptop" else [])
    configs = list({config for rows in tables for group in rows.values() for config in group})
    runs = stored(configs)
    hours = sum(run.provenance["seconds"] for run in runs) / 3600
    return f"Of {len(configs)} trainings: {status(configs, runs)}; the times of those that ran add up to {hours:.1f} hours."


def to_markdown(table: pd.DataFrame) -> str:
    """A GitHub table; pandas' own needs a package more."""
    lines = ["| " + " | ".join(table.columns) + " |", "|" + " --- |" * len(table.columns)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in table.astype(str).to_numpy()])


def write_between_markers(path: Path, name: str, text: str) -> None:
    """Replace what stands between the markers of a part, such as "report", in a Markdown file.

    Raises:
        FercoreError: the file has no such markers.
    """
    begin_line, end_line = f"<!-- {name}: begin (made by `make figures`) -->", f"<!-- {name}: end -->"
    content = path.read_text() if path.exists() else ""
    head, begin, rest = content.partition(begin_line)
    _, end, tail = rest.partition(end_line)
    if not (begin and end):
        raise FercoreError(f"{shown(path)} has no lines {begin_line!r} and {end_line!r} to write between")
    write_at_once(path, f"{head}{begin_line}\n{text}\n{end_line}{tail}".encode())
