"""Distances of embeddings to centers and among themselves, by one product of matrices in float64 or, slower, by differences."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS = 256  # of x are in float64 at a time: few enough for the processor's cache, where a copy of all would not fit


def nearness(x: Tensor, c: Tensor) -> Tensor:
    r"""[m, K] in float64: `-|x - c|^2` up to a number for each row, which neither a softmax nor a difference in the row sees.

    .. math:: s_{ik} = 2 x_i' \cdot c_k' - \lVert c_k' \rVert^2 = \lVert x_i' \rVert^2 - \lVert x_i - c_k \rVert^2, \quad
              x' = x - \bar c, \; c' = c - \bar c

    In float32 s would be off by eps r^2, with r the spread of the points: more than the whole difference between two centers
    close to each other and far from the rest. Its gradient is a product in the type of x, off by eps r for each unit of weight:
    no more than if x and c were rounded once more. Both hold wherever the points lie, for the mean of the centers, a constant
    that no difference in a row sees, is taken away.
    """
    with torch.autocast(x.device.type, enabled=False):
        return Nearness.apply(x, c)


class Nearness(torch.autograd.Function):
    """The product in float64; that of its gradient in the type of x, at half the time of autograd's own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, c: Tensor) -> Tensor:
        wide, mean = wide_type(x), c.mean(dim=0)
        ctx.save_for_backward(x, c, mean)
        mean = mean.to(wide)
        c = c.to(wide) - mean  # raised first: a difference of two types takes twice as long
        squares = torch.linalg.vecdot(c, c)
        return torch.cat([torch.addmm(squares, rows.to(wide) - mean, c.T, beta=-1, alpha=2) for rows in x.split(ROWS)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None]:
        x, c, mean = ctx.saved_tensors
        weight, of_centers = 2 * gradient.to(x), None
        c = c - mean
        with torch.autocast(x.device.type, enabled=False):
            if ctx.needs_input_grad[1]:
                of_centers = weight.T @ (x - mean) - weight.sum(dim=0)[:, None] * c
            return weight @ c, of_centers


def squared_distances(x: Tensor, c: Tensor) -> Tensor:
    """[m, K] squared Euclidean distances, summed from differences: exact for close points, and slow; no [m, K, D] tensor."""
    return torch.cdist(x, c, compute_mode="donot_use_mm_for_euclid_dist").square()


def squared_distances_among(x: Tensor) -> Tensor:
    """[m, m] squared Euclidean distances, as exact for close points as `squared_distances`, which float64 comes back to."""
    return AmongWide.apply(x) if x.dtype != wide_type(x) else squared_distances(x, x)


def wide_type(x: Tensor) -> torch.dtype:
    """float64, but on Apple's GPUs, which have none."""
    return x.dtype if x.device.type == "mps" else torch.float64


class AmongWide(torch.autograd.Function):
    """`|x_i|^2 + |x_j|^2 - 2 x_i x_j` in float64, where its cancellation is below float32's rounding; the gradient in float32.

    Autograd's own gradient would be two products in float64, four times as slow as this one.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        wide = x.double() - x.mean(dim=0).double()  # of far-out points nothing but their spread counts
        squares = wide.square().sum(dim=1)
        return torch.addmm(squares, wide, wide.T, alpha=-2).add_(squares[:, None]).clamp_(min=0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        x = x - x.detach().mean(dim=0)
        both = 2 * (gradient + gradient.T)
        with torch.autocast(x.device.type, enabled=False):
            return torch.addmm(both.sum(dim=1, keepdim=True) * x, both, x, alpha=-1)


def unit_distances(x: Tensor) -> Tensor:
    """[m, m] Euclidean distances of the normalized embeddings.

    Two directions that rounding cannot tell apart are at distance 0, and their distance has no gradient.
    """
    unit = F.normalize(x, dim=1)
    squares = squared_distances_among(unit)
    same = squares <= torch.finfo(unit.dtype).eps ** 2
    return torch.where(same, 0, torch.where(same, 1, squares).sqrt())  # the inner one: the root's gradient at 0 is infinite
