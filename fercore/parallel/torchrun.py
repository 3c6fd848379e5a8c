"""What torchrun says in the environment of each process that it starts; without PyTorch, so that errors come at once."""

import os

from fercore.errors import ConfigError


def launched() -> int:
    """The number of processes that torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def rank() -> int:
    """This process's number, 0 for the first."""
    return int(os.environ["RANK"]) if launched() > 1 else 0


def local_rank() -> int:
    """This process's number on its machine: which GPU is its own, and whether it is the one that speaks."""
    return int(os.environ.get("LOCAL_RANK", rank())) if launched() > 1 else 0


def require_one_process(what: str) -> None:
    """Raise ConfigError under torchrun."""
    if launched() > 1:
        raise ConfigError(f"{what} does not run under torchrun, which is for one training: `torchrun ... -m fercore train`")
