import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fercore.checks import nan_passes
from fercore.losses import amtc3l_loss, tc3l_loss
from tests.oracles import batches, close, finite_gradients, random_batch, random_like, searched, sigmoid


def slow_distances(x: Tensor, y: Tensor, c: Tensor, n: Tensor) -> list[list[tuple[float, float]]]:
    """(u, v) of every sample and dimension."""
    rows = []
    for i in range(len(x)):
        row = []
        for j in range(x.shape[1]):
            s = sigmoid(x[i, j])
            row.append(((s - sigmoid(c[y[i], j])) ** 2, (s - sigmoid(n[i, j])) ** 2))
        rows.append(row)
    return rows


def slow_tc3l(x: Tensor, y: Tensor, c: Tensor, n: Tensor, margin: float) -> float:
    terms = [max(0.0, math.fsum(u - v for u, v in row) + margin) for row in slow_distances(x, y, c, n)]
    return math.fsum(terms) / len(x)


def slow_amtc3l(x: Tensor, y: Tensor, c: Tensor, n: Tensor, a: Tensor) -> float:
    total = 0.0
    for row, weights in zip(slow_distances(x, y, c, n), a.tolist(), strict=True):
        total += max(0.0, math.fsum(w * (u - v) for (u, v), w in zip(row, weights, strict=True)) + math.fsum(weights))
    return total / len(x)


def slow_log(x: Tensor, y: Tensor, c: Tensor, n: Tensor) -> float:
    total, dim = 0.0, x.shape[1]
    for row in slow_distances(x, y, c, n):
        d_p, d_n = math.fsum(u for u, _ in row), math.fsum(v for _, v in row)
        total += -math.log((1 - d_p / dim) + 1e-8) - math.log(d_n / dim + 1e-8)
    return total / len(x)


def negatives_of(y: Tensor, c: Tensor) -> Tensor:
    return c[(y + 1) % len(c)]


@searched
@given(batches(), st.sampled_from([None, 0.0, 0.1, 1.0, 7.5]))
def test_tc3l_equals_the_loop(batch, margin):
    x, y, c = batch
    n, dim = negatives_of(y, c), x.shape[1]
    expected = slow_tc3l(x, y, c, n, dim if margin is None else margin)
    close(tc3l_loss(x, y, c, n, margin=margin, dim_reduction="sum"), expected)
    close(tc3l_loss(x, y, c, n, margin=margin), expected / dim)
    assert finite_gradients(tc3l_loss(x.requires_grad_(), y, c, n, margin=margin), x)


@searched
@given(batches())
def test_the_log_form_equals_the_loop(batch):
    x, y, c = batch
    n = negatives_of(y, c)
    expected = slow_log(x, y, c, n)
    # where a sigmoid rounds to 1, the log of a difference of 1e-8 amplifies its rounding by 1e8
    torch.testing.assert_close(tc3l_loss(x, y, c, n, form="log").item(), expected, rtol=1e-6, atol=1e-6)
    assert finite_gradients(tc3l_loss(x.requires_grad_(), y, c, n, form="log"), x)


