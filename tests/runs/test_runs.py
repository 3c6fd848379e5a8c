"""The run store: trained once, resumed bit for bit, never silently wrong."""

import dataclasses
import json
import pickle
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import fercore.train as loop
from fercore.config import RunConfig, config_from
from fercore.course.doctor import check_runs
from fercore.data import load_data
from fercore.errors import ConfigError, NotShipped, StoreError
from fercore.parallel.clock import session_start
from fercore.runs import files
from fercore.runs import shipped as shipped_store
from fercore.runs.find import find_record, find_result, find_results, find_run, is_stored
from fercore.runs.local import local_folder, open_folder
from fercore.runs.result import RunResult, write_result
from fercore.runs.shipped import ship, shipped_analysis, shipped_folder, shipped_index, shipped_result
from fercore.train import train
from tests.forks import in_processes
from tests.killed import kill_after_one_epoch
from tests.messages import one_line


def leftovers(store: Path) -> list[str]:
    """What stands in the local store, apart from locks."""
    return sorted(path.name for path in store.rglob("*") if path.is_file() and path.name != "lock")


# --- once -------------------------------------------------------------------------------------------------------------


def test_the_same_config_twice_trains_once(tiny, fits, store):
    first, second = train(tiny()), train(tiny())
    assert fits == [tiny()]
    assert first == second
    assert leftovers(store) == ["arrays.npz", "best.safetensors", "last.safetensors", "objective.safetensors", "result.json"]


def train_slowly(rank: int, folder: Path, values: dict[str, Any]) -> None:
    """Report to be ready, wait for the other process, and train, which takes a moment longer than usual."""
    fit = loop.fit

    def slow_fit(*arguments: Any, **more: Any) -> RunResult:
        (folder / f"fit-{rank}").touch()
        time.sleep(0.5)
        return fit(*arguments, **more)

    loop.fit = slow_fit
    (folder / f"ready-{rank}").touch()
    while len(list(folder.glob("ready-*"))) < 2:
        time.sleep(0.01)
    result = train(config_from(values))
    (folder / f"said-{rank}").write_text(f"{result.test} {result.arrays['test_predictions'].sum()}")


def test_two_processes_that_want_the_same_run_train_it_once(tiny, tmp_path):
    in_processes(2, train_slowly, tmp_path, tiny().to_dict())
    assert (tmp_path / "said-0").read_text() == (tmp_path / "said-1").read_text()
    assert len(list(tmp_path.glob("fit-*"))) == 1


def test_fresh_trains_again_what_an_earlier_session_made(tiny, fits, monkeypatch):
    train(tiny())
    monkeypatch.setenv("FERCORE_SESSION_START", "2999-01-01T00:00:00+00:00")
    train(tiny(), fresh=True)
    assert len(fits) == 2


def test_fresh_keeps_what_this_session_made(tiny, fits, monkeypatch):
    monkeypatch.setenv("FERCORE_SESSION_START", "2000-01-01T00:00:00+00:00")
    train(tiny(), fresh=True)
    train(tiny(), fresh=True)
    assert len(fits) == 1


def test_a_run_of_the_second_in_which_the_session_began_is_this_sessions(tiny, monkeypatch):
    finished = datetime.fromisoformat(train(tiny()).provenance["finished"])
    for late, counts in ((0, True), (1, False)):
        monkeypatch.setenv("FERCORE_SESSION_START", (finished + timedelta(seconds=late)).isoformat())
        assert bool(find_result(tiny(), fresh=True)) == counts


@pytest.mark.parametrize("told", ["", "yesterday", "2026-13-01"])
def test_a_session_that_began_at_no_time_is_one_line(told, monkeypatch):
    monkeypatch.setenv("FERCORE_SESSION_START", told)
    with pytest.raises(ConfigError, match=r"FERCORE_SESSION_START=.* is no time") as error:
        session_start()
    assert one_line(error.value)


def test_the_same_seed_gives_the_same_weights(tiny, monkeypatch, tmp_path):
    weights = []
    for name in ("one", "two"):
        monkeypatch.setenv("FERCORE_RUNS", str(tmp_path / name))
        train(tiny(method="dda"))
        weights.append((local_folder(tiny(method="dda")) / "last.safetensors").read_bytes())
    assert weights[0] == weights[1]


