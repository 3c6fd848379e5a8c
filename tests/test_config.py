import os
import shlex
import subprocess
import sys

import pytest

from fercore.choices import INCEPTION, TRUNK_NAMES
from fercore.cli import parser
from fercore.cli.options import make_config
from fercore.config import KEYS, RunConfig, config_from
from fercore.data.names import DATASETS, FACES
from fercore.data.readers.table import READERS
from fercore.errors import ConfigError
from fercore.limits import Of
from fercore.methods.table import METHODS
from fercore.models.resnet import TRUNKS
from fercore.profiles import PROFILES
from tests.messages import one_line


def test_the_same_config_has_the_same_id():
    one, same = RunConfig(method="dda", seed=1, gamma=3), RunConfig(seed=1, gamma=3, method="dda")
    assert one == same
    assert one.id == same.id
    assert one.id.startswith("dda-wmnist-quick-s1-")


def test_every_value_changes_the_hash():
    config = RunConfig(method="dda", profile="paper")
    others = {"profile": "laptop", "normalization": "released", "center_init": "released", "center_step": "wen"}
    keys = [key for key in config.to_dict() if key not in ("method", "data", "schedule")]  # what these allow differs
    changed = [config.replace(**{key: others.get(key) or near(getattr(config, key))}) for key in keys]
    assert len({config.hash, *(other.hash for other in changed)}) == len(keys) + 1


def near(value: float) -> float:
    """Another value of the same type, in every key's range."""
    return value + 1 if isinstance(value, int) else value * 0.9 or 0.5


def test_the_id_does_not_depend_on_the_process():
    code = "from fercore.config import RunConfig; print(RunConfig(method='dda', gamma=3).id)"
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert found == {RunConfig(method="dda", gamma=3).id}


@pytest.mark.parametrize("value", [3, 3.0, "3", "3.0", "3e0"])
def test_a_number_hashes_alike_however_it_is_written(value):
    assert RunConfig(method="dda", gamma=value).hash == RunConfig(method="dda", gamma=3).hash


def test_naming_a_default_changes_nothing():
    plain = RunConfig(method="dda", profile="laptop")
    assert RunConfig(**plain.to_dict()) == plain
    assert RunConfig(method="dda", profile="laptop", gamma=plain.gamma, lr=plain.lr) == plain


