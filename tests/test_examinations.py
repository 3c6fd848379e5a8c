"""What a trained network is asked afterwards: asked once, kept, shipped, and checked when it is read."""

import dataclasses

import numpy as np
import pytest
from conftest import one_line

from fercore import examinations, runs
from fercore.errors import ConfigError, NotShipped, StoreError
from fercore.examinations import examine, load_trained
from fercore.runs import RunResult, local_folder, ship
from fercore.train import train


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "RESULTS", tmp_path / "results")
    runs.shipped_index.cache_clear(), runs.shipped_examinations.cache_clear()
    yield tmp_path / "results"
    runs.shipped_index.cache_clear(), runs.shipped_examinations.cache_clear()


def test_probabilities_are_those_of_the_last_epoch(tiny):
    config = tiny(method="center")
    result = train(config)
    found = examine(config, "probabilities")
    assert found["probabilities"].sum(axis=1) == pytest.approx(1, abs=5e-3)
    right = found["probabilities"].argmax(axis=1) == found["labels"]
    assert right.mean() == pytest.approx(result.accuracy, abs=0.01)  # float16 makes ties


def test_an_answer_is_kept(tiny, monkeypatch):
    config = tiny(method="softmax")
    first = examine(config, "probabilities")  # trains the run, too
    assert (local_folder(config) / "result.json").exists()
    monkeypatch.setitem(examinations.EXAMINATIONS, "probabilities", None)
    assert (examine(config, "probabilities")["probabilities"] == first["probabilities"]).all()
    with pytest.raises(TypeError):
        examine(config, "probabilities", fresh=True)


def test_the_objective_comes_with_its_state(tiny):
    config = tiny(method="center")
    train(config)
    trained = load_trained(config, "cpu", with_objective=True)
    assert trained.objective.centers.abs().sum() > 0
    assert not trained.objective.training
    assert not trained.model.training
    (local_folder(config) / "objective.safetensors").unlink()
    assert load_trained(config, "cpu").objective is None
    again = load_trained(config, "cpu", with_objective=True)  # trained anew
    assert np.array_equal(again.objective.centers, trained.objective.centers)


def test_a_shipped_answer_needs_no_weights_and_is_checked(tiny, shipped, monkeypatch):
    config = tiny(method="softmax")
    found = examine(config, "probabilities")
    assert ship([train(config)]) == 2
    monkeypatch.setenv("FERCORE_SHIPPED_ONLY", "1")
    assert (examine(config, "probabilities")["labels"] == found["labels"]).all()
    (shipped / f"{config.id}.probabilities.npz").write_bytes(b"changed")
    with pytest.raises(StoreError, match=r"examinations\.csv") as caught:
        examine(config, "probabilities")
    assert one_line(caught.value)


def test_what_is_not_shipped_is_not_asked(tiny, shipped, monkeypatch):
    monkeypatch.setenv("FERCORE_SHIPPED_ONLY", "1")
    with pytest.raises(NotShipped):
        examine(tiny(method="softmax"), "probabilities")


def test_wrong_questions_get_one_line(tiny, monkeypatch):
    with pytest.raises(ConfigError, match="known: probabilities") as caught:
        examine(tiny(method="softmax"), "age")
    assert one_line(caught.value)
    lost = dataclasses.replace(train(tiny(method="softmax")), status="diverged")
    assert isinstance(lost, RunResult)
    monkeypatch.setattr(examinations, "find_result", lambda config: lost)
    with pytest.raises(ConfigError, match="diverged"):
        examine(tiny(method="softmax"), "probabilities")


def test_watched_steps_are_those_of_the_training(tiny):
    config = tiny(method="tc3l-ns", weight=5.0)
    result, seen = train(config), examine(config, "steps")
    joint = (seen["cross_entropy"] + seen["own"]).reshape(config.epochs, -1).mean(axis=1)
    assert joint == pytest.approx([row["loss"] for row in result.epochs], rel=1e-4)
    assert seen["own"].min() > 0
    assert (seen["own_pull"] > 0).all()
    assert seen["sizes"].sum() == len(seen["labels"]) == len(seen["predictions"])
