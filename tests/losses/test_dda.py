"""The center and the DDA loss against slow, explicit loops, in float64."""

import math

import pytest
import torch

from fercore.losses import center_loss, center_step, dda_center_gradient, dda_loss
from tests.oracles import close, hard_cases, random_batch, slow_center_loss, slow_dda_gradients, slow_dda_loss

NORMALIZATIONS = ("paper", "released")
LOSSES = {
    "center": center_loss,
    "dda paper": dda_loss,
    "dda released": lambda x, y, c: dda_loss(x, y, c, normalization="released"),
}


CASES = pytest.mark.parametrize("case", hard_cases())


# --- values -----------------------------------------------------------------------------------------------------------


@CASES
def test_center_loss_equals_the_loop(case):
    close(center_loss(*hard_cases()[case]), slow_center_loss(*hard_cases()[case]))


@CASES
def test_dda_loss_equals_the_loop_in_both_normalizations(case):
    x, y, c = hard_cases()[case]
    expected = slow_dda_loss(x, y, c)
    close(dda_loss(x, y, c), expected)
    close(dda_loss(x, y, c, normalization="released"), expected / len(x))


def test_dda_of_one_class_is_zero():
    x, y, c = random_batch(6, 1, 3)
    assert dda_loss(x, y, c).item() == 0


def test_dda_by_hand():
    x, c = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.0], [1.0, 1.0], [3.0, 0.0]])  # squared distances 1, 1, 4
    expected = -0.5 * math.log(math.exp(-1) / (2 * math.exp(-1) + math.exp(-4)))
    assert dda_loss(x, torch.tensor([0]), c).item() == pytest.approx(expected, rel=1e-6)


# --- gradients --------------------------------------------------------------------------------------------------------


@CASES
def test_closed_gradients_agree_with_autograd(case):
    x, y, c = hard_cases()[case]
    x.requires_grad_()
    c.requires_grad_()
    found = torch.autograd.grad(dda_loss(x, y, c), (x, c))
    for autograd, closed in zip(found, slow_dda_gradients(x.detach(), y, c.detach()), strict=True):
        torch.testing.assert_close(autograd, closed, rtol=1e-12, atol=1e-12 * max(1, float(x.detach().abs().max())))


@CASES
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_dda_center_gradient_is_the_gradient(case, normalization):
    x, y, c = hard_cases()[case]
    expected = slow_dda_gradients(x, y, c)[1] / (len(x) if normalization == "released" else 1)
    found = dda_center_gradient(x.requires_grad_(), y, c, normalization=normalization)
    assert not found.requires_grad
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12 * max(1, float(x.detach().abs().max())))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("case", ["random", "one sample", "one class", "absent classes", "on the centers", "all one point"])
def test_gradcheck(loss, case):
    x, y, c = hard_cases()[case]
    assert torch.autograd.gradcheck(lambda a, b: LOSSES[loss](a, y, b), (x.requires_grad_(), c.requires_grad_()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("case", ["on the centers", "all one point", "on the wrong center", "norm 1e4"])
def test_loss_and_gradients_are_finite(loss, case, dtype):
    x, y, c = hard_cases()[case]
    x, c = x.to(dtype).requires_grad_(), c.to(dtype).requires_grad_()
    value = LOSSES[loss](x, y, c)
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(value, (x, c)))


# --- dtypes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_half_precision_is_computed_in_float32(loss):
    x, y, c = (value.float() if value.is_floating_point() else value for value in random_batch(32, 7, 16))
    rounded = x.bfloat16()
    found = LOSSES[loss](rounded, y, c)
    assert found.dtype == torch.float32
    assert found.item() == LOSSES[loss](rounded.float(), y, c).item()
    assert found.item() == pytest.approx(LOSSES[loss](x, y, c).item(), rel=1e-2)


@pytest.mark.parametrize("loss", LOSSES)
def test_autocast_does_not_change_a_loss(loss):
    x, y, c = (value.float() if value.is_floating_point() else value for value in random_batch(32, 7, 16, scale=3))
    with torch.autocast("cpu", torch.bfloat16):
        found = LOSSES[loss](x, y, c)
    assert found.item() == pytest.approx(LOSSES[loss](x, y, c).item(), rel=1e-3)


def test_autocast_does_not_change_the_center_step():
    x, y, c = (value.float() if value.is_floating_point() else value for value in random_batch(32, 7, 16, scale=3))
    with torch.autocast("cpu", torch.bfloat16):
        found = center_step(x, y, c), dda_center_gradient(x, y, c)
    torch.testing.assert_close(found, (center_step(x, y, c), dda_center_gradient(x, y, c)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_labels_of_any_integer_type_mean_the_same(dtype):
    x, y, c = random_batch(5, 5, 3)  # as many samples as classes: a uint8 index could pass for a mask
    for function in (*LOSSES.values(), center_step, dda_center_gradient):
        close(function(x, y.to(dtype), c), function(x, y, c))


# --- errors -----------------------------------------------------------------------------------------------------------

X, Y, C = torch.zeros(4, 3), torch.zeros(4, dtype=torch.long), torch.zeros(5, 3)
WRONG = {
    "embeddings of one dimension": ((X[0], Y, C), ValueError, "embeddings"),
    "empty batch": ((X[:0], Y[:0], C), ValueError, "embeddings"),
    "integer embeddings": ((X.long(), Y, C), TypeError, "embeddings"),
    "too few labels": ((X, Y[:3], C), ValueError, "labels"),
    "column of labels": ((X, Y[:, None], C), ValueError, "labels"),
    "float labels": ((X, Y.float(), C), TypeError, "labels"),
    "boolean labels": ((X, Y.bool(), C), TypeError, "labels"),
    "label too high": ((X, Y + 5, C), ValueError, "labels"),
    "negative label": ((X, Y - 1, C), ValueError, "labels"),
    "centers of another size": ((X, Y, C[:, :2]), ValueError, "centers"),
    "centers of one dimension": ((X, Y, C[0]), ValueError, "centers"),
}


@pytest.mark.parametrize("function", [center_loss, dda_loss, center_step, dda_center_gradient])
@pytest.mark.parametrize("problem", WRONG)
def test_wrong_arguments_are_named(function, problem):
    arguments, kind, name = WRONG[problem]
    with pytest.raises(kind, match=rf"^{name} [^\n]+$"):
        function(*arguments)


@pytest.mark.parametrize("function", [dda_loss, dda_center_gradient])
def test_unknown_normalization_is_refused(function):
    with pytest.raises(ValueError, match=r"^normalization must be one of paper, released, got 'mean'$"):
        function(X, Y, C, normalization="mean")


def test_attention_must_have_the_shape_of_the_embeddings():
    with pytest.raises(ValueError, match=r"^attention must have shape \[4, 3\]"):
        center_step(X, Y, C, torch.ones(4, 1))
