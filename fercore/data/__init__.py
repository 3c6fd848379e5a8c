"""Data sets, read into memory as uint8 and handed to the training loop as three splits."""

from typing import Any

from fercore.data.faces import FACES, load_faces
from fercore.data.splits import Images, Splits
from fercore.data.wmnist import W_MNIST_COUNTS, load_wmnist
from fercore.errors import ConfigError

DATASETS = ("wmnist", *FACES)


def load_data(data: str, **options: Any) -> Splits:
    """The train, validation and test splits of a data set.

    Args:
        data: "wmnist", "simfer", "simfer-id" or another name of DATASETS; "NAME:PATH" where its folder is not data/NAME.
        options: as `load_wmnist` or `load_faces` has them; `RunConfig.data_options` are those of a run.

    Raises:
        ConfigError: an unknown name.
        DataError: the data set is missing or damaged.
    """
    name, path = parse_name(data)
    return load_wmnist(**options) if name == "wmnist" else load_faces(name, path, **options)


def parse_name(data: str) -> tuple[str, str | None]:
    """ "rafdb:/faces/raf" -> ("rafdb", "/faces/raf"), "simfer" -> ("simfer", None); ConfigError for an unknown name."""
    name, colon, path = data.partition(":")
    if name not in DATASETS:
        raise ConfigError(f"unknown data set {name!r}; known: {', '.join(DATASETS)}")
    if colon and (name == "wmnist" or not path):
        raise ConfigError(
            f"{data!r}: " + ("wmnist takes no path" if name == "wmnist" else f"write {name}:PATH, or {name} alone")
        )
    return name, path or None


__all__ = ["DATASETS", "W_MNIST_COUNTS", "Images", "Splits", "load_data", "load_faces", "load_wmnist", "parse_name"]
