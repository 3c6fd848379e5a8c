import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fercore.checks import nan_passes
from fercore.losses import ClassCenters, center_loss, sparse_center_loss
from tests.oracles import batches, close, finite_gradients, largest, random_batch, random_like, searched


def slow(x: Tensor, y: Tensor, c: Tensor, a: Tensor) -> float:
    m, dim = x.shape
    terms = [float(a[i, j]) * (float(x[i, j]) - float(c[y[i], j])) ** 2 for i in range(m) for j in range(dim)]
    return math.fsum(terms) / (2 * m)


@searched
@given(batches(), st.sampled_from([0.0, 0.25, 1.0]))
def test_equals_the_loop(batch, level):
    x, y, c = batch
    a = (random_like(x) + level).clamp(max=1)
    close(sparse_center_loss(x, y, c, a), slow(x, y, c, a))
    assert finite_gradients(sparse_center_loss(x.requires_grad_(), y, c, a.requires_grad_()), x, a)


@searched
@given(batches())
def test_attention_of_one_is_the_center_loss(batch):
    x, y, c = batch
    close(sparse_center_loss(x, y, c, torch.ones_like(x)), center_loss(x, y, c))


def test_attention_of_zero_is_nothing():
    x, y, c = random_batch(6, 3, 4)
    assert sparse_center_loss(x, y, c, torch.zeros_like(x)).item() == 0


def test_gradcheck():
    x, y, c = random_batch(5, 3, 4)
    a = random_like(x)
    inputs = (x.requires_grad_(), c.requires_grad_(), a.requires_grad_())
    assert torch.autograd.gradcheck(lambda x, c, a: sparse_center_loss(x, y, c, a), inputs)


def test_centers_follow_4_14():
    x, y, c = random_batch(9, 4, 3)
    a = random_like(x)
    centers = ClassCenters(4, 3, alpha=0.5).double()
    centers.centers.copy_(c)
    centers.update(x, y, a)
    for k in range(4):
        members = [i for i in range(9) if y[i] == k]
        pull = sum((a[i] * (c[k] - x[i]) for i in members), torch.zeros(3, dtype=torch.float64))
        close(centers.centers[k], c[k] - 0.5 * pull / (1 + len(members)), scale=largest(x, c))


def test_autocast_and_half_precision():
    x, y, c = (value.float() if value.is_floating_point() else value for value in random_batch(32, 7, 16))
    a = random_like(x).float()
    expected = sparse_center_loss(x, y, c, a).item()
    with torch.autocast("cpu", torch.bfloat16):
        assert sparse_center_loss(x, y, c, a).item() == pytest.approx(expected, rel=1e-3)
    half = sparse_center_loss(x.bfloat16(), y, c, a.bfloat16())
    assert half.dtype == torch.float32
    assert half.item() == sparse_center_loss(x.bfloat16().float(), y, c, a.bfloat16().float()).item()


@pytest.mark.parametrize(
    ("attention", "kind"),
    [
        (torch.ones(4, 1), ValueError),
        (torch.ones(4), ValueError),
        (torch.full((4, 3), 1.01), ValueError),
        (torch.full((4, 3), -0.01), ValueError),
        (torch.ones(4, 3, dtype=torch.long), TypeError),
    ],
)
@pytest.mark.parametrize("function", [sparse_center_loss, lambda x, y, c, a: ClassCenters(5, 3).update(x, y, a)])
def test_wrong_attention_is_named(function, attention, kind):
    with pytest.raises(kind, match=r"^attention [^\n]+$"):
        function(torch.zeros(4, 3), torch.zeros(4, dtype=torch.long), torch.zeros(5, 3), attention)


@pytest.mark.parametrize("which", range(3))
def test_nan_is_refused_and_within_a_training_comes_out_as_nan(which):
    x, y, c = random_batch(4, 3, 2)
    tensors = [x, c, random_like(x)]
    tensors[which][y[0] if which == 1 else 0, 0] = math.nan
    with pytest.raises(ValueError, match=r"^(embeddings|centers|attention) must be finite, got NaN or infinity in 1 of[^\n]+$"):
        sparse_center_loss(tensors[0], y, tensors[1], tensors[2])
    with nan_passes():
        assert sparse_center_loss(tensors[0], y, tensors[1], tensors[2]).isnan()
