"""Distances by products of matrices: float32 against float64, far out, close together and coincident; and their memory."""

import math

import pytest
import torch
from hypothesis import given
from torch import Tensor

from fercore import losses
from fercore.losses.distances import nearness, squared_distances, squared_distances_among, unit_distances
from tests.oracles import batches, close, finite_gradients, largest, peak_memory, random_batch, searched, squared

EPS, EPS64 = (torch.finfo(dtype).eps for dtype in (torch.float32, torch.float64))


@searched
@given(batches())
def test_nearness_differs_from_the_distances_by_a_number_for_each_row(batch):
    x, _, c = batch
    found = nearness(x, c) + torch.tensor([[squared(row, center) for center in c] for row in x], dtype=torch.float64)
    close(found, found[:, :1].expand_as(found), scale=largest(x, c))


def test_nearness_of_one_class_is_zero():
    x, _, c = random_batch(6, 1, 3)
    assert nearness(x, c).tolist() == [[0]] * 6


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4, 1e6])
@pytest.mark.parametrize("spread", [0.1, 1.0, 10.0])
def test_the_error_of_nearness_is_that_of_the_spread_wherever_the_points_lie(spread, offset):
    x, _, c = (value.float() for value in random_batch(64, 20, 8, scale=spread))
    x, c = x + offset, c + offset
    found = nearness(x, c) + squared_distances(x.double(), c.double())
    radius = max(float((rows.double() - c.double().mean(dim=0)).norm(dim=1).max()) for rows in (x, c))
    # of the mean nothing but its rounding is seen: it is the same number in a row
    assert (found - found[:, :1]).abs().max() < 8 * EPS64 * (radius**2 + radius * offset)


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
@pytest.mark.parametrize("spread", [1e-3, 1.0, 1e3])
def test_distances_among_points_have_the_digits_of_float32(spread, offset):
    x = random_batch(40, 1, 8, scale=spread)[0].float() + offset
    x[1], x[2] = x[0], x[0] + spread / 1000  # coincident, and close together
    found, expected = squared_distances_among(x).double(), squared_distances(x.double(), x.double())
    torch.testing.assert_close(found, expected, rtol=2 * EPS, atol=1e-14 * float(expected.max()))


