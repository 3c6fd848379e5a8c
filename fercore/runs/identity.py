"""Is a result about the data as they are now? Labels are mended, images exchanged, sets deleted; a run's id knows only a name.

W-MNIST is not asked: its files are checked by their MD5 whenever they are read. SimFER is what its seed draws, here and
elsewhere: a shipped result on it counts wherever it is read, and one that was trained here is compared while the set is here.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fercore.config import RunConfig
from fercore.data import load_data, parse_name
from fercore.errors import StoreError
from fercore.paths import data_dir
from fercore.progress import say_once
from fercore.runs.result import RunResult

if TYPE_CHECKING:  # who looks a run up on data that are not here needs no PyTorch
    from fercore.data import Splits


def facts_of(data: "Splits") -> dict[str, Any]:
    """What tells a set from another: fingerprints of images with labels and of all that is told of them, and a count."""
    labels = hashlib.sha256(repr(data.class_names).encode())
    for split in (data.train, data.val, data.test):
        for told in (split.labels, split.identities, split.sequences, split.votes):
            labels.update(b"" if told is None else told.cpu().numpy().tobytes())
    return {
        "data_fingerprint": data.fingerprint,
        "label_fingerprint": labels.hexdigest()[:16],
        "train_images": len(data.train),
    }


def describe_change(then: dict[str, Any], now: dict[str, Any]) -> str:
    """How two sets differ, by their `facts_of`; empty where they are one set, or where it was not recorded."""
    differs = {name for name, here in now.items() if then.get(name, here) != here}
    if "train_images" in differs:
        return f"{then['train_images']:,} training images then, {now['train_images']:,} now"
    if "label_fingerprint" in differs:
        return "its labels, people or sequences have changed"
    what = "images" if "label_fingerprint" in then else "images or labels"  # of old results nothing tells which
    return f"its {what} have changed" if differs else ""


def facts_now(data: str, options: tuple[tuple[str, Any], ...]) -> dict[str, Any] | None:
    """`facts_of` a set as it is now; None where it is not here. Nothing is fetched or rendered for the question."""
    from fercore.data.simfer import is_complete

    name, path = parse_name(data)
    settings = dict(options)
    if path is None and name.startswith("simfer"):
        here = is_complete(data_dir() / "simfer" / settings["preset"])
    else:
        here = (data_dir() / name if path is None else Path(path).expanduser()).is_dir()
    return facts_of(load_data(data, **settings)) if here else None


def is_made_here(config: RunConfig) -> bool:
    """Whether the set of a run is drawn from a seed, or checked by its sum whenever it is read."""
    name, path = parse_name(config.data)
    return path is None and name in ("wmnist", "simfer", "simfer-id")


def confirm(result: RunResult, now: dict[str, Any] | None) -> RunResult:
    """The result, where it is about the data as they are now.

    Raises:
        StoreError: they were changed since; it says how, and what to do.
    """
    config = result.config
    if now is None and not is_made_here(config):
        say_once(f"{config.data} is not here: results on it are about the images that they were trained on")
    elif now is not None and (change := describe_change(result.provenance, now)):
        mend = "train again with --fresh, or give the changed set a name of its own to keep both"
        raise StoreError(f"{config.id} was trained on other data than {config.data} is now ({change}); {mend}")
    return result
