"""The objectives of class centers: what their weights weigh, and how their centers move."""

import math

import pytest
import torch

from fercore.config import RunConfig
from fercore.losses import center_loss, center_step, dda_center_gradient, dda_loss
from fercore.methods.objectives import Step, make_objective
from tests.oracles import random_batch

MAP = (4, 2, 2)  # of the feature map, which these methods do not read


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    x, y, c = random_batch(12, 5, 2)
    return x.float(), y, c.float()


@pytest.mark.parametrize("method", ["center", "dda"])
def test_center_update_does_not_depend_on_lambda(method):
    x, y, c = batch()
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
    x, y, c = batch()
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
    x, y, _ = batch()
    objective = make_objective(RunConfig(method="dda", gamma=4, gamma_warmup=0.5), 5, 2, MAP)
    at = [objective(Step(x, torch.zeros(12, 5), y, progress)).item() for progress in (0, 0.25, 0.5, 1)]
    assert at[1] - at[0] == pytest.approx((at[2] - at[0]) / 2, rel=1e-5)
    assert at[3] == at[2]


def test_eq310_adds_the_dda_gradient_and_wen_does_not():
    x, y, c = batch()
    moved = {}
    for rule in ("eq3.10", "wen"):
        objective = make_objective(RunConfig(method="dda", center_step=rule, alpha=0.5), 5, 2, MAP)
        objective.centers.copy_(c)
        objective.after_step(Step(x, torch.zeros(12, 5), y))
        moved[rule] = objective.centers.clone()
    torch.testing.assert_close(moved["wen"], c - 0.5 * center_step(x, y, c))
    torch.testing.assert_close(moved["eq3.10"], moved["wen"] - 0.5 * dda_center_gradient(x, y, c))
