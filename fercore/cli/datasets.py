"""data make, data check."""

import argparse


def data_command(options: argparse.Namespace) -> int:
    from fercore.data.readers.table import READERS
    from fercore.data.simfer import make_simfer
    from fercore.errors import ConfigError
    from fercore.paths import shown

    if options.name not in ("wmnist", *READERS):
        raise ConfigError(f"unknown data set {options.name!r}; known: wmnist, {', '.join(READERS)}")
    if options.path and (options.action == "make" or options.name == "wmnist"):
        raise ConfigError(f"data {options.action} {options.name} takes no path; FERCORE_DATA moves the data folder")
    if options.action == "check":
        return check_command(options)
    if options.name == "wmnist":
        return print_wmnist()
    if options.name != "simfer":
        raise ConfigError(
            f"{options.name} cannot be fetched: its terms are to be accepted first; data/README.md says how to get it"
        )
    print(f"complete: {shown(make_simfer(options.preset))}")
    return 0


def check_command(options: argparse.Namespace) -> int:
    """0 where the data set agrees with its release, 1 where it does not."""
    from pathlib import Path

    from fercore.data.releases import check_dataset
    from fercore.errors import DataError
    from fercore.paths import data_dir, shown

    if options.name == "wmnist":
        if not (data_dir() / "MNIST" / "raw").exists():
            raise DataError(f"{shown(data_dir())}/MNIST/raw does not exist; `python -m fercore data make wmnist` fetches it")
        return print_wmnist()
    default = data_dir() / options.name / (options.preset if options.name == "simfer" else "")
    table, ok = check_dataset(options.name, Path(options.path).expanduser() if options.path else default)
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