# --- killed and resumed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["softmax", "dda"])
def test_a_killed_training_resumes_bit_identically(method, tiny, monkeypatch, tmp_path):
    monkeypatch.setattr(loop, "load_data", load_data)  # the other process knows of no shorter test set
    config = tiny(method=method, epochs=3)
    kill_after_one_epoch(config)
    folder = local_folder(config)
    assert leftovers(folder) == ["checkpoint.pt"]

    trained = []
    normalize = loop.normalize
    monkeypatch.setattr(loop, "normalize", lambda images, *scale: trained.append(len(images)) or normalize(images, *scale))
    resumed, steps = train(config), len(trained)
    assert not (folder / "checkpoint.pt").exists()

    monkeypatch.setenv("FERCORE_RUNS", str(tmp_path / "uninterrupted"))
    trained.clear()
    whole = train(config)
    assert steps < len(trained)  # the first epoch was not repeated
    for name in ("last.safetensors", "best.safetensors"):
        assert (folder / name).read_bytes() == (local_folder(config) / name).read_bytes()
    rows = [[{k: v for k, v in row.items() if k != "seconds"} for row in result.epochs] for result in (resumed, whole)]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 3
    assert resumed.test == whole.test
    for name, array in whole.arrays.items():
        np.testing.assert_array_equal(resumed.arrays[name], array)


def test_a_damaged_checkpoint_is_one_line(tiny):
    folder = local_folder(tiny())
    folder.mkdir(parents=True)
    (folder / "checkpoint.pt").write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.raises(StoreError) as error:
        train(tiny())
    assert "checkpoint.pt is damaged" in one_line(error.value)


def test_a_checkpoint_executes_nothing(tiny, tmp_path):
    folder = local_folder(tiny())
    folder.mkdir(parents=True)
    marker = tmp_path / "executed"

    class Evil:
        def __reduce__(self):
            return (Path.touch, (marker,))

    (folder / "checkpoint.pt").write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(StoreError):
        train(tiny())
    assert not marker.exists()


@pytest.mark.parametrize("content", ["", "{", "{}", '{"config": {"method": "dda", "gama": 1}}'])
def test_a_damaged_result_is_one_line(tiny, content):
    folder = local_folder(tiny())
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(content)
    with pytest.raises(StoreError) as error:
        train(tiny())
    assert "result.json is " in one_line(error.value)


# --- what a result holds ----------------------------------------------------------------------------------------------


def test_a_result_tells_where_it_comes_from(tiny):
    result = train(tiny(seed=3))
    told = result.provenance
    assert told["seed"] == 3
    assert {"commit", "dirty", "python", "torch", "device", "threads", "seconds", "finished"} <= told.keys()
    assert len(told["data_fingerprint"]) == 16
    assert json.loads((local_folder(tiny(seed=3)) / "result.json").read_text())["config"] == tiny(seed=3).to_dict()


def test_a_result_is_consistent_with_its_arrays(tiny):
    result = train(tiny(method="dda", epochs=2))
    arrays, last = result.arrays, result.test["last"]
    right = arrays["test_predictions"] == arrays["test_labels"]
    assert last["accuracy"] == pytest.approx(right.mean())
    assert np.sum(last["confusion"]) == len(right) == 300
    np.testing.assert_allclose(result.recall, [right[arrays["test_labels"] == k].mean() for k in range(10)])
    assert result.balanced_accuracy == pytest.approx(result.recall.mean())
    assert arrays["test_embeddings"].shape == (300, 2)
    assert arrays["centers"].shape == (2, 10, 2)
    assert arrays["snapshot_embeddings"].shape == (2, len(arrays["snapshot_labels"]), 2)


def test_best_is_the_epoch_of_the_best_validation(tiny, monkeypatch):
    """The second of three epochs is made to look best; its weights are the "best" ones."""
    scores, saved, copy = iter([0.2, 0.9, 0.5]), [], loop.cpu_copy
    fake = lambda *_: {"val_loss": 1.0, "val_accuracy": 0.5, "val_balanced_accuracy": next(scores)}  # noqa: E731
    monkeypatch.setattr(loop, "validate", fake)
    snapshot = loop.take_snapshot
    monkeypatch.setattr(loop, "take_snapshot", lambda model, *rest: saved.append(copy(model)) or snapshot(model, *rest))
    config = tiny(epochs=3)
    train(config)
    for name, epoch in (("best", 1), ("last", 2)):
        stored = load_file(local_folder(config) / f"{name}.safetensors")
        assert all((stored[key] == value.numpy()).all() for key, value in saved[epoch].items())