def test_the_gradient_of_distances_among_points_is_that_of_float64():
    x = random_batch(40, 1, 8)[0]
    weights = torch.randn(40, 40, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    gradients = []
    for dtype in (torch.float64, torch.float32):
        rows = x.to(dtype, copy=True).requires_grad_()
        (gradient,) = torch.autograd.grad((weights.to(dtype) * squared_distances_among(rows)).sum(), rows)
        gradients.append(gradient.double())
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-6 * float(gradients[0].abs().max()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_directions_that_rounding_cannot_tell_apart_are_at_distance_0(dtype):
    x = random_batch(5, 1, 16)[0].to(dtype)
    x = torch.cat([x, x, 3 * x, torch.zeros(2, 16, dtype=dtype)]).requires_grad_()  # two without any direction
    distances = unit_distances(x)
    same = torch.arange(15)[:, None] % 5 == torch.arange(15) % 5
    assert (distances[:15, :15][same] < 2 * torch.finfo(dtype).eps).all()
    assert (distances[:15, :15][~same] > 0.1).all()
    close(distances[:15, 15].double().detach(), torch.ones(15), scale=1e6)
    assert finite_gradients(distances.sum(), x)


# --- the losses made of them, in float32 against float64 --------------------------------------------------------------

LOSSES = {
    "dda": losses.dda_loss,
    "triplet center": losses.triplet_center_loss,
    "coupled clusters": lambda x, y, c: losses.coupled_clusters_loss(x, y),
    "locality preserving": lambda x, y, c: losses.locality_preserving_loss(x, y),
    "contrastive": lambda x, y, c: losses.contrastive_loss(x, y),
    "triplet": lambda x, y, c: losses.triplet_loss(x, y),
    "lossless triplet": lambda x, y, c: losses.lossless_triplet_loss(x, y),
}


def value_and_gradient(loss: str, x: Tensor, y: Tensor, c: Tensor) -> tuple[float, Tensor]:
    x = x.clone().requires_grad_()
    value = LOSSES[loss](x, y, c)
    return value.item(), torch.autograd.grad(value, x)[0].double()


FAR_OUT = [name for name in LOSSES if name not in ("contrastive", "triplet", "lossless triplet")]  # there, directions are one


@pytest.mark.parametrize("spread", [0.1, 1.0, 10.0])
@pytest.mark.parametrize(("dim", "num_classes"), [(2, 10), (128, 7), (32, 100)])
@pytest.mark.parametrize(("loss", "offset"), [(name, 0.0) for name in LOSSES] + [(name, 1e3) for name in FAR_OUT])
def test_float32_is_as_good_as_its_inputs(loss, dim, num_classes, spread, offset):
    x, y, c = random_batch(96, num_classes, dim, scale=spread)
    x, c = (x + offset).float(), (c + offset).float()
    found, gradient = value_and_gradient(loss, x, y, c)
    expected, wanted = value_and_gradient(loss, x.double(), y, c.double())
    by_mean = EPS * offset / spread if loss in ("coupled clusters", "locality preserving") else 0  # their means are as far out
    assert found == pytest.approx(expected, rel=3e-6 + by_mean)
    assert (gradient - wanted).norm() < (1e-4 + 4 * by_mean) * wanted.norm()


def close_centers(m: int, num_classes: int, scale: float, near: float) -> tuple[Tensor, Tensor, Tensor]:
    """D = 512: the first two centers 0.01 apart, the others `scale`; half the batch of these two, `near` their own centers."""
    x, y, c = random_batch(m, num_classes, 512)
    y[: m // 2] %= 2
    c *= scale
    c[1] = c[0] + 0.01 * x[0] / x[0].norm()
    x = c[y] + near * x
    x[1] = c[y[1]]
    return x, y, c


def rounded_once_more(values: Tensor) -> Tensor:
    """float32 numbers, each off by up to half the distance to the next, in float64."""
    step = values.nextafter(torch.full_like(values, torch.inf)).double() - values.double()
    return values.double() + step * (torch.rand(values.shape, generator=torch.Generator().manual_seed(5)) - 0.5)


def dda_and_gradients(x: Tensor, y: Tensor, c: Tensor) -> tuple[float, Tensor, Tensor]:
    x, c = x.clone().requires_grad_(), c.clone().requires_grad_()
    value = losses.dda_loss(x, y, c)
    return value.item(), *(gradient.double() for gradient in torch.autograd.grad(value, (x, c)))


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("near", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0, 1000.0])
@pytest.mark.parametrize(("m", "num_classes"), [(128, 7), (1024, 7), (128, 1000)])
def test_dda_of_two_close_centers_in_a_wide_spread_loses_no_more_than_its_inputs(m, num_classes, scale, near, offset):
    x, y, c = close_centers(m, num_classes, scale, near)
    x, c = (x + offset).float(), (c + offset).float()
    value, *found = dda_and_gradients(x, y, c)
    exact, *expected = dda_and_gradients(x.double(), y, c.double())
    _, *moved = dda_and_gradients(rounded_once_more(x), y, rounded_once_more(c))
    assert value == pytest.approx(exact, rel=EPS)
    of_x, of_c = (gradient - wanted for gradient, wanted in zip(found, expected, strict=True))
    assert of_x.norm() < 2 * (moved[0] - expected[0]).norm() + 4 * EPS * expected[0].norm()
    radius = max(float((rows - c.mean(dim=0)).norm(dim=1).max()) for rows in (x, c))
    assert of_c.norm() < EPS * radius  # as little as a center's own rounding


@pytest.mark.parametrize("function", [nearness, lambda x, c: squared_distances_among(x)])
def test_a_gradient_can_be_differentiated_again(function):
    x, _, c = random_batch(4, 3, 2)
    inputs = x.requires_grad_(), c.requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x, c: function(x, c).log_softmax(dim=1), inputs)


@pytest.mark.parametrize("loss", LOSSES)
def test_no_tensor_of_samples_by_classes_by_dimensions_nor_of_triplets(loss):
    x, y, c = random_batch(256, 500, 256)
    x, y, c = x.float().requires_grad_(), y % 50, c.float()
    _, peak = peak_memory(lambda: torch.autograd.grad(LOSSES[loss](x, y, c), x)[0])
    assert 0 < peak < 8e6  # m K D numbers are 131 MB, m m D and m m m ones 67 MB


def test_triplets_of_a_large_batch_by_hand():
    """Directions at 0, 60 and 180 degrees: distances 1 within class 0, and 2 or the root of 3 to class 1."""
    angles = torch.tensor([0.0, math.pi / 3, math.pi]).repeat_interleave(torch.tensor([300, 300, 400]))
    x, y = torch.stack([angles.cos(), angles.sin()], dim=1), (angles > 3).long()
    # anchors at 0: positives at 1 violate 2 by margin - 1, those at 0 by none; anchors at 60: those at 1 by margin + 1 - root 3
    margin, root = 1.5, 3**0.5
    terms = {margin - 1: 300 * 300 * 400, margin + 1 - root: 300 * 300 * 400}
    # anchors at 180: positives at 0 violate negatives at 2 never by more than 0, those at root 3 never
    expected = sum(value * count for value, count in terms.items()) / sum(terms.values())
    assert losses.triplet_loss(x, y, margin=margin).item() == pytest.approx(expected, rel=1e-5)
