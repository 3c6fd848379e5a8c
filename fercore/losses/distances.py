"""Distances between embeddings and centers."""

import torch
import torch.nn.functional as F
from torch import Tensor

from fercore.checks import at_least_float32


def squared_distances(x: Tensor, c: Tensor) -> Tensor:
    """[m, K] squared Euclidean distances, summed from differences: exact for close points, without an [m, K, D] tensor.

    The expansion `|x|^2 - 2xc + |c|^2`, one matrix product, would cancel catastrophically for close points far out.
    """
    return torch.cdist(x, c, compute_mode="donot_use_mm_for_euclid_dist").square()


# --- what they share --------------------------------------------------------------------------------------------------


def unit_distances(embeddings: Tensor) -> Tensor:
    """[m, m] Euclidean distances of the normalized embeddings, with zero gradients between coincident ones."""
    unit = F.normalize(at_least_float32(embeddings), dim=1)
    return torch.cdist(unit, unit, compute_mode="donot_use_mm_for_euclid_dist")
