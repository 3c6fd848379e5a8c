"""The names of the data sets, and what a run's `data` says; without PyTorch, so that errors come at once."""

from fercore.errors import ConfigError

FACES = ("simfer", "simfer-id", "rafdb", "affectnet", "fer2013", "ckplus", "mmi", "sfew")
DATASETS = ("wmnist", *FACES)


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
