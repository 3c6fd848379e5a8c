"""Numbers that are no answer, sizes that leave nothing to learn, outputs that cannot print: a line, never a result."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import fercore.train as loop
from fercore.data import load_data
from fercore.errors import ConfigError, FercoreError, StoreError
from fercore.runs import files
from fercore.runs.find import find_result
from fercore.runs.identity import facts_of
from fercore.runs.local import local_folder
from fercore.train import Trainer, train
from fercore.trained import predict
from tests.faces import make_tree
from tests.faults.runs import config_of
from tests.faults.tally import attempt, end, one_line, run, start_forked
from tests.messages import one_line as is_one_line


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "data"))
    return config_of(make_tree(tmp_path / "set"), epochs=3)


def poison(part: str, value: float):
    """After the last step of the second epoch, one number of the network or of the objective becomes `value`."""
    original = Trainer.step

    def step(trainer: Trainer, number: int, *rest: object):
        outcome = original(trainer, number, *rest)
        if number == 2 * trainer.steps_per_epoch - 1:
            weights = [tensor for tensor in getattr(trainer, part).state_dict().values() if tensor.is_floating_point()]
            weights[0][(0,) * weights[0].dim()] = value
        return outcome

    return step


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("part", ["model", "objective"])
def test_weights_and_centers_that_are_no_numbers_diverged(part, value, config, monkeypatch):
    monkeypatch.setattr(Trainer, "step", poison(part, value))
    with attempt("numbers: diverged"):
        result = train(config, device="cpu")
        assert result.diverged
        assert (result.epochs[-1]["epoch"], result.test) == (2, {})
        assert result.epochs[-1]["step"] == 2 * result.epochs[0]["step"]
        json.loads((local_folder(config) / "result.json").read_text(), parse_constant=pytest.fail)


@pytest.mark.parametrize("value", [1e30, math.nan, math.inf])
def test_a_validation_loss_beyond_all_bounds_diverged(value, config, monkeypatch):
    validate = loop.validate
    monkeypatch.setattr(loop, "validate", lambda *given: validate(*given) | {"val_loss": value})
    with attempt("numbers: diverged"):
        result = train(config, device="cpu")
        assert result.diverged
        assert not [name for name in result.epochs[-1] if name.startswith("val_")]


def test_predictions_that_are_no_numbers_are_an_error(config, tmp_path):
    train(config, device="cpu")
    file = local_folder(config) / "best.safetensors"
    weights = files.read(file, config.id)
    files.write(file, {name: value * math.nan for name, value in weights.items()}, config.id)
    Image.fromarray(np.zeros((24, 24, 3), np.uint8)).save(tmp_path / "face.png")
    with attempt("numbers: predictions"), pytest.raises(StoreError, match="answers no numbers"):
        predict([tmp_path / "face.png"], config.id, device="cpu")
    with attempt("numbers: predictions"):
        command = ("predict", "--run", config.id, tmp_path / "face.png")
        assert "answers no numbers" in one_line(end(start_forked("fercore", *command, output=tmp_path / "words")))


def test_no_result_holds_what_json_has_not(config, monkeypatch):
    """A class without test images has no recall."""
    once = loop.test_once

    def without(*given: object):
        test, arrays = once(*given)
        test["last"]["recall"][0] = math.nan
        return test, arrays

    monkeypatch.setattr(loop, "test_once", without)
    with attempt("numbers: JSON"):
        train(config, device="cpu")
        json.loads((local_folder(config) / "result.json").read_text(), parse_constant=pytest.fail)
        assert np.isnan(find_result(config).recall[0])


@pytest.mark.parametrize("method", ["softmax", "center", "dda", "tc3l-ns", "nplusm-2b"])
def test_sets_of_a_few_images_train_or_say_why_not(method, tmp_path, monkeypatch):
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "data"))
    for count, people in ((1, 1), (1, 7), (2, 1), (2, 3), (3, 14)):
        tree = make_tree(tmp_path / f"{count}-{people}", train=count, test=1, people=people)
        with attempt("numbers: few images", f"{method} {count} {people}"):
            try:
                train(config_of(tree, method=method, epochs=1), device="cpu")
            except FercoreError as error:
                is_one_line(error)


@pytest.mark.parametrize("keep", [1, 2, 3, 5, 7])
def test_one_to_seven_training_images(keep, tmp_path, monkeypatch):
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "data"))
    tree = make_tree(tmp_path / "set", train=1, test=1, people=7)
    listed, table = tree / "EmoLabel" / "list_patition_label.txt", tree / "simfer.csv"
    gone = [f"train_{number:05d}.jpg" for number in range(keep + 1, 8)]
    for file in (listed, table):
        file.write_text("".join(line + "\n" for line in file.read_text().splitlines() if not line.startswith(tuple(gone))))
    for batch_size in (2, 16):
        with attempt("numbers: few images"):
            try:
                train(config_of(tree, epochs=1, batch_size=batch_size), device="cpu")
            except FercoreError as error:
                is_one_line(error)


def test_adam_with_momentum_1_is_a_line(config):
    with attempt("numbers: settings"), pytest.raises(ConfigError, match="momentum below 1"):
        config.replace(optimizer="adam", momentum=1)


def test_an_output_of_ascii_is_printed_to(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    with attempt("numbers: output"):
        assert run("fercore", "--help")[0] == 0
    for command in (("plan", "--table", "table 3.3"), ("report", "--item", "table 3.1")):
        with attempt("numbers: output"):
            assert end(start_forked("fercore", *command, output=tmp_path / "words"))[0] == 0


def test_a_reader_that_closes_the_pipe_is_no_traceback():
    with attempt("numbers: output"):
        command = f"{sys.executable} -m fercore train --help | true"
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        assert "Error" not in done.stderr


def test_identical_data_give_identical_facts(config):
    """The fingerprint has no chance in it."""
    with attempt("data: the same"):
        one, two = (facts_of(load_data(config.data, **config.data_options)) for _ in range(2))
        assert one == two
