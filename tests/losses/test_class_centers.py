"""The centers' state: finite whatever a batch holds, and float32 whatever the model around them becomes."""

import math

import pytest
import torch
from torch import Tensor, nn

from fercore.checks import nan_passes
from fercore.losses import ClassCenters
from fercore.samplers import MisclassificationRecord
from tests.oracles import random_batch


def batch() -> tuple[Tensor, Tensor]:
    x, y, _ = random_batch(9, 4, 3)
    return x.float(), y


# --- what is not finite -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["embeddings", "attention", "gradient"])
def test_a_batch_that_is_not_finite_moves_no_center(where, value):
    x, y = batch()
    given = {"embeddings": x.clone(), "attention": torch.ones_like(x), "gradient": torch.ones(4, 3)}
    given[where][0, 0] = value if where != "attention" else math.nan
    centers = ClassCenters(4, 3)
    before = centers.centers.clone()
    with pytest.raises(ValueError, match=rf"^{where} must be finite, got NaN or infinity in 1 of [^\n]+$"):
        centers.update(labels=y, **given)
    with nan_passes():
        centers.update(labels=y, **given)
    assert torch.equal(centers.centers, before)
    centers.update(x, y)
    assert not torch.equal(centers.centers, before)
    assert centers.centers.isfinite().all()


def test_what_another_process_overflows_moves_no_center_here(monkeypatch):
    x, y = batch()
    centers = ClassCenters(4, 3)
    before = centers.centers.clone()
    monkeypatch.setattr("fercore.losses.class_centers.all_reduce", lambda tensor: tensor + math.inf)
    centers.update(x, y)
    assert torch.equal(centers.centers, before)


def test_a_center_that_is_not_finite_is_refused():
    centers = ClassCenters(4, 3)
    centers.centers[1, 1] = math.nan
    with pytest.raises(ValueError, match=r"^centers must be finite[^\n]+$"):
        centers.update(*batch())


# --- types ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to_half", [nn.Module.half, nn.Module.bfloat16, lambda model: model.to("cpu", torch.float16)])
def test_centers_and_counts_stay_float32_in_a_model_of_half_precision(to_half):
    model = nn.ModuleDict({"layer": nn.Linear(3, 3), "centers": ClassCenters(4, 3), "record": MisclassificationRecord(3)})
    model["centers"].centers.fill_(1e5)  # beyond float16
    model["record"].update(torch.ones(3000, dtype=torch.long), torch.zeros(3000, dtype=torch.long))  # beyond its integers
    to_half(model)
    assert model["layer"].weight.element_size() == 2
    assert (model["centers"].centers == 1e5).all()
    assert model["record"].matrix[0, 1].item() == 3000
    assert {buffer.dtype for buffer in model.buffers()} == {torch.float32}
    assert "centers.centers" in model.state_dict()


def test_a_small_step_is_no_standstill_in_half_precision():
    centers = ClassCenters(1, 1, alpha=0.5).half()
    centers.centers.fill_(100.0)
    for _ in range(10):
        centers.update(torch.tensor([[99.96]]).half(), torch.tensor([0]))  # a quarter of 0.06 each time; float16 steps by 0.06
    assert centers.centers.item() == pytest.approx(99.9375 + 0.0625 * 0.75**10, rel=1e-6)


def test_double_precision_and_devices_are_followed():
    centers = ClassCenters(4, 3)
    values = centers.centers.clone()
    assert centers.double().centers.dtype == torch.float64
    assert torch.equal(centers.half().centers, values.double())
    assert centers.to("meta").centers.device.type == "meta"


def test_float64_embeddings_move_float32_centers():
    x, y = batch()
    first, second = ClassCenters(4, 3), ClassCenters(4, 3)
    second.load_state_dict(first.state_dict())
    first.update(x, y)
    second.update(x.double(), y)
    assert second.centers.dtype == torch.float32
    torch.testing.assert_close(first.centers, second.centers)
