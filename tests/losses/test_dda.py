"""The losses and the center step against slow, explicit loops, in float64."""

import math

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor

from fercore.config import RunConfig
from fercore.losses import ClassCenters, center_loss, center_step, dda_center_gradient, dda_loss
from fercore.methods.objectives import Step, make_objective

NORMALIZATIONS = ("paper", "released")
MAP = (4, 2, 2)  # of the feature map, which these methods do not read
LOSSES = {
    "center": center_loss,
    "dda paper": dda_loss,
    "dda released": lambda x, y, c: dda_loss(x, y, c, normalization="released"),
}


# --- the formulas of METHODS.md, one number at a time -----------------------------------------------------------------


def squared(x: Tensor, c: Tensor) -> float:
    return math.fsum((float(a) - float(b)) ** 2 for a, b in zip(x, c, strict=True))


def posterior(x: Tensor, centers: Tensor) -> list[float]:
    distances = [squared(x, c) for c in centers]
    weights = [math.exp(min(distances) - d) for d in distances]
    return [w / math.fsum(weights) for w in weights]


def slow_center_loss(x: Tensor, y: Tensor, c: Tensor) -> float:
    return math.fsum(squared(x[i], c[y[i]]) for i in range(len(x))) / (2 * len(x))


def slow_dda_loss(x: Tensor, y: Tensor, c: Tensor) -> float:
    total = []
    for i in range(len(x)):
        distances = [squared(x[i], center) for center in c]
        own, nearest = distances[y[i]], min(distances)
        total.append(own - nearest + math.log(math.fsum(math.exp(nearest - d) for d in distances)))
    return math.fsum(total) / (2 * len(x))


