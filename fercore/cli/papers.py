"""plan, report, ship, errata, tune."""

import argparse
import sys


def plan_command(options: argparse.Namespace) -> None:
    from fercore.errors import ConfigError
    from fercore.papers.budget import STEP_MS, plan, to_text
    from fercore.papers.tables import OWN_DATA

    if options.tflops <= 0 or options.gpus < 1:
        raise ConfigError("--tflops must be above 0 and --gpus at least 1")
    table = plan(options.table or list(OWN_DATA), tflops=options.tflops, gpus=options.gpus)
    print(to_text(table).to_string(index=False))
    gpus = "one GPU that sustains" if options.gpus == 1 else f"{options.gpus} GPUs that sustain, each,"
    print(f"computed, not measured, for {gpus} {options.tflops:g} TFLOP/s and take at least {STEP_MS:g} ms a step")
    print("longest run in minutes; GPU memory (of a batch) and disk in GB")


def report_command(options: argparse.Namespace) -> None:
    from pathlib import Path

    from fercore.errors import ConfigError
    from fercore.papers.markdown import to_document
    from fercore.papers.report import report
    from fercore.paths import shown

    if options.write and options.item:
        raise ConfigError("--write writes every table; leave out --item")
    if not options.write:
        print(report(options.profile, options.item).to_string(index=False))
        return
    Path(options.write).write_text(to_document(options.profile))
    print(shown(Path(options.write)))


def ship_command(options: argparse.Namespace) -> None:
    from fercore.evaluation.compare import status, stored
    from fercore.papers.experiments import drawn
    from fercore.papers.tables import OWN_DATA, runs_for
    from fercore.runs.shipped import ship

    wanted = {config for runs in find_experiments(["all"], options.profile).values() for config in runs}
    if options.profile == "paper":
        wanted |= set(runs_for(OWN_DATA))
    results = stored(wanted)
    changed = ship(results, drawn=drawn(options.profile))
    print(f"{len(wanted)} runs: {status(wanted, results)}; {changed} new or changed in results/")


def errata_command(options: argparse.Namespace) -> None:
    from pathlib import Path

    from fercore.papers.errata import to_markdown
    from fercore.paths import shown

    if not options.write:
        print(to_markdown())
        return
    Path(options.write).write_text(to_markdown())
    print(shown(Path(options.write)))


def tune_command(options: argparse.Namespace) -> None:
    from fercore.papers.tuning import TUNED, write_choices

    for method, values in write_choices(options.profile).items():
        print(f"{method:17} " + ", ".join(f"{key} = {value}" for key, value in values.items()))
    print(f"kept in {TUNED.name}")


def find_experiments(names: list[str], profile: str) -> dict:
    """{row label: configs} of the named experiments together; "all" names every one."""
    from fercore.errors import ConfigError
    from fercore.papers.experiments import EXPERIMENTS

    unknown = [name for name in names if name not in (*EXPERIMENTS, "all")]
    if unknown:
        raise ConfigError(f"unknown experiment {unknown[0]!r}; known: all, {', '.join(EXPERIMENTS)}")
    chosen = EXPERIMENTS if "all" in names else {name: EXPERIMENTS[name] for name in names}
    return {f"{name}: {label}": configs for name, make in chosen.items() for label, configs in make(profile).items()}


def find_tables(names: list[str]) -> list:
    """The runs of the published tables of these names that can train here; the others are told, a line a reason."""
    from fercore.papers.tables import OWN_DATA, trainable

    runs, lack = trainable(OWN_DATA if "all" in names else names)
    for reason, count in lack.items():
        print(f"not trained: {count} runs, for {reason} is not here", file=sys.stderr)
    return runs
