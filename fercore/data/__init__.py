"""Data sets, read into memory as uint8 and handed to the training loop as three splits."""

from fercore.data.splits import Images, Splits
from fercore.data.wmnist import W_MNIST_COUNTS, load_wmnist
from fercore.errors import ConfigError

DATASETS = {"wmnist": load_wmnist}


def load_data(name: str, *, fraction: float, val_fraction: float) -> Splits:
    """The train, validation and test splits of data set `name`; see each reader for what it raises."""
    if name not in DATASETS:
        raise ConfigError(f"unknown data set {name!r}; known: {', '.join(DATASETS)}")
    return DATASETS[name](fraction=fraction, val_fraction=val_fraction)


__all__ = ["DATASETS", "W_MNIST_COUNTS", "Images", "Splits", "load_data", "load_wmnist"]
