"""train, sweep, predict."""

import argparse
import itertools
from typing import Any

from fercore.cli.options import (
    OWN_OPTIONS,
    add_command,
    add_config_options,
    add_format,
    formatted,
    literal,
    make_config,
    split_pair,
)
from fercore.cli.papers import find_experiments, find_tables, that_train_here
from fercore.config import RunConfig
from fercore.errors import ConfigError, SweepError
from fercore.parallel.torchrun import rank
from fercore.paths import printable, shown

SEEDS = "0,1,2"


def add_commands(commands: Any) -> None:
    add_train(commands)
    add_sweep(commands)
    look = add_command(
        commands,
        "predict",
        predict_command,
        "class probabilities of image files, one line an image; a face should fill each, nothing finds or aligns one",
    )
    look.add_argument("images", nargs="+", metavar="IMAGE")
    look.add_argument("--run", required=True, dest="source", metavar="RUN", help="a run's id, or a file in its folder")
    look.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    look.add_argument("--epoch", default="best", choices=("best", "last"), help="best on validation, or last (default: best)")


def add_train(commands: Any) -> None:
    one = add_command(commands, "train", train_command, "train one run, or show its stored result")
    one.add_argument("--like", metavar="RUN", help="repeat the run of this id from its record; a --KEY changes it")
    one.add_argument("--seed", default="0", help="of everything that is drawn (default: 0)")
    one.add_argument("--sync-batchnorm", action="store_true", help="under torchrun: normalize by the whole batch")
    one.add_argument("--compile", action="store_true", help="by torch.compile: slow to begin, then faster on a GPU")
    add_config_options(one)
    one.set_defaults(**dict.fromkeys(OWN_OPTIONS))  # what --like says stays where an option does not
    one.epilog = (
        "Several processes train one run together: `torchrun --nproc-per-node 2 -m fercore train ...`. Each takes its share "
        "of every batch (batch_size counts all of them); the first one writes and prints."
    )


def add_sweep(commands: Any) -> None:
    many = add_command(commands, "sweep", sweep_command, "train many runs, one process a core; finished ones are skipped")
    many.add_argument("--seeds", help=f"comma-separated (default: {SEEDS})")
    many.add_argument("--grid", action="append", default=[], metavar="KEY=V1,V2", help="try each value; may be repeated")
    many.add_argument(
        "--experiment",
        action="append",
        help="a table or figure of the course instead of a method; 'all' is all of them, without the tables of --table",
    )
    many.add_argument(
        "--table",
        action="append",
        help="a table as published, on its own data and at profile paper: 'table 3.3', or 'all' of those whose data are here",
    )
    many.add_argument(
        "--slurm",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="each run is a SLURM job, with this sbatch option as submitit names it (partition=gpu, time=120); may be repeated",
    )
    add_format(many)
    add_config_options(many)
    many.set_defaults(method=None, data=None)  # a table or an experiment has its own


# --- the commands -------------------------------------------------------------------------------------------------------


def train_command(options: argparse.Namespace) -> None:
    from fercore.runs.find import find_record

    record = None if options.like is None else find_record(options.like)
    base = record.config.to_dict() if record else OWN_OPTIONS
    config = make_config(options, ("seed", options.seed), base=base)
    repeats = record is not None and record.config == config

    import torch

    from fercore.runs.session import made_otherwise
    from fercore.train import train

    if repeats and record.provenance["device"].startswith("cpu"):  # where the number of threads changes how sums are rounded
        torch.set_num_threads(record.provenance["threads"])
    precision = record.provenance.get("precision", "fp32") if repeats else options.precision
    more = {"sync_batchnorm": options.sync_batchnorm, "compiled": options.compile}
    result = train(config, device=options.device, precision=precision, fresh=options.fresh or repeats, **more)
    if rank() > 0:
        return
    print(describe(result))
    if repeats:
        same = result.test == record.test
        print("as recorded, number for number" if same else f"recorded: {describe(record)}")
    if others := made_otherwise(record, result) if repeats else made_otherwise(result):
        print(f"{'recorded' if repeats else 'stored'} with {', '.join(others)}")
    if result.diverged:
        smaller = "lr or gamma" if config.gamma else "lr"
        released = ", or normalization=released," * (config.normalization == "paper")
        print(f"a diverged run is a result too; a lower {smaller}{released} may train (chapter 02)")
    print(f"stored in {shown(result.array_file.parent)}")


