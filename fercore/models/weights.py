"""Load published weights into a network's trunk, and never less than the whole of it."""

import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from fercore.errors import DataError
from fercore.paths import shown


@dataclass(frozen=True)
class WeightsReport:
    """What `load_weights` did, in keys.

    Attributes:
        matched: keys of the trunk that were loaded.
        missing: keys of the trunk that the source lacks: at most batch counters, which nothing here uses.
        unexpected: keys of the source that were left out: the classifier of its own classes, an optimizer's state.
    """

    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]


def load_weights(model: nn.Module, source: str | Path) -> WeightsReport:
    """Load the weights of `source` into `model.trunk`; the model's classifier keeps its own.

    Packagings differ: weights may lie in nested dictionaries ("state_dict", "model", ...) and their names begin with
    "module.", "backbone.", "encoder." or others. The beginning under which most of the trunk's names are found is
    taken off; where two serve equally (a network and its moving average), the one that comes first in the file.

    Args:
        model: a network with a `trunk`, such as FERNet.
        source: "imagenet" (torchvision's IMAGENET1K_V1 for the trunk), or a file: .safetensors, or .pth, .pt or any
            other ending that `torch.save` wrote. Nothing in a file is executed.

    Raises:
        DataError: the source cannot be fetched or read, or any weight of the trunk is not in it with the same shape.
    """
    trunk = model.trunk
    wanted = trunk.state_dict()
    found = imagenet_weights(trunk.name) if source == "imagenet" else read_weights(Path(source))
    name = "the imagenet weights" if source == "imagenet" else shown(Path(source))
    start = best_prefix(wanted, found)
    matched = tuple(key for key in wanted if start + key in found)
    missing = tuple(key for key in wanted if start + key not in found)
    unexpected = tuple(key for key in found if key.removeprefix(start) not in wanted or not key.startswith(start))
    check_match(name, wanted, found, start, missing)
    trunk.load_state_dict({key: found[start + key] for key in matched}, strict=False)
    return WeightsReport(matched, missing, unexpected)


def check_match(
    name: str, wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], start: str, missing: tuple[str, ...]
) -> None:
    """Raise DataError unless the trunk is in the source, whole, alike in shape, no deeper, and finite."""
    lacking = [key for key in missing if not key.endswith("num_batches_tracked")]
    if lacking:
        raise DataError(
            f"{name} does not hold this network's trunk: {len(lacking)} of {len(wanted)} weights are missing; "
            f"the network has {first_of(lacking)}, the source has {first_of(found)}"
        )
    for key, value in wanted.items():
        other = found.get(start + key, value)
        if other.shape != value.shape:
            raise DataError(
                f"{name} is of another network: {start + key} has shape {list(other.shape)}, this network's {key} "
                f"{list(value.shape)}; compare trunk, width and crop (which decides the first convolution)"
            )
        if not other.isfinite().all():
            raise DataError(f"{name}: {start + key} has values that are not finite; take another copy of the file")
    stages = {key.split(".")[0] for key in wanted}
    known = {start + key for key in wanted}
    deeper = [key for key in found if key.startswith(start) and key not in known and key[len(start) :].split(".")[0] in stages]
    if deeper:
        raise DataError(f"{name} is of a deeper network: this one has no {first_of(deeper)}; choose the trunk it was made for")


def best_prefix(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """The text before the trunk's names in `found` that finds most of them; the first such."""
    anchor = next(iter(wanted))
    candidates = [key.removesuffix(anchor) for key in found if key == anchor or key.endswith(f".{anchor}")]
    return max(candidates, key=lambda start: sum(start + key in found for key in wanted), default="")


def first_of(keys: Any, count: int = 3) -> str:
    """The first few of `keys`, for an error."""
    keys = list(keys)
    return ", ".join(keys[:count]) + (", ..." if len(keys) > count else "") if keys else "none"


# --- where weights come from --------------------------------------------------------------------------------------------


def imagenet_weights(trunk: str) -> dict[str, Tensor]:
    """torchvision's weights, from its cache or else from its hub.

    Raises:
        DataError: they are not in the cache and cannot be fetched.
    """
    from torchvision.models import get_model_weights

    weights = get_model_weights(trunk).IMAGENET1K_V1  # the ones of 2015 to 2020, which the papers had
    cache = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    try:
        return weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except Exception as error:  # URLError, TimeoutError, RuntimeError (wrong hash), UnpicklingError, EOFError
        reason = str(getattr(error, "reason", None) or error or type(error).__name__).splitlines()[0]
    if cache.exists():
        raise DataError(f"{shown(cache)} is damaged ({reason}); delete it, and it is fetched again")
    raise DataError(
        f"the imagenet weights of {trunk} could not be fetched ({reason}): put {cache.name} into {shown(cache.parent)}, "
        f"or choose pretrained=simfer-id or pretrained=none"
    )


def read_weights(path: Path) -> dict[str, Tensor]:
    """Every tensor of a file, nested names joined by dots.

    Raises:
        DataError: no such file, truncated, not a file of weights, or one with code in it.
    """
    if not path.is_file():
        raise DataError(
            f"{shown(path)}: {'not a file' if path.exists() else 'file not found'}; name a .pth, .pt or .safetensors"
        )
    try:
        with warnings.catch_warnings(action="ignore"):  # of old pickle protocols: the file loads, or is refused below
            content = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds: RuntimeError, UnpicklingError, EOFError, KeyError, ...
        if refused := re.search(r"Unsupported global: GLOBAL ([\w.]+)", str(error)):
            reason = f"holds the Python object {refused[1]}, which is not loaded; save the network's state_dict() alone"
        else:
            reason = f"is damaged, or no file of weights ({type(error).__name__}); fetch it again"
        raise DataError(f"{shown(path)} {reason}") from None
    if not isinstance(content, Mapping):
        raise DataError(f"{shown(path)} holds a {type(content).__name__}, not named weights; save the network's state_dict()")
    return dict(named_tensors(content))


def named_tensors(content: Mapping[Any, Any], start: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor in nested dictionaries, under its names joined by dots."""
    for name, value in content.items():
        if isinstance(value, Tensor):
            yield f"{start}{name}", value
        elif isinstance(value, Mapping):
            yield from named_tensors(value, f"{start}{name}.")
