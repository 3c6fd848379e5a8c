"""The gradient errata of the thesis, by finite differences: what is printed is not the gradient of what is printed."""

import torch
import torch.nn.functional as F
from torch import Tensor

from fercore.losses import center_loss, dda_center_gradient, dda_loss

M, K, D = 8, 4, 3
GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(M, D, generator=GENERATOR, dtype=torch.float64)
C = torch.randn(K, D, generator=GENERATOR, dtype=torch.float64)
Y = torch.arange(M) % K
P = (-(X[:, None] - C[None]).square().sum(dim=2)).softmax(dim=1)
DELTA = F.one_hot(Y, K).double()


def finite_differences(function, at: Tensor, step: float = 1e-6) -> Tensor:
    gradient = torch.zeros_like(at)
    for index in range(at.numel()):
        shift = torch.zeros_like(at)
        shift.view(-1)[index] = step
        gradient.view(-1)[index] = (function(at + shift) - function(at - shift)) / (2 * step)
    return gradient


def relative_error(found: Tensor, true: Tensor) -> float:
    return ((found - true).norm() / true.norm()).item()


def test_e1_the_printed_feature_gradient_keeps_only_the_own_center():
    true = finite_differences(lambda x: dda_loss(x, Y, C), X)
    right = ((DELTA - P)[:, :, None] * (X[:, None] - C[None])).sum(dim=1) / M
    printed = (1 - P[range(M), Y])[:, None] * (X - C[Y]) / M  # (3.8)
    assert relative_error(right, true) < 1e-8
    assert relative_error(printed, true) > 0.3


def test_e2_the_printed_center_gradient_keeps_only_the_own_center():
    true = finite_differences(lambda c: dda_loss(X, Y, c), C)
    right = ((DELTA - P)[:, :, None] * (C[None] - X[:, None])).sum(dim=0) / M
    printed = ((DELTA - P)[:, :, None] * (C[Y] - X)[:, None]).sum(dim=0) / M  # (3.10)
    assert relative_error(right, true) < 1e-8
    assert relative_error(dda_center_gradient(X, Y, C), true) < 1e-8
    assert relative_error(printed, true) > 0.3


def test_e3_the_algorithm_averages_over_the_batch_twice():
    """What the losses gain when all features move alike is the sum of their gradients; the algorithm takes the mean."""
    direction = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    for loss in (center_loss, dda_loss):
        gained = finite_differences(lambda t, loss=loss: loss(X + t * direction, Y, C), torch.zeros(1, dtype=torch.float64))
        per_feature = finite_differences(lambda x, loss=loss: loss(x, Y, C), X) @ direction
        assert relative_error(per_feature.sum(), gained[0]) < 1e-8
        assert abs(per_feature.mean() / gained[0] - 1 / M) < 1e-8  # Algorithm 2, line 3: m times too small
