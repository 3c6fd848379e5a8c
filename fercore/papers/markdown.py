"""The report as Markdown: REPORT.md, and the README's tables."""

from pathlib import Path

import pandas as pd

from fercore.errors import FercoreError
from fercore.evaluation.compare import status, stored
from fercore.papers.experiments import EXPERIMENTS
from fercore.papers.published import published
from fercore.papers.report import full_scale_summary, report, summary, table_report
from fercore.paths import shown

BEGIN, END = "<!-- report: begin (made by `make figures`) -->", "<!-- report: end -->"


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
    """How many runs the experiments have, how many finished and diverged, and the sum of the times that these took."""
    configs = list({config for make in EXPERIMENTS.values() for group in make(profile).values() for config in group})
    runs = stored(configs)
    hours = sum(run.provenance["seconds"] for run in runs) / 3600
    return f"{len(configs)} trainings: {status(configs, runs)}; their times add up to {hours:.1f} hours."


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
