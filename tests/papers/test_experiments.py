"""Which seeds a row has: all that there are."""

import json

import pytest

from fercore.config import RunConfig, config_from
from fercore.papers.experiments import EXPERIMENTS, FIXED_SEEDS, table_3_3
from fercore.papers.tables import MOST_SEEDS, SEEDS, on_own_data
from fercore.paths import RESULTS
from fercore.profiles import PROFILES
from fercore.runs.find import find_results
from tests.papers.test_report import FACES, pretend


def alike(config: RunConfig) -> RunConfig:
    """The config of its row: seed and fold are what a row's runs differ in."""
    return config.replace(seed=0) if config.fold is None else config.replace(seed=0, fold=0)


def test_a_row_has_every_shipped_seed_of_its_config(shipped_results):
    stored = [json.loads((RESULTS / "runs" / run / "result.json").read_text())["config"] for run in shipped_results]
    found: dict[RunConfig, set[RunConfig]] = {}
    for config in map(config_from, stored):
        found.setdefault(alike(config), set()).add(config)
    for name in EXPERIMENTS.keys() - set(FIXED_SEEDS):
        for label, configs in EXPERIMENTS[name]("laptop").items():
            assert found.get(alike(configs[0]), set()) <= set(configs), (name, label)


@pytest.mark.parametrize("profile", ["laptop", "paper"])
@pytest.mark.usefixtures("shipped_results")
def test_no_table_sets_one_precision_beside_another(profile):
    mixed = {}
    for name, rows in EXPERIMENTS.items():
        runs = [run for configs in rows(profile).values() for run in find_results(configs) if run and not run.diverged]
        precisions = {run.provenance.get("precision", "fp32") for run in runs}  # before there was a choice: float32
        mixed |= {name: precisions} if len(precisions) > 1 else {}
    assert not mixed


@pytest.mark.parametrize("profile", PROFILES)
def test_every_row_has_the_profiles_seeds_or_every_fold(profile):
    for name in EXPERIMENTS.keys() - set(FIXED_SEEDS):
        for configs in EXPERIMENTS[name](profile).values():
            seeds = [config.seed for config in configs]
            assert seeds == list(range(SEEDS[profile])) or {config.fold for config in configs} == set(range(len(configs)))
    assert len(on_own_data("table 3.3")[0]["softmax"]) == SEEDS["paper"]


def test_a_further_seed_joins_its_row_wherever_it_was_trained():
    (*_, last) = table_3_3("quick")["center loss"]
    for seed in (last.seed + 3, MOST_SEEDS):
        pretend(last.replace(seed=seed), 0.5, FACES)
    assert [config.seed for config in table_3_3("quick")["center loss"]] == [0, 1, last.seed + 3]
    assert [config.seed for config in table_3_3("quick")["softmax"]] == [0, 1]