def test_a_method_shows_its_own_hyperparameters_alone():
    assert RunConfig(method="softmax").gamma is None
    assert "lambda_c" not in RunConfig(method="softmax").to_dict()
    assert RunConfig(method="center").alpha == 0.5


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"method": "dad"}, "unknown method 'dad'; known: softmax, center, dda"),
        ({"profile": "fast"}, "unknown profile 'fast'; known: quick, laptop, paper"),
        ({"data": "mnist"}, "unknown data set 'mnist'"),
        ({"gama": 3}, "unknown config key 'gama'; did you mean 'gamma'?"),
        ({"xyz": 3}, "unknown config key 'xyz'; known: method, "),
        ({"normalization": "mean"}, "normalization must be one of paper, released"),
        ({"schedule": "cosine"}, "schedule must be one of"),
        ({"center_init": "zeros"}, "center_init must be one of"),
        ({"center_step": "3.10"}, "center_step must be one of"),
        ({"gamma": "three"}, "gamma must be of type float, got 'three'"),
        ({"gamma": [3]}, "gamma must be of type float"),
        ({"gamma": -1}, "gamma must lie in 0.."),
        ({"lr": "nan"}, "lr must lie in"),
        ({"lr": "inf"}, "lr must lie in"),
        ({"lr": 0}, "lr must lie in"),
        ({"epochs": 0}, "epochs must lie in 1.."),
        ({"epochs": 2.5}, "epochs must be of type int"),
        ({"epochs": "2.5"}, "epochs must be of type int"),
        ({"epochs": True}, "epochs must be of type int"),
        ({"epochs": float("inf")}, "epochs must be of type int"),
        ({"seed": -1}, "seed must lie in"),
        ({"schedule": 3}, "schedule must be a string"),
        ({"data_fraction": 2}, "data_fraction must lie in"),
        ({"method": "softmax", "gamma": 3}, "method 'softmax' does not use 'gamma' (it has: none of its own)"),
        ({"method": "center", "gamma": 3}, "method 'center' does not use 'gamma' (it has: lambda_c, alpha, center_init)"),
        ({"lr_step": 5}, "lr_step belongs to schedule=step"),
        ({"schedule": "step"}, "schedule=step needs lr_step"),
        ({"schedule": "step", "lr_step": 5}, "schedule=step needs lr_decay"),
        ({"crop": 20}, "data=wmnist does not use 'crop'"),
        ({"data": "wmnist:/digits"}, "wmnist takes no path"),
        ({"data": "rafdb:"}, "write rafdb:PATH, or rafdb alone"),
        ({"data": "raf:/faces"}, "unknown data set 'raf'"),
        ({"data": "rafdb", "preset": "quick"}, "data=rafdb does not use 'preset'"),
        ({"data": "simfer:/faces", "preset": "quick"}, "data=simfer:/faces does not use 'preset'"),
        ({"data": "simfer", "preset": "../up"}, "preset is a name such as laptop"),
        ({"data": "simfer", "crop": 100}, "crop must be at most image_size, got 100 of 48"),
        ({"data": "simfer", "batch_size": 1}, "batch_size must be at least 2"),
        ({"data": "simfer", "augment": "mixup"}, "augment must be one of none, flip, five-crop"),
        ({"data": "simfer", "trunk": "vgg"}, "trunk must be one of resnet18, resnet50"),
        ({"data": "simfer", "erasing": 2}, "erasing must lie in 0..1"),
        (
            {"data": "simfer", "pretrained": "vgg"},
            "pretrained must be one of none, imagenet, simfer, simfer-id, fer2013",
        ),
        ({"data": "simfer", "pretrained": "msceleb"}, "pretrained must be one of"),
        ({"data": "simfer", "pretrained": "imagenet:/x"}, "pretrained must be one of"),
        ({"data": "simfer", "pretrained": "imagenet"}, "pretrained=imagenet needs width=1 and crop=80 or more"),
        ({"data": "simfer", "pretrained": "simfer"}, "pretrained=simfer is what data=simfer makes of preset quick"),
        ({"data": "simfer-id", "pretrained": "simfer-id"}, "pretrained=simfer-id is what data=simfer-id makes"),
        ({"head": "linear"}, "head must be one of amtc3l, one-branch, two-branch"),
        ({"optimizer": "sgd"}, "optimizer must be one of adam"),
        ({"weight": 1}, "method 'dda' does not use 'weight'"),
        ({"method": "nplusm-2b", "lengths": "long"}, "lengths must be one of unit, free"),
        ({"method": "nplusm-2b", "positives": 0}, "positives must lie in 1.."),
        ({"method": "dacl", "attention_from": "network"}, "attention_from must be one of constant, noise, shuffled"),
        ({"method": "g-dacl", "attention_from": "noise"}, "method 'g-dacl' does not use 'attention_from'"),
        ({"method": "tc3l-ms", "memory": "batch"}, "method 'tc3l-ms' does not use 'memory'"),
    ],
)
def test_a_wrong_value_is_one_clear_line(values, named):
    with pytest.raises(ConfigError) as error:
        config_from({"method": "dda"} | values)
    assert named in one_line(error.value)


def test_step_schedule_takes_its_own_keys():
    config = RunConfig(method="softmax", schedule="step", lr_step=5, lr_decay=2)
    assert (config.lr_step, config.lr_decay) == (5, 2.0)
    assert RunConfig(method="softmax", profile="paper").lr_decay == 1.25
    assert RunConfig(method="softmax").lr_step is None


def test_the_ids_of_shipped_dacl_runs_hold():
    """An option that came later is left out of the configs that do not use it."""
    assert RunConfig(method="dacl", data="simfer", profile="laptop").id == "dacl-simfer-laptop-s0-7bf9859ba1"
    assert "attention_from" not in RunConfig(method="dacl").to_dict()
    assert "identities" not in RunConfig(method="nplusm-2b").to_dict()


def test_replace_changes_what_it_names():
    config = RunConfig(method="dda", gamma=3)
    assert config.replace(gamma=7) == RunConfig(method="dda", gamma=7)
    assert config.replace() == config
    with pytest.raises(ConfigError, match="unknown config key 'gama'"):
        config.replace(gama=7)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("method", METHODS)
def test_command_makes_the_same_config(method, profile):
    plain = RunConfig(method=method, profile=profile, seed=4)
    odd = plain.replace(lr=1 / 3, epochs=7, **({"alpha": 0.1, "center_init": "released"} if plain.alpha else {}))
    stepped = RunConfig(method=method, profile=profile, schedule="step", lr_step=2, lr_decay=1.1)
    for config in (plain, odd, stepped):
        options = parser().parse_args(shlex.split(config.command())[3:])
        assert make_config(options, ("seed", options.seed)) == config
    assert "--set" not in plain.command()


