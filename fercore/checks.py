"""What every loss does to its arguments first: checks with one clear line each, and one floating type for all of them.

Values are read on the CPU alone, and not while torch.compile traces: on a GPU reading them back would stall every step, and
in a graph it would be a break. Shapes and types are checked everywhere.
"""

import functools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

_nan_passes: ContextVar[bool] = ContextVar("nan_passes", default=False)


@contextmanager
def nan_passes() -> Iterator[None]:
    """Within it NaN and infinity are no error, and come out as such: the training loop tells by it, on every device alike,
    that a run has diverged.
    """
    token = _nan_passes.set(True)
    try:
        yield
    finally:
        _nan_passes.reset(token)


def is_readable(tensor: Tensor) -> bool:
    """Whether the values of `tensor` are checked."""
    return not torch.compiler.is_compiling() and tensor.device.type == "cpu"


def check_tensor(name: str, value: Tensor) -> None:
    """Raise TypeError unless `value` is a tensor: no list, no array."""
    if not isinstance(value, Tensor):
        mend = "its `centers` is one" if hasattr(value, "centers") else "torch.as_tensor makes one of it"
        raise TypeError(f"{name} must be a tensor, got {type(value).__name__}; {mend}")


def check_floating(name: str, value: Tensor) -> None:
    """Raise TypeError unless `value` is a tensor of a real floating type."""
    check_tensor(name, value)
    if not value.is_floating_point():
        raise TypeError(f"{name} must be floating point, got {value.dtype}")


def check_finite(name: str, tensor: Tensor) -> None:
    """Raise ValueError if `tensor` holds NaN or infinity, unless within `nan_passes`."""
    if not is_readable(tensor) or _nan_passes.get() or math.isfinite(tensor.detach().sum()):  # the sum is quick
        return
    if count := int((~tensor.isfinite()).sum()):
        places = f"{count} of {tensor.numel()} places of {list(tensor.shape)}"
        raise ValueError(f"{name} must be finite, got NaN or infinity in {places}")


def finite(loss: Tensor, **arguments: Tensor) -> Tensor:
    """`loss`; where it is not finite, ValueError names the argument that is to blame, if any is, as `check_finite`.

    A look at one number in the place of all: for losses that anything not finite in these arguments makes so too.
    """
    if is_readable(loss) and not math.isfinite(loss.detach()):
        for name, argument in arguments.items():
            check_finite(name, argument)
    return loss


def check_embeddings(embeddings: Tensor, labels: Tensor, centers: Tensor | None = None) -> None:
    """Raise ValueError or TypeError unless embeddings [m, D], labels [m] and centers [K, D] fit each other and are finite."""
    check_fit(embeddings, labels, centers)
    check_finite("embeddings", embeddings)
    if centers is not None:
        check_finite("centers", centers)


def check_fit(embeddings: Tensor, labels: Tensor, centers: Tensor | None = None) -> None:
    """As `check_embeddings`, for a loss that ends with `finite`."""
    check_floating("embeddings", embeddings)
    if embeddings.ndim != 2 or len(embeddings) == 0:
        raise ValueError(f"embeddings must have shape [m, D] with m >= 1, got {list(embeddings.shape)}")
    check_classes("labels", labels, len(embeddings))
    if centers is None:
        return
    check_floating("centers", centers)
    if centers.ndim != 2 or centers.shape[1] != embeddings.shape[1]:
        raise ValueError(f"centers must have shape [K, {embeddings.shape[1]}], got {list(centers.shape)}")
    check_range("labels", labels, len(centers))


def check_classes(name: str, classes: Tensor, size: int) -> None:
    """Raise ValueError or TypeError unless `classes` holds `size` integers."""
    check_tensor(name, classes)
    if classes.shape != (size,):
        raise ValueError(f"{name} must have shape [{size}], one for each sample, got {list(classes.shape)}")
    if classes.is_floating_point() or classes.is_complex() or classes.dtype == torch.bool:
        raise TypeError(f"{name} must be integers, got {classes.dtype}")


def check_range(name: str, classes: Tensor, num_classes: int) -> None:
    """Raise ValueError unless every class is one of 0..K-1."""
    if not is_readable(classes):
        return
    lowest, highest = (int(value) for value in classes.long().aminmax())
    if not 0 <= lowest <= highest < num_classes:
        raise ValueError(f"{name} must lie in 0..{num_classes - 1}, one of the {num_classes} centers, got {lowest}..{highest}")


def check_like(name: str, tensor: Tensor, other: Tensor) -> None:
    """Raise ValueError or TypeError unless `tensor` is floating point, finite, and has the other's shape."""
    check_shape(name, tensor, other)
    check_finite(name, tensor)


def check_shape(name: str, tensor: Tensor, other: Tensor) -> None:
    """Raise ValueError or TypeError unless `tensor` is floating point and has the other's shape."""
    check_floating(name, tensor)
    if tensor.shape != other.shape:
        raise ValueError(f"{name} must have shape {list(other.shape)}, got {list(tensor.shape)}")


def check_attention(attention: Tensor, embeddings: Tensor) -> None:
    """Raise ValueError or TypeError unless attention is a weight in [0, 1] for every dimension of every embedding."""
    check_shape("attention", attention, embeddings)
    if not is_readable(attention):
        return
    lowest, highest = (float(value) for value in attention.detach().aminmax())
    if 0 <= lowest <= highest <= 1:
        return
    check_finite("attention", attention)
    if lowest < 0 or highest > 1:  # NaN, where it may pass, is neither
        raise ValueError(f"attention must lie in [0, 1], got {lowest:.4g}..{highest:.4g}")


def check_rows(name: str, rows: Tensor, dim: int | None = None, *, least: int = 0) -> None:
    """Raise ValueError or TypeError unless `rows` is floating point, finite, and of shape [n, D] with n >= least."""
    check_floating(name, rows)
    size = "D" if dim is None else dim
    if rows.ndim != 2 or len(rows) < least or (dim is not None and rows.shape[1] != dim):
        raise ValueError(f"{name} must have shape [n, {size}] with n >= {least}, got {list(rows.shape)}")
    check_finite(name, rows)


def check_real(name: str, value: float) -> None:
    """Raise TypeError where `value` is text or None."""
    if value is None or isinstance(value, str):
        raise TypeError(f"{name} must be a number, got {value!r}")


def check_number(name: str, value: float, *, least: float = -math.inf) -> None:
    """Raise ValueError or TypeError unless `value` is a number, finite and no smaller than `least`."""
    check_real(name, value)
    if not (math.isfinite(value) and value >= least):
        wanted = "a finite number" if least == -math.inf else f"a finite number of at least {least:g}"
        raise ValueError(f"{name} must be {wanted}, got {value}")


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def at_least_float32(tensor: Tensor) -> Tensor:
    """Half precision raised to float32, in which every loss is computed; float32 and float64 as they are."""
    return tensor.float() if tensor.element_size() < 4 else tensor


def promoted(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All of them in the widest type among them, float32 at the least: what every loss is computed in, and comes out in."""
    dtype = functools.reduce(torch.promote_types, (tensor.dtype for tensor in tensors), torch.float32)
    return tuple(tensor.to(dtype) for tensor in tensors)
