"""The pieces of the training loop."""

import dataclasses
import math
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from fercore.config import RunConfig
from fercore.data import Images, load_data
from fercore.errors import ConfigError
from fercore.evaluation import artifacts
from fercore.evaluation.artifacts import compact
from fercore.methods.batches import epoch_labels, epoch_order
from fercore.models.build import build_model
from fercore.parallel.devices import find_device, find_precision
from fercore.runs.local import local_folder
from fercore.train import has_diverged, learning_rate, normalize, train
from tests.data import trees


def test_the_published_schedule_divides_the_rate_every_20_epochs():
    config = RunConfig(method="softmax", profile="paper")
    rates = [learning_rate(config, epoch * 10 + 9, steps_per_epoch=10) for epoch in range(100)]
    assert rates[19] == 0.001
    assert rates[20] == pytest.approx(0.001 / 1.25)
    assert rates[99] == pytest.approx(0.001 / 1.25**4)


def test_the_short_schedule_rises_and_falls_below_its_highest_rate():
    config = RunConfig(method="softmax", profile="laptop")
    rates = [learning_rate(config, step, steps_per_epoch=100) for step in range(100 * config.epochs)]
    assert max(rates) == pytest.approx(config.lr)
    assert all(rate >= 0 for rate in rates)
    assert rates[0] < config.lr / 10 > rates[-1]


def test_an_epoch_visits_every_image_once_in_an_order_of_its_own():
    first, second, other = epoch_order(0, 0, 50), epoch_order(0, 1, 50), epoch_order(1, 0, 50)
    assert sorted(first.tolist()) == list(range(50))
    assert torch.equal(first, epoch_order(0, 0, 50))
    assert not torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.usefixtures("mnist")
def test_normalized_images_have_mean_0_and_spread_1():
    data = load_data("wmnist", fraction=0.1, val_fraction=0.1)
    images = normalize(data.train.images[:], data.mean, data.std)
    assert images.mean().item() == pytest.approx(0, abs=0.05)
    assert images.std().item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf, 1e7])
def test_a_loss_that_is_lost_is_noticed(loss):
    assert has_diverged(torch.tensor(loss))
    assert not has_diverged(torch.tensor(2.3))


def test_embeddings_too_long_for_float16_are_kept_in_float32():
    assert str(compact(torch.tensor([1.0])).dtype) == "float16"
    assert compact(torch.tensor([1e5]))[0] == 1e5


def test_the_test_set_is_looked_at_once_for_each_network(monkeypatch):
    """The last weights may be the best ones: they are equal then, and one look serves both."""
    looks = []
    monkeypatch.setattr(artifacts, "evaluate_together", lambda model, images, *_: looks.append(1) or (images, model(images)))
    digits = Images(torch.ones(4, 1), torch.zeros(4, dtype=torch.int64))
    data, config = SimpleNamespace(test=digits, num_classes=2, copies=None), SimpleNamespace(crop=None)
    right, wrong = ({"weight": torch.tensor(values)} for values in ([[1.0], [0.0]], [[0.0], [1.0]]))
    for best, last, seen in ((right, wrong, 2), (wrong, right, 2), (right, {"weight": right["weight"].clone()}, 1)):
        looks.clear()
        test, arrays = artifacts.test_once(torch.nn.Linear(1, 2, bias=False), {"best": best, "last": last}, data, config)
        assert [test[name]["accuracy"] for name in ("best", "last")] == [1 - best["weight"][1], 1 - last["weight"][1]]
        assert (arrays["test_predictions"] == last["weight"][1].item()).all()
        assert len(looks) == seen


def test_float32_is_not_tf32(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    find_device("cpu")
    assert not torch.backends.cudnn.allow_tf32


def test_a_device_that_is_not_there_is_one_line():
    assert find_device("cpu").type == "cpu"
    for name in ("gpu", "cuda:99"):
        with pytest.raises(ConfigError, match=rf"^device '{name}' cannot be used here [^\n]*$"):
            find_device(name)


def test_precision_is_bf16_by_itself_only_where_the_processor_has_it(monkeypatch):
    cpu = torch.device("cpu")
    for known, expected in (({}, "fp32"), ({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda known=known: known, raising=False)
        assert find_precision("auto", cpu) == expected
    assert find_precision("fp32", cpu) == "fp32"
    with pytest.raises(ConfigError, match=r"^unknown precision 'fp16'; known: auto, fp32, bf16$"):
        find_precision("fp16", cpu)


# --- what is meant for GPUs, tried on a CPU -----------------------------------------------------------------------------


def test_a_compiled_step_trains_the_same(tiny, tmp_path, monkeypatch):
    whole = train(tiny(method="center"))
    compile_step, seen = torch.compile, []
    monkeypatch.setattr(torch, "compile", lambda step: seen.append(step) or compile_step(step, backend="aot_eager"))
    monkeypatch.setenv("FERCORE_RUNS", str(tmp_path / "compiled"))
    compiled = train(tiny(method="center"), compiled=True)
    assert len(seen) == 1
    assert compiled.provenance["compiled"]
    assert compiled.epochs[-1]["loss"] == pytest.approx(whole.epochs[-1]["loss"], rel=1e-4)
    assert set(load_file(local_folder(tiny(method="center")) / "last.safetensors")) == set(
        build_model(whole.config, 10).state_dict()
    )


def test_a_step_in_bfloat16_trains(tiny):
    result = train(tiny(method="dda", gamma=0.1, epochs=2), precision="bf16")
    assert result.provenance["precision"] == "bf16"
    assert result.status == "finished"
    assert result.epochs[-1]["loss"] < result.epochs[0]["loss"]


# --- labels that are drawn ----------------------------------------------------------------------------------------------


def test_labels_are_drawn_from_votes_anew_in_each_epoch():
    votes = torch.tensor([[0.0, 8, 2]]).expand(2000, 3)
    split = Images(torch.zeros(2000, 1), torch.ones(2000, dtype=torch.int64), votes=votes)
    first, second, other = epoch_labels(0, 0, split), epoch_labels(0, 1, split), epoch_labels(1, 0, split)
    assert torch.equal(first, epoch_labels(0, 0, split))
    assert not torch.equal(first, second)
    assert not torch.equal(first, other)
    shares = first.bincount(minlength=3) / 2000
    assert shares.tolist() == pytest.approx([0, 0.8, 0.2], abs=0.03)
    assert epoch_labels(0, 0, dataclasses.replace(split, votes=None)) is split.labels


def test_a_run_on_drawn_labels_is_another_run_than_one_on_majorities(tmp_path, monkeypatch):
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "data"))
    trees.ferplus(tmp_path / "fer")
    values = {"method": "center", "data": f"ferplus:{tmp_path / 'fer'}", "image_size": 24, "crop": 20, "width": 1 / 16}
    majority, drawn = (RunConfig(**values, epochs=1, batch_size=8, votes=votes) for votes in (None, "drawn"))
    assert majority.id != drawn.id
    found = [train(config, device="cpu") for config in (majority, drawn)]
    assert [result.status for result in found] == ["finished"] * 2
    assert found[0].provenance["label_fingerprint"] != found[1].provenance["label_fingerprint"]
    with pytest.raises(ConfigError, match="data=simfer does not use 'votes'"):
        RunConfig(method="center", data="simfer", votes="drawn")
