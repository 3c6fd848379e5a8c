"""plan, report, ship, errata, tune."""

import argparse
import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fercore.cli.options import add_command, add_format, formatted
from fercore.config import RunConfig
from fercore.errors import ConfigError
from fercore.paths import shown
from fercore.profiles import check_profile


def add_commands(commands: Any) -> None:
    ahead = add_command(
        commands, "plan", plan_command, "hours, GPU memory and disk that the published tables take on their own data"
    )
    ahead.add_argument("--table", action="append", help="such as 'table 3.3'; may be repeated (default: all)")
    ahead.add_argument("--tflops", type=float, default=30.0, help="10^12 operations a second that a GPU sustains (default: 30)")
    ahead.add_argument("--gpus", type=int, default=1, help="that share the runs (default: 1)")
    add_format(ahead)

    report = add_command(
        commands, "report", report_command, "paper | here on | here | interval | status, for every published number"
    )
    report.add_argument("--profile", default="laptop", help="quick, laptop or paper (default: laptop)")
    report.add_argument("--item", metavar="TABLE", help="one table alone, named as in published.csv: 'table 4.1'")
    report.add_argument("--verdicts", action="store_true", help="the papers' claims instead, each with its verdict")
    report.add_argument("--write", metavar="FILE", help="write the whole report into this Markdown file instead")
    add_format(report)

    summary = "copy finished runs of the course's experiments into results/"
    ship = add_command(commands, "ship", ship_command, summary, in_checkout=True)
    ship.add_argument("--profile", default="laptop", help="quick, laptop or paper (default: laptop)")

    summary = "keep what each method's trials chose (experiment tuning) in fercore/papers/tuned.json"
    tune = add_command(commands, "tune", tune_command, summary, in_checkout=True)
    tune.add_argument("--profile", default="laptop", help="quick, laptop or paper (default: laptop)")

    errata = add_command(commands, "errata", errata_command, "the papers' errata, each with the number that shows it")
    errata.add_argument("--write", metavar="FILE", help="write them into this Markdown file instead")


# --- the commands -------------------------------------------------------------------------------------------------------


def plan_command(options: argparse.Namespace) -> None:
    from fercore.papers.tables import OWN_DATA, runs_for

    if not 0 < options.tflops < math.inf or options.gpus < 1:
        raise ConfigError("--tflops must be a number above 0, and --gpus at least 1")
    tables = options.table or list(OWN_DATA)
    runs_for(tables)  # names an unknown table, before PyTorch is loaded

    from fercore.papers.budget import STEP_MS, plan, to_text

    table = plan(tables, tflops=options.tflops, gpus=options.gpus)
    if options.format != "text":
        print(formatted(table.to_dict("records"), options.format))
        return
    print(to_text(table).to_string(index=False))
    gpus = "one GPU that sustains" if options.gpus == 1 else f"{options.gpus} GPUs that sustain, each,"
    print(f"computed, not measured, for {gpus} {options.tflops:g} TFLOP/s and take at least {STEP_MS:g} ms a step")
    print("longest run in minutes; GPU memory (of a batch) and disk in GB")


def report_command(options: argparse.Namespace) -> None:
    from fercore.papers.published import published

    if options.write and (options.item or options.verdicts):
        raise ConfigError(f"--write writes every table; leave out {'--item' if options.item else '--verdicts'}")
    if options.write and options.format != "text":
        raise ConfigError("--write writes Markdown; leave out --format")
    check_profile(options.profile)
    published(options.item)  # names an unknown table

    from fercore.papers.claims import claims_table
    from fercore.papers.markdown import shown_claims, to_document
    from fercore.papers.report import report

    if options.write:
        write_page(Path(options.write), to_document(options.profile))
        return
    for_programs = options.format != "text"
    if options.verdicts:  # of all, since p is corrected over a paper's claims
        table = claims_table(options.profile)
        table = table[table["table"] == options.item] if options.item else table
    else:
        table = report(options.profile, options.item, as_numbers=for_programs)
    if for_programs:
        print(formatted(table.to_dict("records"), options.format))
    else:
        print((shown_claims(table) if options.verdicts else table).to_string(index=False))


def ship_command(options: argparse.Namespace) -> None:
    check_profile(options.profile)

    from fercore.evaluation.compare import status, stored
    from fercore.papers.experiments import drawn
    from fercore.papers.tables import OWN_DATA, runs_for
    from fercore.runs.shipped import ship

    wanted = {config for runs in find_experiments(["all"], options.profile).values() for config in runs}
    if options.profile == "paper":
        wanted |= set(runs_for(OWN_DATA))
    results = stored(wanted)
    added, replaced = ship(results, drawn=drawn(options.profile))
    for line in replaced:
        print(f"replaced {line}")
    print(f"{len(wanted)} runs: {status(wanted, results)}; {added} new in results/, {len(replaced)} replaced")


def errata_command(options: argparse.Namespace) -> None:
    from fercore.papers.errata import to_markdown

    if not options.write:
        print(to_markdown())
        return
    write_page(Path(options.write), to_markdown())


def write_page(path: Path, text: str) -> None:
    from fercore.runs.files import write_at_once

    write_at_once(path, text.encode())
    print(shown(path))


def tune_command(options: argparse.Namespace) -> None:
    check_profile(options.profile)

    from fercore.papers.tuning import TUNED, write_choices

    for method, values in write_choices(options.profile).items():
        print(f"{method:17} " + ", ".join(f"{key} = {value}" for key, value in values.items()))
    print(f"kept in {TUNED.name}")


def find_experiments(names: list[str], profile: str) -> dict[str, list[RunConfig]]:
    """{row label: configs} of the named experiments together; "all" names every one."""
    check_profile(profile)

    from fercore.papers.experiments import EXPERIMENTS

    unknown = [name for name in names if name not in (*EXPERIMENTS, "all")]
    if unknown:
        raise ConfigError(f"unknown experiment {unknown[0]!r}; known: all, {', '.join(EXPERIMENTS)}")
    chosen = EXPERIMENTS if "all" in names else {name: EXPERIMENTS[name] for name in names}
    return {f"{name}: {label}": configs for name, make in chosen.items() for label, configs in make(profile).items()}


def find_tables(names: list[str]) -> list[RunConfig]:
    """The runs of the published tables of these names."""
    from fercore.papers.tables import OWN_DATA, runs_for

    return runs_for(OWN_DATA if "all" in names else names)


def that_train_here(configs: Iterable[RunConfig], names: list[str]) -> list[RunConfig]:
    """Of the runs of these tables or experiments those whose data are here; the others are told, a line a reason."""
    from fercore.papers.tables import trainable

    runs, lack = trainable(configs, names)
    for reason, count in lack.items():
        print(f"not trained: {count} runs, for {reason} is not here", file=sys.stderr)
    return runs
