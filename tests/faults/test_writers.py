"""Eight processes write one shared file at the same time: nothing of any of them is lost."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fercore.config import RunConfig, config_from
from fercore.data import load_data
from fercore.papers import tuning
from fercore.papers.analyses import examine
from fercore.runs import shipped
from fercore.runs.find import find_result
from fercore.runs.local import local_folder
from fercore.train import train
from tests.faces import make_tree
from tests.faults.runs import config_of
from tests.faults.tally import Lost, attempt, fork, joined, times, wait_until

WRITERS = 8


@pytest.fixture
def config(tmp_path, monkeypatch) -> Callable[..., RunConfig]:
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "data"))
    tree = make_tree(tmp_path / "set")
    return lambda **values: config_of(tree, **({"epochs": 1} | values))


def at_once(function: Callable[..., object], every: list[tuple], folder: Path) -> list[str]:
    """The function with each of these arguments, by processes that begin together; what each said."""
    folder.mkdir(exist_ok=True)
    outputs = [folder / str(number) for number in range(len(every))]
    started = [fork(wait_and, folder, function, given, output=output) for given, output in zip(every, outputs, strict=True)]
    wait_until(lambda: len(list(folder.glob("ready-*"))) == len(every), "not all began")
    (folder / "go").touch()
    ended = [joined(process, output) for process, output in zip(started, outputs, strict=True)]
    assert [code for code, _ in ended] == [0] * len(every), ended
    return [text for _, text in ended]


def wait_and(folder: Path, function: Callable[..., object], arguments: tuple) -> None:
    (folder / f"ready-{os.getpid()}").touch()
    while not (folder / "go").exists():
        time.sleep(0.001)
    function(*arguments)


def ship_one(values: dict[str, Any], results: Path) -> None:
    shipped.RESULTS = results
    shipped.ship([find_result(config_from(values))])


def test_eight_ship_at_once(config, tmp_path):
    runs = [config(seed=seed) for seed in range(WRITERS)]
    for run in runs:
        train(run, device="cpu")
    examine(runs[0], "probabilities", device="cpu")
    for number in times(1, 20):
        results = tmp_path / f"results-{number}"
        with attempt("at once: shipping"):
            at_once(ship_one, [(run.to_dict(), results) for run in runs], tmp_path / f"ship-{number}")
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(shipped, "RESULTS", results)
                shipped.forget_indexes()
                if shipped.shipped_index().keys() != {run.id for run in runs}:
                    raise Lost(f"{len(shipped.shipped_index())} of {WRITERS} rows are left")
                assert shipped.shipped_analyses().keys() == {(runs[0].id, "probabilities")}
                assert not shipped.inspect_shipped()


def keep_choice(file: Path, profile: str) -> None:
    tuning.TUNED, tuning.choose = file, lambda profile: {"center": {"lambda_c": float(profile[1:])}}
    tuning.write_choices(profile)


def test_eight_profiles_keep_their_choices_at_once(tmp_path, monkeypatch):
    for number in times(1, 30):
        file = tmp_path / f"tuned-{number}.json"
        monkeypatch.setattr(tuning, "TUNED", file)
        with attempt("at once: choices"):
            at_once(keep_choice, [(file, f"p{one}") for one in range(WRITERS)], tmp_path / f"tune-{number}")
            found = tuning.read_choices()
            if len(found) != WRITERS:
                raise Lost(f"{len(found)} of {WRITERS} profiles are left")
            assert found["p3"] == {"center": {"lambda_c": 3.0}}


def train_one(values: dict[str, Any]) -> None:
    print(json.dumps(train(config_from(values), device="cpu").test))


def examine_one(values: dict[str, Any]) -> None:
    print(examine(config_from(values), "probabilities", device="cpu")["probabilities"].sum())


def test_eight_want_the_same_run_and_the_same_answer(config, tmp_path):
    for number in times(1, 6):
        run = config(seed=number)
        with attempt("at once: one run"):
            said = at_once(train_one, [(run.to_dict(),)] * WRITERS, tmp_path / f"train-{number}")
            assert len({text.splitlines()[-1] for text in said}) == 1
        with attempt("at once: one answer"):
            said = at_once(examine_one, [(run.to_dict(),)] * WRITERS, tmp_path / f"ask-{number}")
            assert len({text.splitlines()[-1] for text in said}) == 1
            assert not list(local_folder(run).glob(".*"))


def read_set(data: str, options: dict[str, Any]) -> None:
    print(load_data(data, **options).fingerprint)


def test_eight_build_one_image_store(config, tmp_path, monkeypatch):
    run = config()
    for number in times(1, 10):
        monkeypatch.setenv("FERCORE_DATA", str(tmp_path / f"data-{number}"))
        with attempt("at once: image store"):
            said = at_once(read_set, [(run.data, run.data_options)] * WRITERS, tmp_path / f"read-{number}")
            assert len({text.splitlines()[-1] for text in said}) == 1
            assert sum("decoding" in text for text in said) <= 1
            assert len(list((tmp_path / f"data-{number}" / "store").iterdir())) == 3