def test_a_command_with_paths_makes_the_same_config():
    config = RunConfig(method="softmax", data="rafdb:/my faces/raf", pretrained="msceleb:/my weights/face.pth", crop=44)
    options = parser().parse_args(shlex.split(config.command())[3:])
    assert make_config(options, ("seed", options.seed)) == config


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("data", DATASETS)
def test_every_data_set_has_every_profile(data, profile):
    config = RunConfig(method="center", data="folder:/faces" if data == "folder" else data, profile=profile)
    assert (config.crop is None) == (data == "wmnist")
    assert RunConfig(**config.to_dict()) == config


def test_the_published_recipe_of_rafdb():
    """Thesis, 3.3.2."""
    config = RunConfig(method="dda", data="rafdb", profile="paper")
    assert (config.image_size, config.crop, config.augment, config.pretrained) == (100, 90, "five-crop", "imagenet")
    assert (config.batch_size, config.lr, config.epochs, config.lr_step, config.lr_decay) == (64, 0.01, 60, 20, 10)
    assert (config.momentum, config.weight_decay, config.trunk, config.width) == (0.9, 5e-4, "resnet18", 1)


def test_digits_show_no_setting_of_faces():
    assert not {"crop", "augment", "pretrained", "fold", "preset"} & RunConfig(method="dda").to_dict().keys()


def test_the_reading_of_lenets_is_of_digits_alone_and_changes_no_other_id():
    plain = RunConfig(method="softmax", profile="laptop")
    assert "lenets" not in plain.to_dict()
    assert RunConfig(method="softmax", profile="laptop", lenets="normalized").id != plain.id
    with pytest.raises(ConfigError, match=r"^data=simfer does not use 'lenets'$"):
        RunConfig(method="softmax", data="simfer", lenets="normalized")
    with pytest.raises(ConfigError, match=r"^lenets must be one of normalized, got 'plain'$"):
        RunConfig(method="softmax", lenets="plain")


def test_the_number_of_a_rare_digits_images_is_of_digits_alone_and_changes_no_other_id():
    plain = RunConfig(method="softmax")
    assert RunConfig(method="softmax", minority=500) == plain
    assert "minority" not in plain.to_dict()
    more = RunConfig(method="softmax", minority=1000)
    assert more.id != plain.id
    assert more.data_options["minority"] == 1000
    with pytest.raises(ConfigError, match=r"^data=simfer does not use 'minority'$"):
        RunConfig(method="softmax", data="simfer", minority=1000)
    with pytest.raises(ConfigError, match=r"^minority must lie in 10..5000, got 5001$"):
        RunConfig(method="softmax", minority=5001)


def test_allowed_values_that_stand_apart_are_those_of_the_mathematics():
    assert (*TRUNKS, INCEPTION) == TRUNK_NAMES
    assert {"simfer", *FACES} == {"simfer-id", *READERS}
    assert {name for name, key in KEYS.items() if key.of is Of.METHOD} == {
        name for method in METHODS.values() for name in method.hyperparameters
    }


def test_config_and_methods_need_no_pytorch():
    modules = "fercore, fercore.config, fercore.profiles, fercore.methods.table, fercore.methods.recipes, fercore.data"
    code = f"import sys, {modules}; fercore.RunConfig(method='dda'); print({{'torch', 'numpy'}} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


# --- data sets --------------------------------------------------------------------------------------------------------


def test_a_folder_has_one_name_however_it_is_spelled(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    spellings = (f"{tmp_path}/set", f"{tmp_path}/set/", "~/set", "set", "./set", f"{tmp_path}/other/../set")
    assert {RunConfig(method="softmax", data=f"rafdb:{path}").id for path in spellings} == {
        RunConfig(method="softmax", data=f"rafdb:{tmp_path / 'set'}").id
    }
    here = RunConfig(method="softmax", data="rafdb:set")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert RunConfig(method="softmax", data="rafdb:set").id != here.id
    assert RunConfig(**here.to_dict()) == here


def test_a_set_of_ones_own_has_a_path():
    with pytest.raises(ConfigError, match="write folder:PATH"):
        RunConfig(method="softmax", data="folder")
    with pytest.raises(ConfigError, match="does not use 'person'"):
        RunConfig(method="softmax", data="rafdb", person="(?P<person>.)")


def test_seven_classes_said_or_left_out_are_one_run():
    plain = RunConfig(method="softmax", data="affectnet")
    assert RunConfig(method="softmax", data="affectnet", classes=7) == plain
    assert RunConfig(method="softmax", data="affectnet", classes=8).id != plain.id
    with pytest.raises(ConfigError, match="does not use 'classes'"):
        RunConfig(method="softmax", data="rafdb", classes=8)
