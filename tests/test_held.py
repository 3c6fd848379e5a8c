"""What users hold goes on working: ids, fresh and saved weights, runs, names and commands, sampled before the house was moved.

held/ was written by the code as it was then. A change that turns these tests red breaks stores, scripts and numbers that
others have; new values are no mend.
"""

import hashlib
import importlib
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from fercore.cli import parser
from fercore.config import RunConfig, config_from
from fercore.methods import build
from fercore.parallel.devices import seed_everything
from fercore.paths import RESULTS
from fercore.runs import shipped
from fercore.runs.local import local_folder
from fercore.trained import load_trained, predict

HELD = Path(__file__).parent / "held"
CONFIGS = json.loads((HELD / "configs.json").read_text())
FRESH = json.loads((HELD / "fresh_weights.json").read_text())
RUN = HELD / "dacl-wmnist-quick-s1-7ee9b76e87"  # attention and centers beside its network
ANSWERS = (0.0876, 0.0814, 0.1327, 0.0676, 0.1479, 0.0881, 0.1064, 0.1352, 0.0569, 0.0963)  # its on a white stripe
SHIPPED = 373  # so many runs were shipped

PUBLIC = {
    "fercore.losses": "ClassCenters LearnedReference amtc3l_loss center_loss center_step contrastive_loss "
    "coupled_clusters_loss dda_center_gradient dda_loss island_center_gradient island_loss locality_preserving_loss "
    "lossless_triplet_loss n_plus_m_tuplet_loss n_plus_one_tuplet_loss separate_loss sparse_center_loss tc3l_loss "
    "triplet_center_loss triplet_loss",
    "fercore.samplers": "ms_nss ns_nss mm_nss",
    "fercore.mining": "mine_positives",
    "fercore.models": "AMTC3LHead DACLAttention FERNet LeNetsPP SelectiveAttention TwoBranchHead TwoBranchNet build_model",
    "fercore.config": "RunConfig",
    "fercore.train": "train",
    "fercore.sweep": "sweep",
}
COMMANDS = (
    "train --method dda --data wmnist --profile quick --seed 0 --set gamma=3",
    "train --method dacl --data rafdb:faces --profile paper --device cpu --fresh",
    'sweep --table "table 3.3" --profile paper --slurm partition=gpu',
    "sweep --method dda --data wmnist --seeds 0-4 --grid gamma=1,3,5",
    "sweep --experiment all --profile laptop --device auto",
    "predict --run dda-simfer-laptop-s0 face.jpg",
    "data make simfer --preset laptop",
    "data check rafdb",
    'plan --table "table 3.3" --gpus 4',
    'report --profile laptop --item "table 3.1" --write report.md',
    "ship --profile laptop",
    "course --profile quick --only 02 --device cpu --fresh -p SEEDS=3",
    "figures",
    "doctor",
    "errata",
    "tune --profile laptop",
)


@pytest.mark.parametrize("held", CONFIGS, ids=lambda held: held["id"])
def test_a_config_keeps_its_canonical_json_and_its_id(held):
    config = RunConfig(**held["given"])
    assert json.dumps(config.to_dict(), sort_keys=True, separators=(",", ":")) == held["canonical"]
    assert config.id == held["id"]
    assert config_from(json.loads(held["canonical"])) == config


def weights_of(module: nn.Module) -> dict[str, object]:
    """Names and shapes exactly and in order; the values by one weighted sum, for another processor rounds otherwise."""
    tensors = module.state_dict()
    lines = "\n".join(f"{name} {list(values.shape)}" for name, values in tensors.items())
    weighted = [values.double().flatten() @ torch.linspace(1, 2, values.numel()).double() for values in tensors.values()]
    return {
        "tensors": len(tensors),
        "names": hashlib.sha256(lines.encode()).hexdigest()[:16],
        "sum": pytest.approx(float(sum(weighted)), abs=1e-2),
    }


@pytest.mark.parametrize("held", FRESH, ids=lambda held: "-".join(map(str, held["given"].values())))
def test_a_seed_gives_the_same_fresh_weights(held):
    config = RunConfig(**held["given"])
    seed_everything(config.seed)
    model, objective = build(config, held["classes"])
    assert held["model"] == weights_of(model)
    assert held["objective"] == weights_of(objective)


def test_a_stored_run_is_loaded_and_answers_as_it_did(tmp_path):
    config = config_from(json.loads((RUN / "result.json").read_text())["config"])
    assert config.id == RUN.name
    folder = local_folder(config)
    shutil.copytree(RUN, folder)
    shutil.copyfile(folder / "last.safetensors", folder / "best.safetensors")  # of one epoch, the last is the best
    stripe = tmp_path / "stripe.png"
    Image.fromarray(np.pad(np.full((20, 4), 255, np.uint8), ((4, 4), (12, 12)))).save(stripe)
    names, answers = predict([stripe], config.id, device="cpu")
    assert names == tuple("0123456789")
    assert answers[0] == pytest.approx(ANSWERS, abs=1e-3)
    trained = load_trained(config, "cpu", with_objective=True)
    assert trained.objective.centers.abs().sum() > 0


def test_every_shipped_run_is_read_and_is_what_its_index_says(monkeypatch):
    monkeypatch.setattr(shipped, "RESULTS", RESULTS)  # the repository's own
    index = shipped.shipped_index()
    stored = [json.loads((RESULTS / "runs" / run / "result.json").read_text()) for run in index]
    configs = [config_from(content["config"]) for content in stored]
    assert [config.id for config in configs] == list(index)
    assert len(configs) >= SHIPPED
    for config in configs:
        result = shipped.shipped_result(config.id)
        assert result.config == config
        assert shipped.index_row(result, shipped.shipped_folder(config)) == index[config.id]


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_where_they_were(module):
    found = importlib.import_module(module)
    assert all(callable(getattr(found, name)) for name in PUBLIC[module].split())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_was_written_down_is_understood(command):
    assert parser().parse_args(shlex.split(command))


@pytest.mark.parametrize("package", ["fercore", "simfer"])
def test_both_command_lines_are_there(package):
    done = subprocess.run([sys.executable, "-m", package, "--help"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: {package}")
