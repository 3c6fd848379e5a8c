"""Data sets, read into memory as uint8 and handed to the training loop as three splits.

What needs PyTorch is imported when it is asked for: a config, `--help` and the errors of a command line do without.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fercore.data.names import DATASETS, parse_name

if TYPE_CHECKING:
    from fercore.data.faces import load_faces
    from fercore.data.splits import Images, Splits
    from fercore.data.wmnist import W_MNIST_COUNTS, load_wmnist

__all__ = ["DATASETS", "W_MNIST_COUNTS", "Images", "Splits", "load_data", "load_faces", "load_wmnist", "parse_name"]
LAZY = {"Images": "splits", "Splits": "splits", "W_MNIST_COUNTS": "wmnist", "load_faces": "faces", "load_wmnist": "wmnist"}


def __getattr__(name: str) -> Any:
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{LAZY[name]}"), name)


def load_data(data: str, **options: Any) -> "Splits":
    """The train, validation and test splits of a data set.

    Args:
        data: "wmnist", "simfer", "simfer-id" or another name of DATASETS; "NAME:PATH" where its folder is not data/NAME.
        options: as `load_wmnist` or `load_faces` has them; `RunConfig.data_options` are those of a run.

    Raises:
        ConfigError: an unknown name.
        DataError: the data set is missing or damaged.
    """
    from fercore.data.faces import load_faces
    from fercore.data.wmnist import load_wmnist

    name, path = parse_name(data)
    return load_wmnist(**options) if name == "wmnist" else load_faces(name, path, **options)
