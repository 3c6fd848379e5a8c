"""`methods.build`: network and objective from one place, in one order."""

import subprocess
import sys

import pytest
import torch

from fercore.config import RunConfig
from fercore.methods import build
from fercore.methods.batches import epoch_order, generator_of
from fercore.methods.objectives import Center
from fercore.methods.table import METHODS
from fercore.models.build import build_model


def test_the_network_is_drawn_first_and_as_it_is_alone():
    config = RunConfig(method="center")
    torch.manual_seed(3)
    alone = build_model(config, 10).state_dict()
    torch.manual_seed(3)
    model, objective = build(config, 10)
    assert isinstance(objective, Center)
    assert model.state_dict().keys() == alone.keys()
    assert all(torch.equal(value, alone[name]) for name, value in model.state_dict().items())
    assert objective.centers.shape == (10, 2)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_drawn_where_tensors_have_no_numbers(method):
    before = torch.get_rng_state()
    with torch.device("meta"):
        model, objective = build(RunConfig(method=method, data="simfer", profile="quick"), 7)
    assert torch.equal(torch.get_rng_state(), before)
    for part in (model, objective):
        assert {value.device.type for value in part.state_dict().values()} <= {"meta"}


def test_two_seeds_share_no_numbers():
    assert generator_of(2, 5).initial_seed() == 2 * 1_000_003 + 5  # saved runs hang on it
    assert torch.equal(epoch_order(2, 5, 9), torch.randperm(9, generator=torch.Generator().manual_seed(2_000_011)))
    assert generator_of(0, 999_999).initial_seed() < generator_of(1, 0).initial_seed()


@pytest.mark.parametrize("package", ["fercore", "fercore.methods", "fercore.parallel", "fercore.runs", "fercore.evaluation"])
def test_a_package_does_not_load_torch(package):
    code = f"import sys, {package}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
