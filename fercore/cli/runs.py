"""train, sweep, predict."""

import argparse
import itertools

from fercore.cli.options import literal, make_config, split_pair
from fercore.cli.papers import find_experiments, find_tables
from fercore.parallel.torchrun import rank

# --- the commands; each imports what it needs, so that `--help` and errors come at once ---------------------------------


def train_command(options: argparse.Namespace) -> None:
    from fercore.runs.local import local_folder
    from fercore.train import train

    config = make_config(options, ("seed", options.seed))
    more = {"sync_batchnorm": options.sync_batchnorm, "compiled": options.compile}
    result = train(config, device=options.device, precision=options.precision, fresh=options.fresh, **more)
    if rank() > 0:
        return
    print(describe(result))
    if result.diverged:
        print("a diverged run is a result too; a lower lr or gamma, or normalization=released, may train (chapter 02)")
    print(f"stored in {shown_location(result, local_folder(config))}")


def sweep_command(options: argparse.Namespace) -> None:
    """Every run's line in a table, also where some failed: their reasons come after it, as the error."""
    from fercore.errors import ConfigError, SweepError
    from fercore.parallel.executors import slurm_executor
    from fercore.sweep import sweep

    if options.table:
        if options.experiment or options.set or options.grid or options.profile == "laptop":
            raise ConfigError("--table says what trains, at profile paper; leave out --experiment, --profile, --set and --grid")
        configs = find_tables(options.table)
    elif options.experiment:
        configs = [config for runs in find_experiments(options.experiment, options.profile).values() for config in runs]
    else:
        grid = [[(key, value) for value in values.split(",")] for key, values in map(split_pair, options.grid)]
        configs = [
            make_config(options, *choice, ("seed", seed))
            for choice in itertools.product(*grid)
            for seed in options.seeds.split(",")
        ]
    executor = slurm_executor({key: literal(value) for key, value in map(split_pair, options.slurm)}) if options.slurm else None
    try:
        sweep(configs, executor, device=options.device, precision=options.precision, fresh=options.fresh)
    except SweepError:
        print(sweep_table(configs, options.fresh))
        raise
    print(sweep_table(configs, options.fresh))


def predict_command(options: argparse.Namespace) -> None:
    from fercore.trained import predict

    names, probabilities = predict(options.images, options.source, device=options.device)
    for image, row in zip(options.images, probabilities, strict=True):
        print(f"{image}: " + ", ".join(f"{names[k]} {row[k]:.3f}" for k in (-row).argsort()))


def sweep_table(configs: list, fresh: bool) -> str:
    """Run, status, test accuracy and seconds of every config, once."""
    from fercore.runs.find import find_result

    width = max((len(config.id) for config in configs), default=0)
    lines = [f"{'run':{width}}  {'status':8}  accuracy  balanced  seconds"]
    for config in dict.fromkeys(configs):
        result = find_result(config, fresh=fresh)
        if result is None or result.diverged:
            lines.append(f"{config.id:{width}}  {result.status if result else 'failed'}")
        else:
            numbers = f"{100 * result.accuracy:6.2f} %  {100 * result.balanced_accuracy:6.2f} %"
            lines.append(f"{config.id:{width}}  {result.status:8}  {numbers}  {result.provenance['seconds']:7.0f}")
    return "\n".join(lines)


def describe(result) -> str:
    """One line: the run and its test numbers."""
    if result.diverged:
        return f"{result.config.id}: diverged in epoch {result.epochs[-1]['epoch']}"
    numbers = f"test accuracy {100 * result.accuracy:.2f} %, balanced {100 * result.balanced_accuracy:.2f} %"
    return f"{result.config.id}: {numbers} ({result.provenance['seconds']:.0f} s)"


def shown_location(result, folder) -> str:
    from fercore.paths import shown

    return shown(folder if result.array_file.parent == folder else result.array_file.with_suffix(".json"))