def test_the_log_form_to_the_last_digits():
    x, y, c = random_batch(8, 4, 3)
    close(tc3l_loss(x, y, c, negatives_of(y, c), form="log"), slow_log(x, y, c, negatives_of(y, c)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_log_form_is_finite_where_a_distance_is_whole(dtype):
    x = torch.full((1, 2), 200.0, dtype=dtype, requires_grad=True)
    found = tc3l_loss(x, torch.tensor([0]), -x.detach(), x.detach(), form="log")
    assert found.item() == pytest.approx(-2 * math.log(1e-8), rel=1e-3)
    assert finite_gradients(found, x)


@searched
@given(batches(), st.booleans())
def test_amtc3l_equals_the_loop(batch, hard):
    x, y, c = batch
    n = negatives_of(y, c)
    a = random_like(x).round() if hard else random_like(x)
    expected = slow_amtc3l(x, y, c, n, a)
    for margin_grad in ("detached", "attached"):
        close(amtc3l_loss(x, y, c, n, a, margin_grad=margin_grad, dim_reduction="sum"), expected)
        close(amtc3l_loss(x, y, c, n, a, margin_grad=margin_grad), expected / x.shape[1])
    assert finite_gradients(amtc3l_loss(x.requires_grad_(), y, c, n, a.requires_grad_()), x, a)


@searched
@given(batches())
def test_amtc3l_with_attention_one_is_tc3l_with_margin_d(batch):
    x, y, c = batch
    n = negatives_of(y, c)
    for reduction in ("mean", "sum"):
        found = amtc3l_loss(x, y, c, n, torch.ones_like(x), dim_reduction=reduction)
        close(found, tc3l_loss(x, y, c, n, margin=x.shape[1], dim_reduction=reduction))


@searched
@given(batches())
def test_every_sample_contributes_at_margin_d(batch):
    """Loss-less: no term is clipped, so the hinge changes nothing."""
    x, y, c = batch
    terms = [math.fsum(1 + u - v for u, v in row) for row in slow_distances(x, y, c, negatives_of(y, c))]
    close(tc3l_loss(x, y, c, negatives_of(y, c), dim_reduction="sum"), math.fsum(terms) / len(x))


@pytest.mark.parametrize("margin_grad", ["detached", "attached"])
def test_the_gradient_of_the_attention_by_hand(margin_grad):
    x, y, c = random_batch(6, 4, 3)
    n, a = negatives_of(y, c), random_like(x).requires_grad_()
    (found,) = torch.autograd.grad(amtc3l_loss(x, y, c, n, a, margin_grad=margin_grad), a)
    own = 1.0 if margin_grad == "attached" else 0.0
    expected = [[(own + u - v) / x.numel() for u, v in row] for row in slow_distances(x, y, c, n)]
    close(found, torch.tensor(expected, dtype=torch.float64))
    assert bool((found > 0).all()) == (margin_grad == "attached")  # attached: nothing holds a up


LOSSES = {
    "tc3l": lambda x, y, c, n, a: tc3l_loss(x, y, c, n),
    "tc3l, margin 1": lambda x, y, c, n, a: tc3l_loss(x, y, c, n, margin=1.0),
    "tc3l log": lambda x, y, c, n, a: tc3l_loss(x, y, c, n, form="log"),
    "amtc3l": lambda x, y, c, n, a: amtc3l_loss(x, y, c, n, a, margin_grad="attached"),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_gradcheck(loss):
    x, y, c = random_batch(5, 3, 4)
    n, a = negatives_of(y, c), random_like(x)
    inputs = [value.clone().requires_grad_() for value in (x, c, n, a)]
    assert torch.autograd.gradcheck(lambda x, c, n, a: LOSSES[loss](x, y, c, n, a), inputs)


@pytest.mark.parametrize("loss", LOSSES)
def test_autocast_and_half_precision(loss):
    x, y, c = (value.float() if value.is_floating_point() else value for value in random_batch(32, 7, 16))
    n, a = negatives_of(y, c), random_like(x).float()
    expected = LOSSES[loss](x, y, c, n, a).item()
    with torch.autocast("cpu", torch.bfloat16):
        assert LOSSES[loss](x, y, c, n, a).item() == pytest.approx(expected, rel=1e-3)
    half = LOSSES[loss](x.bfloat16(), y, c, n, a)
    assert half.dtype == torch.float32
    assert half.item() == LOSSES[loss](x.bfloat16().float(), y, c, n, a).item()


X, Y, C = torch.zeros(4, 3), torch.zeros(4, dtype=torch.long), torch.zeros(5, 3)


@pytest.mark.parametrize("function", [tc3l_loss, lambda *arguments: amtc3l_loss(*arguments, torch.ones(4, 3))])
@pytest.mark.parametrize(
    ("arguments", "kind", "name"),
    [
        ((X[0], Y, C, X), ValueError, "embeddings"),
        ((X[:0], Y[:0], C, X[:0]), ValueError, "embeddings"),
        ((X.long(), Y, C, X), TypeError, "embeddings"),
        ((X, Y + 5, C, X), ValueError, "labels"),
        ((X, Y.float(), C, X), TypeError, "labels"),
        ((X, Y, C[:, :2], X), ValueError, "centers"),
        ((X, Y, C, C), ValueError, "negatives"),
        ((X, Y, C, X.long()), TypeError, "negatives"),
    ],
)
def test_wrong_arguments_are_named(function, arguments, kind, name):
    with pytest.raises(kind, match=rf"^{name} [^\n]+$"):
        function(*arguments)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"margin": -1.0}, "margin"),
        ({"margin": math.nan}, "margin"),
        ({"dim_reduction": "none"}, "dim_reduction"),
        ({"form": "softplus"}, "form"),
        ({"form": "log", "margin": 1.0}, "form"),
        ({"form": "log", "dim_reduction": "sum"}, "form"),
    ],
)
def test_wrong_options_are_named(options, name):
    with pytest.raises(ValueError, match=rf"^{name} [^\n]+$"):
        tc3l_loss(X, Y, C, X, **options)


def test_wrong_options_of_amtc3l_are_named():
    for name in ("margin_grad", "dim_reduction"):
        with pytest.raises(ValueError, match=rf"^{name} must be one of [^\n]+, got 'x'$"):
            amtc3l_loss(X, Y, C, X, torch.ones(4, 3), **{name: "x"})
    with pytest.raises(ValueError, match=r"^attention [^\n]+$"):
        amtc3l_loss(X, Y, C, X, torch.full((4, 3), 2.0))


@pytest.mark.parametrize("which", ["x", "n", "a"])
def test_nan_is_refused_and_within_a_training_comes_out_as_nan(which):
    x, y, c = random_batch(4, 3, 2)
    values = {"x": x, "n": negatives_of(y, c).clone(), "a": random_like(x)}
    values[which][0, 0] = math.nan
    with pytest.raises(
        ValueError, match=r"^(embeddings|negatives|attention) must be finite, got NaN or infinity in 1 of[^\n]+$"
    ):
        amtc3l_loss(values["x"], y, c, values["n"], values["a"])
    with nan_passes():
        assert amtc3l_loss(values["x"], y, c, values["n"], values["a"]).isnan()
