"""The centers: their step against a loop, finite whatever a batch holds, float32 whatever the model around them becomes."""

import math

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from fercore.checks import nan_passes
from fercore.losses import ClassCenters, center_step, dda_center_gradient
from fercore.samplers import MisclassificationRecord
from tests.forks import in_processes
from tests.oracles import close, hard_cases, random_batch, slow_center_step, slow_dda_gradients


def batch() -> tuple[Tensor, Tensor]:
    x, y, _ = random_batch(9, 4, 3)
    return x.float(), y


# --- a step -----------------------------------------------------------------------------------------------------------


def test_center_step_by_hand():
    centers = ClassCenters(3, 2, alpha=0.5)
    centers.centers.copy_(torch.tensor([[0.0, 0.0], [2.0, 2.0], [5.0, 5.0]]))
    centers.update(torch.tensor([[1.0, 2.0], [3.0, 4.0], [4.0, 0.0]]), torch.tensor([0, 0, 1]))
    # class 0: ((0-1) + (0-3), (0-2) + (0-4)) / (1+2) = (-4/3, -2); class 1: (2-4, 2-0) / (1+1) = (-1, 1); half of each
    expected = torch.tensor([[2 / 3, 1.0], [2.5, 1.5], [5.0, 5.0]])
    torch.testing.assert_close(centers.centers, expected)


@pytest.mark.parametrize("case", hard_cases())
@pytest.mark.parametrize("with_attention", [False, True])
def test_center_step_equals_the_loop(case, with_attention):
    x, y, c = hard_cases()[case]
    attention = torch.rand(x.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    expected = slow_center_step(x, y, c, attention if with_attention else torch.ones_like(x))
    found = center_step(x, y, c, attention if with_attention else None)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12 * max(1, float(x.abs().max())))


def test_update_moves_by_alpha_times_step_plus_gradient():
    x, y, c = random_batch(12, 5, 3)
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


# --- the state --------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("wrong", [{"num_classes": 0}, {"dim": 0}, {"init": "zeros"}])
def test_class_centers_refuse_wrong_arguments(wrong):
    with pytest.raises(ValueError, match=rf"^[^\n]*{next(iter(wrong))}[^\n]*$"):
        ClassCenters(**({"num_classes": 5, "dim": 3} | wrong))


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
        x, y, c = random_batch(12, 5, 3)
        half = slice(6 * rank, 6 * rank + 6)
        found[str(dtype)] = updated(x[half].to(dtype), y[half], c.to(dtype))
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_move_centers_as_one(tmp_path):
    in_processes(2, half_a_batch, str(tmp_path))
    x, y, c = random_batch(12, 5, 3)
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt")
        for dtype, tolerance in ((torch.float32, 1e-6), (torch.float64, 1e-12)):
            whole, half = updated(x.to(dtype), y, c.to(dtype)), found[str(dtype)]
            for name in ("plain", "attention", "gradient"):
                torch.testing.assert_close(half[name], whole[name], rtol=0, atol=tolerance)
            own = slice(6 * rank, 6 * rank + 6)
            assert torch.equal(half["given gradient"], dda_center_gradient(x[own].to(dtype), y[own], c.to(dtype)))
