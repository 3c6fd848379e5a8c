"""Online positive mining for the (N+M)-tuplet clusters loss (Liu et al. 2017, algorithm 1)."""

import torch
from torch import Tensor

from fercore.checks import check_rows, promoted

TIE = 1 + 1e-5  # squared distances this close are equal: position decides then, and not the rounding of float32 or float64


def mine_positives(positives: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
    """Which positives to keep, and the center of those.

    c+ is the mean of all positives; those farther from it than the nearest negative are dropped (a tie is kept), and c+
    is taken again, from the kept ones. Distances are Euclidean, and equal up to rounding (`TIE`) is equal.

    Args:
        positives: f+, [M, D] with M >= 1, floating point.
        negatives: f-, [N, D]; without any, all positives are kept.

    Returns:
        keep, [M] bool, with at least one True: where every positive is farther than the nearest negative, the nearest
        positive is kept (of several, the first).
        center: c+, [D], the mean of the kept positives, with their gradient.

    Raises:
        ValueError: the shapes do not fit, or there is no positive.
        TypeError: positives or negatives are not floating point.

    Example:
        >>> import torch
        >>> keep, center = mine_positives(torch.tensor([[0.0], [1.0], [8.0]]), torch.tensor([[-1.0]]))
        >>> keep.tolist(), center.tolist()  # c+ = 3; the negative is 4 away, the third positive 5
        ([True, True, False], [0.5])
    """
    check_rows("positives", positives, least=1)
    check_rows("negatives", negatives, positives.shape[1])
    rows, others = promoted(positives, negatives)
    keep = choose(rows.detach(), others.detach())
    return keep, mean_of(rows, keep)


def choose(positives: Tensor, negatives: Tensor) -> Tensor:
    """The mask of the positives to keep; squared distances have the order of distances and no rounded root."""
    everything = torch.ones(len(positives), dtype=torch.bool, device=positives.device)
    if len(negatives) == 0:
        return everything
    center = positives.mean(dim=0)
    to_positives, to_negatives = ((rows - center).square().sum(dim=1) for rows in (positives, negatives))
    keep = ~(to_positives > TIE * to_negatives.min())
    order = torch.arange(len(positives), device=positives.device)
    first_nearest = torch.where(to_positives <= TIE * to_positives.min(), order, len(positives)).min()
    return torch.where(keep.any(), keep, order == first_nearest)


def mean_of(rows: Tensor, keep: Tensor) -> Tensor:
    """The mean [D] of the rows that `keep` marks; by a product, since an index of unknown length would stall a GPU."""
    with torch.autocast(rows.device.type, enabled=False):
        return keep.to(rows) @ rows / keep.sum()
