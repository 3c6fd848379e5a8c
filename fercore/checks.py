"""What every loss does to its arguments first: checks with one clear line each, and float32 at the least."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

_nan_passes: ContextVar[bool] = ContextVar("nan_passes", default=False)


@contextmanager
def nan_passes() -> Iterator[None]:
    """Within it NaN is no error, and comes out as NaN: the training loop tells by it, on every device alike, that a run
    has diverged.
    """
    token = _nan_passes.set(True)
    try:
        yield
    finally:
        _nan_passes.reset(token)


def refuse_nan(name: str, tensor: Tensor) -> None:
    """Raise ValueError if `tensor` holds NaN, unless within `nan_passes`; a GPU is not asked, which would stall it."""
    if _nan_passes.get() or tensor.device.type != "cpu" or math.isfinite(tensor.detach().sum()):  # the sum is quick
        return
    if count := int(tensor.isnan().sum()):
        raise ValueError(f"{name} must be numbers, got NaN in {count} of {tensor.numel()} places of {list(tensor.shape)}")


def check_embeddings(embeddings: Tensor, labels: Tensor, centers: Tensor | None = None) -> None:
    """Raise ValueError or TypeError unless embeddings [m, D], labels [m] and centers [K, D] fit each other.

    Label values are read on the CPU alone: reading them back from a GPU would stall it at every step.
    """
    if embeddings.ndim != 2 or len(embeddings) == 0:
        raise ValueError(f"embeddings must have shape [m, D] with m >= 1, got {list(embeddings.shape)}")
    if not embeddings.is_floating_point():
        raise TypeError(f"embeddings must be floating point, got {embeddings.dtype}")
    refuse_nan("embeddings", embeddings)
    check_classes("labels", labels, len(embeddings))
    if centers is None:
        return
    if centers.ndim != 2 or centers.shape[1] != embeddings.shape[1]:
        raise ValueError(f"centers must have shape [K, {embeddings.shape[1]}], got {list(centers.shape)}")
    refuse_nan("centers", centers)
    check_range("labels", labels, len(centers))


def check_classes(name: str, classes: Tensor, size: int) -> None:
    """Raise ValueError or TypeError unless `classes` holds `size` integers."""
    if classes.shape != (size,):
        raise ValueError(f"{name} must have shape [{size}], one for each sample, got {list(classes.shape)}")
    if classes.is_floating_point() or classes.is_complex() or classes.dtype == torch.bool:
        raise TypeError(f"{name} must be integers, got {classes.dtype}")


def check_range(name: str, classes: Tensor, num_classes: int) -> None:
    """Raise ValueError unless every class is one of 0..K-1."""
    if classes.device.type == "cpu" and not 0 <= int(classes.min()) <= int(classes.max()) < num_classes:
        raise ValueError(
            f"{name} must lie in 0..{num_classes - 1}, one of the {num_classes} centers, "
            f"got {int(classes.min())}..{int(classes.max())}"
        )


def check_like(name: str, tensor: Tensor, embeddings: Tensor) -> None:
    """Raise ValueError or TypeError unless `tensor` is floating point and has the embeddings' shape."""
    if tensor.shape != embeddings.shape:
        raise ValueError(f"{name} must have shape {list(embeddings.shape)}, got {list(tensor.shape)}")
    if not tensor.is_floating_point():
        raise TypeError(f"{name} must be floating point, got {tensor.dtype}")
    refuse_nan(name, tensor)


def check_attention(attention: Tensor, embeddings: Tensor) -> None:
    """Raise ValueError or TypeError unless attention is a weight in [0, 1] for every dimension of every embedding."""
    check_like("attention", attention, embeddings)
    if attention.device.type == "cpu" and bool(((attention < 0) | (attention > 1)).any()):
        raise ValueError(f"attention must lie in [0, 1], got {attention.min():.4g}..{attention.max():.4g}")


def check_rows(name: str, rows: Tensor, dim: int | None = None, *, least: int = 0) -> None:
    """Raise ValueError or TypeError unless `rows` is floating point of shape [n, D] with n >= least."""
    size = "D" if dim is None else dim
    if rows.ndim != 2 or len(rows) < least or (dim is not None and rows.shape[1] != dim):
        raise ValueError(f"{name} must have shape [n, {size}] with n >= {least}, got {list(rows.shape)}")
    if not rows.is_floating_point():
        raise TypeError(f"{name} must be floating point, got {rows.dtype}")
    refuse_nan(name, rows)


def check_number(name: str, value: float, *, least: float = -math.inf) -> None:
    """Raise ValueError unless `value` is finite and no smaller than `least`."""
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