def sweep_command(options: argparse.Namespace) -> None:
    """Every run's line in a table, also where some failed: their reasons come after it, as the error."""
    configs = sweep_configs(options)

    from fercore.parallel.executors import slurm_executor
    from fercore.sweep import sweep

    executor = slurm_executor({key: literal(value) for key, value in map(split_pair, options.slurm)}) if options.slurm else None
    try:
        sweep(configs, executor, device=options.device, precision=options.precision, fresh=options.fresh)
    except SweepError:
        print(sweep_table(configs, options))
        raise
    print(sweep_table(configs, options))


def sweep_configs(options: argparse.Namespace) -> list[RunConfig]:
    """What `sweep` is to train: published tables, the course's experiments, or a method with each seed and grid value."""
    given = [f"--{name}" for name in ("method", "data", "seeds", "set", "grid") if getattr(options, name)]
    if given and (options.table or options.experiment):
        named = "--table" if options.table else "--experiment"
        raise ConfigError(f"{named} says what trains, with which seeds and keys; leave out {', '.join(given)}")
    if options.table:
        if options.experiment or options.profile == "laptop":
            raise ConfigError("--table says what trains, at profile paper; leave out --experiment and --profile")
        return that_train_here(find_tables(options.table), options.table)
    if options.experiment:
        rows = find_experiments(options.experiment, options.profile)
        return that_train_here((config for runs in rows.values() for config in runs), options.experiment)
    grid = [[(key, value) for value in values.split(",")] for key, values in map(split_pair, options.grid)]
    seeds = (options.seeds or SEEDS).split(",")
    return [make_config(options, *choice, ("seed", seed)) for choice in itertools.product(*grid) for seed in seeds]


def predict_command(options: argparse.Namespace) -> None:
    from fercore.runs.find import find_run

    find_run(options.source)  # names an unknown run, before PyTorch is loaded

    from fercore.trained import predict

    names, probabilities = predict(options.images, options.source, device=options.device, epoch=options.epoch)
    for image, row in zip(options.images, probabilities, strict=True):
        print(f"{printable(image)}: " + ", ".join(f"{names[k]} {row[k]:.3f}" for k in (-row).argsort()))


def sweep_rows(configs: list[RunConfig], fresh: bool) -> list[dict[str, Any]]:
    """Run, status, test accuracies (0..1) and seconds of every config, once; what did not finish has no numbers."""
    from fercore.runs.find import find_results

    rows, configs = [], list(dict.fromkeys(configs))
    for config, result in zip(configs, find_results(configs, fresh=fresh), strict=True):
        told = result is not None and not result.diverged
        rows.append(
            {
                "run": config.id,
                "status": result.status if result else "failed",
                "accuracy": result.accuracy if told else None,
                "balanced accuracy": result.balanced_accuracy if told else None,
                "seconds": result.provenance["seconds"] if told else None,
            }
        )
    return rows


def sweep_table(configs: list[RunConfig], options: argparse.Namespace) -> str:
    """`sweep_rows` as `options.format` asks."""
    rows = sweep_rows(configs, options.fresh)
    if options.format != "text":
        return formatted(rows, options.format)
    width = max((len(row["run"]) for row in rows), default=0)
    lines = [f"{'run':{width}}  {'status':8}  accuracy  balanced  seconds"]
    for row in rows:
        line = f"{row['run']:{width}}  {row['status']:8}"
        if row["accuracy"] is not None:
            line += f"  {100 * row['accuracy']:6.2f} %  {100 * row['balanced accuracy']:6.2f} %  {row['seconds']:7.0f}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def describe(result) -> str:
    """One line: the run and its test numbers."""
    if result.diverged:
        last = result.epochs[-1]
        return f"{result.config.id}: diverged in epoch {last['epoch']}, by step {last['step']}"
    numbers = f"test accuracy {100 * result.accuracy:.2f} %, balanced {100 * result.balanced_accuracy:.2f} %"
    return f"{result.config.id}: {numbers} ({result.provenance['seconds']:.0f} s)"
