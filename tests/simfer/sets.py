"""A set small enough to be made in a second, and how tests ask for one and read what is true of it."""

import csv
import subprocess
import sys
from pathlib import Path

from simfer.dataset import Recipe

SMALL = Recipe(train=(4, 3, 3, 4, 3, 3, 4), test=(2, 1, 2, 1, 2, 1, 1), identities=(5, 3), size=24)


def simfer(*arguments: object, **more: object) -> subprocess.CompletedProcess:
    """`python -m simfer` with these arguments."""
    return subprocess.run([sys.executable, "-m", "simfer", *map(str, arguments)], capture_output=True, text=True, **more)


def truth(folder: Path) -> list[dict[str, str]]:
    """The rows of a set's simfer.csv."""
    with (folder / "simfer.csv").open() as lines:
        return list(csv.DictReader(lines))