# --- divergence -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values", [{"lr": 1000, "clip_norm": 0}, {"method": "dda", "gamma": 1e6, "center_init": "he", "lr": 0.01}]
)
def test_a_diverged_run_is_stored_as_such_and_not_repeated(values, tiny, fits, store):
    config = tiny(epochs=2, **values)
    result = train(config)
    assert result.status == "diverged"
    assert np.isnan(result.accuracy)
    assert np.isnan(result.recall).all()
    assert result.arrays == {}
    assert train(config).diverged
    assert len(fits) == 1
    assert leftovers(store) == ["arrays.npz", "result.json"]
    json.loads((local_folder(config) / "result.json").read_text(), parse_constant=pytest.fail)  # NaN is no JSON


# --- stores that cannot be written ------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["/proc/fercore", "file/runs"])
def test_an_unwritable_store_is_one_line_before_any_training(place, tiny, fits, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FERCORE_RUNS", str(tmp_path / place))
    with pytest.raises(StoreError) as error:
        train(tiny())
    assert "cannot write" in one_line(error.value)
    assert not fits


# --- the shipped store ------------------------------------------------------------------------------------------------


@pytest.fixture
def shipped(tiny, tmp_path, monkeypatch):
    """A run that stands in the shipped store alone."""
    config = tiny(method="center")
    assert ship([train(config)]) == (1, [])
    monkeypatch.setenv("FERCORE_RUNS", str(tmp_path / "empty"))
    return config


def test_a_shipped_run_is_found_and_not_trained(shipped, fits):
    result = train(shipped)
    assert not fits
    assert result.array_file.parent == shipped_folder(shipped)
    assert set(result.arrays) >= {"test_embeddings", "centers"}


def contents() -> dict[str, bytes]:
    """The shipped store, file by file."""
    return {str(path): path.read_bytes() for path in shipped_store.RESULTS.rglob("*") if path.is_file()}


def test_shipping_again_changes_nothing(shipped):
    before = contents()
    assert ship([find_result(shipped)]) == (0, [])
    assert contents() == before


def test_shipping_another_result_of_a_run_says_which(shipped):
    """A run trained again, in another precision say: nobody should find out from the figures."""
    result = find_result(shipped)
    last = {**result.test["last"], "accuracy": 0.25}
    ship_again = write_result(
        open_folder(shipped), dataclasses.replace(result, test={**result.test, "last": last}), result.arrays
    )
    assert ship([ship_again]) == (0, [f"{shipped.id}: accuracy {result.accuracy:.4f} -> 0.2500"])


def test_shipping_a_second_run_keeps_the_first(shipped, tiny):
    assert ship([train(tiny())]) == (1, [])
    assert set(shipped_index()) == {shipped.id, tiny().id}


def test_one_changed_digit_of_a_shipped_run_is_noticed(shipped):
    path = shipped_folder(shipped) / "result.json"
    text = path.read_text()
    position = text.index('"accuracy": 0.') + len('"accuracy": 0.')
    path.write_text(f"{text[:position]}{(int(text[position]) + 1) % 10}{text[position + 1 :]}")
    with pytest.raises(StoreError, match=r"^[^\n]*is not what results/index.csv lists[^\n]*$"):
        find_result(shipped)


def test_one_changed_byte_of_shipped_arrays_is_noticed(shipped):
    path = shipped_folder(shipped) / "arrays.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"is not what results/index\.csv lists"):
        find_result(shipped)


def test_a_missing_shipped_file_is_noticed(shipped):
    (shipped_folder(shipped) / "arrays.npz").unlink()
    with pytest.raises(StoreError, match=r"is missing, but results/index\.csv lists it"):
        find_result(shipped)


def test_shipped_only_names_the_command_and_trains_nothing(tiny, fits, monkeypatch, store):
    monkeypatch.setenv("FERCORE_SHIPPED_ONLY", "1")
    with pytest.raises(NotShipped) as error:
        train(tiny())
    assert tiny().command() in one_line(error.value)
    assert not fits
    assert not store.exists()


def test_results_compare_by_what_they_say(tiny):
    result = train(tiny())
    assert result != dataclasses.replace(result, status="diverged")
    assert result == dataclasses.replace(result, array_file=None)  # not by where they lie


def test_many_are_looked_up_as_one_is(tiny, monkeypatch):
    result = train(tiny())
    monkeypatch.setenv("FERCORE_SESSION_START", "2999-01-01T00:00:00+00:00")
    assert find_results([tiny(), tiny(seed=1)]) == [result, None]
    assert find_results([tiny()], fresh=True) == [None]


def test_where_only_shipped_runs_count_those_here_are_not_stored(tiny, monkeypatch):
    train(tiny())
    assert is_stored(tiny())
    monkeypatch.setenv("FERCORE_SHIPPED_ONLY", "1")
    assert not is_stored(tiny())


def test_no_record_is_one_line_that_says_where_records_are(tiny):
    with pytest.raises(StoreError) as error:
        find_record(tiny().id)
    assert f"no finished run {tiny().id!r}" in one_line(error.value)
    assert "runs/store" in str(error.value)


def test_runs_with_weights_are_named_up_to_five(store):
    for number in range(6):
        (store / f"run-{number}").mkdir(parents=True)
        (store / f"run-{number}" / "best.safetensors").touch()
        (store / f"run-{number}" / "result.json").touch()
        with pytest.raises(StoreError) as error:
            find_run("mine")
        assert ("..." in one_line(error.value)) == (number == 5)
        assert "run-5" not in str(error.value)


def test_json_with_what_is_no_number_is_not_written(tiny, tmp_path):
    with pytest.raises(ValueError, match="Out of range"):
        files.write(tmp_path / "result.json", {"loss": float("nan")}, tiny().id)
    assert not list(tmp_path.glob("*.json*"))


def test_embeddings_that_no_figure_draws_are_not_shipped(tiny):
    configs = [tiny(seed=seed) for seed in (0, 1)]
    ship([train(config) for config in configs], drawn={configs[0].id})
    kept, slim = (set(shipped_result(config.id).arrays) for config in configs)
    assert kept - slim == {"test_embeddings"}
    assert "test_predictions" in slim


def test_of_a_long_training_the_last_plane_alone_is_shipped(tiny):
    config = tiny(method="center", profile="paper", epochs=2)
    result = train(config)
    ship([result])
    whole, slim = result.arrays, shipped_result(config.id).arrays
    assert set(slim) == set(whole)
    for name in ("snapshot_embeddings", "centers"):
        assert len(slim[name]) == 1 < len(whole[name])
        assert (slim[name][-1] == whole[name][-1]).all()


def test_a_diverged_run_is_shipped_without_arrays(tiny):
    config = tiny(method="dda", normalization="paper", gamma=1e5, lr=10)
    assert train(config).diverged
    ship([train(config)])
    assert shipped_result(config.id).diverged
    assert shipped_result(config.id).arrays == {}


def test_embeddings_and_analyses_of_photographs_are_never_shipped(tiny, monkeypatch, capsys):
    of_digits, of_faces = train(tiny()), RunConfig(method="softmax", data="fer2013")
    files.write(open_folder(of_faces) / "probabilities.npz", {"probabilities": np.ones(3)}, of_faces.id)
    ship([write_result(open_folder(of_faces), dataclasses.replace(of_digits, config=of_faces), of_digits.arrays)])
    assert set(of_digits.arrays) - set(shipped_result(of_faces.id).arrays) == {"test_embeddings"}
    assert shipped_analysis(of_faces, "probabilities") is None
    monkeypatch.setenv("FERCORE_SHIPPED_ONLY", "1")
    assert find_result(of_faces) is not None
    assert "is not here" not in capsys.readouterr().err, "whoever reads shipped results need not have the photographs"


def test_doctor_calls_a_run_whole_whose_objective_has_no_numbers(tiny):
    train(tiny(method="softmax"))
    assert [ready for _, ready, _ in check_runs()] == [True]
