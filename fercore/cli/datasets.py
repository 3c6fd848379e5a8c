"""data make, data check."""

import argparse
from pathlib import Path
from typing import Any

from fercore.cli.options import add_command, add_flag, split_pair
from fercore.config import KEYS, OF_SOME_SETS, config_from
from fercore.data.names import DATASETS, parse_name
from fercore.errors import ConfigError, DataError
from fercore.paths import data_dir, shown

OF_CHECK = (*OF_SOME_SETS, "val_fraction", "doubtful")  # what decides how a set is read and divided
ON_DISK = [name for name in DATASETS if name != "simfer-id"]  # which reads a preset of simfer


def add_commands(commands: Any) -> None:
    data = add_command(commands, "data", data_command, "fetch or check a data set")
    data.add_argument("action", choices=("make", "check"), help="make: fetch or render it; check: hold it against its release")
    data.add_argument("name", help=", ".join(ON_DISK))
    data.add_argument("path", nargs="?", help="check: its folder (default: data/NAME, data/simfer/PRESET)")
    data.add_argument("--preset", default="quick", help="of simfer (default: quick)")
    data.set_defaults(set=[])
    for key in OF_CHECK:
        add_flag(data, KEYS[key])


def data_command(options: argparse.Namespace) -> int:
    if not options.path and ":" in options.name:  # as --data has it
        options.name, _, options.path = options.name.partition(":")
    if options.name not in ON_DISK:
        raise ConfigError(f"unknown data set {options.name!r}; known: {', '.join(ON_DISK)}")
    if options.path and (options.action == "make" or options.name == "wmnist"):
        raise ConfigError(f"data {options.action} {options.name} takes no path; FERCORE_DATA moves the data folder")
    if options.set and options.action == "make":
        raise ConfigError("data make takes nothing but --preset; how a set is read is said to check and train")
    if options.action == "check":
        return check_command(options)
    if options.name == "wmnist":
        return print_wmnist()
    if options.name != "simfer":
        mend = "data/README.md of the repository says how to get it"
        raise ConfigError(f"{options.name} cannot be fetched: its terms are to be accepted first; {mend}")

    from fercore.data.simfer import make_simfer

    print(f"complete: {shown(make_simfer(options.preset))}")
    return 0


def check_command(options: argparse.Namespace) -> int:
    """0 where the data set agrees with its release, 1 where it does not; it is read as a training with these flags would."""
    place = f"{options.name}:{options.path}" if options.path else options.name
    config = config_from({"method": "softmax", "data": place} | dict(map(split_pair, options.set)))
    if options.name == "wmnist":
        if not (data_dir() / "MNIST" / "raw").exists():
            raise DataError(f"{shown(data_dir())}/MNIST/raw does not exist; `python -m fercore data make wmnist` fetches it")
        return print_wmnist()

    from fercore.data.releases import check_dataset

    default = data_dir() / options.name / (options.preset if options.name == "simfer" else "")
    how = {key: getattr(config, key) for key in OF_CHECK if getattr(config, key) is not None}
    table, ok = check_dataset(options.name, Path(parse_name(config.data)[1] or default), **how)
    print(table)
    return 0 if ok else 1


def print_wmnist() -> int:
    """Fetch W-MNIST where it is missing, check it, and print its counts."""
    from fercore.data import load_wmnist

    splits = load_wmnist()
    print("split   images  " + "  ".join(f"{name:>5}" for name in splits.class_names))
    for name in ("train", "val", "test"):
        labels = getattr(splits, name).labels
        counts = labels.bincount(minlength=splits.num_classes).tolist()
        print(f"{name:5}  {len(labels):7,}  " + "  ".join(f"{count:5d}" for count in counts))
    return 0
