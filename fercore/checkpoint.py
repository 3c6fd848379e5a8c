"""Save a training between epochs, and take it up again bit for bit."""

from pathlib import Path
from typing import Any

import torch

from fercore.errors import StoreError
from fercore.paths import shown


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, text, lists and dictionaries of these) at once or not at all."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The saved state on the CPU, or None where there is none. Nothing in the file is executed.

    Raises:
        StoreError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds: RuntimeError, UnpicklingError, EOFError, ...
        reason = str(error).splitlines()[0]
        raise StoreError(f"{shown(path)} is damaged ({reason}); delete it to start this run again") from None
