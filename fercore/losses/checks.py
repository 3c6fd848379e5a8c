"""What every loss does to its arguments first: checks with one clear line each, and float32 at the least."""

import torch
from torch import Tensor


def check_embeddings(embeddings: Tensor, labels: Tensor, centers: Tensor | None = None) -> None:
    """Raise ValueError or TypeError unless embeddings [m, D], labels [m] and centers [K, D] fit each other.

    Label values are read on the CPU alone: reading them back from a GPU would stall it at every step.
    """
    if embeddings.ndim != 2 or len(embeddings) == 0:
        raise ValueError(f"embeddings must have shape [m, D] with m >= 1, got {list(embeddings.shape)}")
    if not embeddings.is_floating_point():
        raise TypeError(f"embeddings must be floating point, got {embeddings.dtype}")
    if labels.shape != embeddings.shape[:1]:
        raise ValueError(f"labels must have shape [{len(embeddings)}], one for each embedding, got {list(labels.shape)}")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(f"labels must be integers, got {labels.dtype}")
    if centers is None:
        return
    if centers.ndim != 2 or centers.shape[1] != embeddings.shape[1]:
        raise ValueError(f"centers must have shape [K, {embeddings.shape[1]}], got {list(centers.shape)}")
    if labels.device.type == "cpu" and not 0 <= int(labels.min()) <= int(labels.max()) < len(centers):
        raise ValueError(
            f"labels must lie in 0..{len(centers) - 1}, one of the {len(centers)} centers, "
            f"got {int(labels.min())}..{int(labels.max())}"
        )


def at_least_float32(tensor: Tensor) -> Tensor:
    """Half precision raised to float32, in which every loss is computed; float32 and float64 as they are."""
    return tensor.float() if tensor.element_size() < 4 else tensor
