"""What is told on stderr meanwhile: progress, and what is worth a line once.

Progress is one line, rewritten in a terminal; a log file gets a new one every ten seconds.
"""

import os
import sys
from collections.abc import Iterable
from functools import cache
from typing import Any

from tqdm import tqdm


def is_quiet() -> bool:
    """Whether FERCORE_PROGRESS=0 asks for no progress lines."""
    return os.environ.get("FERCORE_PROGRESS") == "0"


def progress_bar(label: str, over: Iterable[Any] | None = None, *, quiet: bool = False, **options: Any) -> tqdm:
    """A bar with this label, over items or, where there are none, over a `total` that is told; options are tqdm's."""
    every = 0.5 if sys.stderr.isatty() else 10
    return tqdm(over, label, file=sys.stderr, mininterval=every, disable=quiet or is_quiet(), **options)


@cache
def say_once(line: str) -> None:
    """A set is loaded, and a store looked at, many times in a process."""
    print(line, file=sys.stderr)