def slow_dda_gradients(x: Tensor, y: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    dx, dc = torch.zeros_like(x), torch.zeros_like(c)
    for i in range(len(x)):
        p = posterior(x[i], c)
        for k in range(len(c)):
            pull = (float(y[i] == k) - p[k]) * (x[i] - c[k]) / len(x)
            dx[i] += pull
            dc[k] -= pull
    return dx, dc


def slow_center_step(x: Tensor, y: Tensor, c: Tensor, a: Tensor) -> Tensor:
    delta = torch.zeros_like(c)
    for k in range(len(c)):
        members = [i for i in range(len(x)) if y[i] == k]
        for j in range(c.shape[1]):
            delta[k, j] = math.fsum(float(a[i, j] * (c[k, j] - x[i, j])) for i in members) / (1 + len(members))
    return delta


def draw(m: int, num_classes: int, dim: int, *, scale: float = 1.0, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(m, dim, generator=generator, dtype=torch.float64) * scale
    c = torch.randn(num_classes, dim, generator=generator, dtype=torch.float64) * scale
    return x, torch.randint(num_classes, (m,), generator=generator), c


def hard_cases() -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    x, y, c = draw(12, 5, 3, seed=1)
    return {
        "random": (x, y, c),
        "one sample": draw(1, 4, 2, seed=2),
        "one class": draw(6, 1, 3, seed=3),
        "one class present": (x, torch.full_like(y, 2), c),
        "absent classes": (x, y % 2, c),
        "on the centers": (c[y].clone(), y, c),
        "all one point": (torch.zeros_like(x), y, torch.zeros_like(c)),
        "on the wrong center": (c[(y + 1) % 5].clone(), y, c),
        "norm 1e4": draw(12, 5, 3, scale=1e4, seed=4),
        "close together, far out": (x + 1e4, y, c + 1e4),
        "one dimension": draw(9, 3, 1, seed=5),
    }


CASES = pytest.mark.parametrize("case", hard_cases())


def close(found: Tensor | float, expected: Tensor | float) -> None:
    """Equal to 1e-12, relative for values above 1."""
    torch.testing.assert_close(torch.as_tensor(found), torch.as_tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12)


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
    x, y, c = draw(6, 1, 3)
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
    x, y, c = (value.float() if value.is_floating_point() else value for value in draw(32, 7, 16))
    rounded = x.bfloat16()
    found = LOSSES[loss](rounded, y, c)
    assert found.dtype == torch.float32
    assert found.item() == LOSSES[loss](rounded.float(), y, c).item()
    assert found.item() == pytest.approx(LOSSES[loss](x, y, c).item(), rel=1e-2)


@pytest.mark.parametrize("loss", LOSSES)
def test_autocast_does_not_change_a_loss(loss):
    x, y, c = (value.float() if value.is_floating_point() else value for value in draw(32, 7, 16, scale=3))
    with torch.autocast("cpu", torch.bfloat16):
        found = LOSSES[loss](x, y, c)
    assert found.item() == pytest.approx(LOSSES[loss](x, y, c).item(), rel=1e-3)


def test_autocast_does_not_change_the_center_step():
    x, y, c = (value.float() if value.is_floating_point() else value for value in draw(32, 7, 16, scale=3))
    with torch.autocast("cpu", torch.bfloat16):
        found = center_step(x, y, c), dda_center_gradient(x, y, c)
    torch.testing.assert_close(found, (center_step(x, y, c), dda_center_gradient(x, y, c)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_labels_of_any_integer_type_mean_the_same(dtype):
    x, y, c = draw(5, 5, 3)  # as many samples as classes: a uint8 index could pass for a mask
    for function in (*LOSSES.values(), center_step, dda_center_gradient):
        close(function(x, y.to(dtype), c), function(x, y, c))


# --- the centers ------------------------------------------------------------------------------------------------------


def test_center_step_by_hand():
    centers = ClassCenters(3, 2, alpha=0.5)
    centers.centers.copy_(torch.tensor([[0.0, 0.0], [2.0, 2.0], [5.0, 5.0]]))
    centers.update(torch.tensor([[1.0, 2.0], [3.0, 4.0], [4.0, 0.0]]), torch.tensor([0, 0, 1]))
    # class 0: ((0-1) + (0-3), (0-2) + (0-4)) / (1+2) = (-4/3, -2); class 1: (2-4, 2-0) / (1+1) = (-1, 1); half of each
    expected = torch.tensor([[2 / 3, 1.0], [2.5, 1.5], [5.0, 5.0]])
    torch.testing.assert_close(centers.centers, expected)


@CASES
@pytest.mark.parametrize("with_attention", [False, True])
def test_center_step_equals_the_loop(case, with_attention):
    x, y, c = hard_cases()[case]
    attention = torch.rand(x.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    expected = slow_center_step(x, y, c, attention if with_attention else torch.ones_like(x))
    found = center_step(x, y, c, attention if with_attention else None)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12 * max(1, float(x.abs().max())))


def test_update_moves_by_alpha_times_step_plus_gradient():
    x, y, c = draw(12, 5, 3)
    gradient = dda_center_gradient(x, y, c)
    centers = ClassCenters(5, 3, alpha=0.25).double()
    centers.centers.copy_(c)
    centers.update(x, y, gradient=gradient)
    ones = torch.ones_like(x)
    close(centers.centers, c - 0.25 * (slow_center_step(x, y, c, ones) + slow_dda_gradients(x, y, c)[1]))


def test_absent_class_does_not_move():
    x, y, c = hard_cases()["absent classes"]
    centers = ClassCenters(5, 3).double()
    centers.centers.copy_(c)
    centers.update(x, y)
    assert torch.equal(centers.centers[2:], c[2:])
    assert (centers.centers[:2] != c[:2]).all()


@pytest.mark.parametrize("method", ["center", "dda"])
def test_center_update_does_not_depend_on_lambda(method):
    x, y, c = (value.float() if value.is_floating_point() else value for value in draw(12, 5, 2))
    moved = []
    for lambda_c in (0.001, 10.0):
        objective = make_objective(RunConfig(method=method, lambda_c=lambda_c), 5, 2, MAP)
        objective.centers.copy_(c)
        step = Step(x.clone().requires_grad_(), torch.zeros(12, 5), y)
        objective(step).backward()
        objective.after_step(step)
        moved.append(objective.centers.clone())
    assert torch.equal(*moved)
    assert not torch.equal(moved[0], c)


def test_methods_differ_by_their_losses():
    x, y, c = (value.float() if value.is_floating_point() else value for value in draw(12, 5, 2))
    logits = torch.zeros(12, 5)
    values = {}
    for method, own in {"softmax": {}, "center": {"lambda_c": 0.5}, "dda": {"lambda_c": 0.5, "gamma": 2}}.items():
        objective = make_objective(RunConfig(method=method, **own), 5, 2, MAP)
        if own:
            objective.centers.copy_(c)
        values[method] = objective(Step(x, logits, y)).item()
    assert values["softmax"] == pytest.approx(math.log(5))
    assert values["center"] - values["softmax"] == pytest.approx(0.5 * center_loss(x, y, c).item(), rel=1e-5)
    assert values["dda"] - values["center"] == pytest.approx(2 * dda_loss(x, y, c).item(), rel=1e-5)


def test_gamma_rises_over_its_warmup():
    x, y, _ = (value.float() if value.is_floating_point() else value for value in draw(12, 5, 2))
    objective = make_objective(RunConfig(method="dda", gamma=4, gamma_warmup=0.5), 5, 2, MAP)
    at = [objective(Step(x, torch.zeros(12, 5), y, progress)).item() for progress in (0, 0.25, 0.5, 1)]
    assert at[1] - at[0] == pytest.approx((at[2] - at[0]) / 2, rel=1e-5)
    assert at[3] == at[2]


def test_eq310_adds_the_dda_gradient_and_wen_does_not():
    x, y, c = (value.float() if value.is_floating_point() else value for value in draw(12, 5, 2))
    moved = {}
    for rule in ("eq3.10", "wen"):
        objective = make_objective(RunConfig(method="dda", center_step=rule, alpha=0.5), 5, 2, MAP)
        objective.centers.copy_(c)
        objective.after_step(Step(x, torch.zeros(12, 5), y))
        moved[rule] = objective.centers.clone()
    torch.testing.assert_close(moved["wen"], c - 0.5 * center_step(x, y, c))
    torch.testing.assert_close(moved["eq3.10"], moved["wen"] - 0.5 * dda_center_gradient(x, y, c))


def test_class_centers_are_a_buffer():
    centers = ClassCenters(5, 3)
    assert list(centers.state_dict()) == ["centers"]
    assert not list(centers.parameters())
    assert centers.to("meta").centers.device.type == "meta"
    assert ClassCenters(5, 3).double().centers.dtype == torch.float64


def test_class_centers_round_trip_through_state_dict():
    first, second = ClassCenters(5, 3), ClassCenters(5, 3)
    assert not torch.equal(first.centers, second.centers)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.centers, second.centers)


@pytest.mark.parametrize(("init", "variance"), [("he", 2 / 8), ("released", 2 / 2000)])
def test_center_init_has_its_variance(init, variance):
    torch.manual_seed(0)
    assert ClassCenters(2000, 8, init=init).centers.var().item() == pytest.approx(variance, rel=0.05)


# --- several processes ------------------------------------------------------------------------------------------------


def updated(x: Tensor, y: Tensor, c: Tensor) -> dict[str, Tensor]:
    """The centers after one update by each rule, and the gradient that was handed in."""
    attention, gradient = x.abs().clamp(max=1), dda_center_gradient(x, y, c)
    result = {}
    for name, options in {
        "plain": {},
        "attention": {"attention": attention},
        "gradient": {"gradient": gradient},
    }.items():
        centers = ClassCenters(*c.shape).to(c.dtype)
        centers.centers.copy_(c)
        centers.update(x, y, **options)
        result[name] = centers.centers
    return result | {"given gradient": gradient}


def half_a_batch(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    found = {}
    for dtype in (torch.float32, torch.float64):
        x, y, c = draw(12, 5, 3)
        half = slice(6 * rank, 6 * rank + 6)
        found[str(dtype)] = updated(x[half].to(dtype), y[half], c.to(dtype))
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_move_centers_as_one(tmp_path):
    mp.spawn(half_a_batch, args=(str(tmp_path),), nprocs=2)
    x, y, c = draw(12, 5, 3)
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt")
        for dtype, tolerance in ((torch.float32, 1e-6), (torch.float64, 1e-12)):
            whole, half = updated(x.to(dtype), y, c.to(dtype)), found[str(dtype)]
            for name in ("plain", "attention", "gradient"):
                torch.testing.assert_close(half[name], whole[name], rtol=0, atol=tolerance)
            own = slice(6 * rank, 6 * rank + 6)
            assert torch.equal(half["given gradient"], dda_center_gradient(x[own].to(dtype), y[own], c.to(dtype)))


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


@pytest.mark.parametrize("wrong", [{"num_classes": 0}, {"dim": 0}, {"init": "zeros"}])
def test_class_centers_refuse_wrong_arguments(wrong):
    with pytest.raises(ValueError, match=rf"^[^\n]*{next(iter(wrong))}[^\n]*$"):
        ClassCenters(**({"num_classes": 5, "dim": 3} | wrong))
