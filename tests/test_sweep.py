import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import one_line

from fercore.errors import NotShipped, SweepError
from fercore.runs import find_result
from fercore.sweep import sweep
from fercore.train import train

pytestmark = pytest.mark.usefixtures("short_test")


@pytest.fixture
def trained(monkeypatch) -> list:
    """The configs that the sweep hands to its executor; the one with seed 13 fails."""
    called, lock = [], threading.Lock()

    def recorded(config, **options):
        with lock:
            called.append(config)
        if config.seed == 13:
            raise RuntimeError("bad luck\nand more of it")
        return train(config, **options)

    monkeypatch.setattr("fercore.sweep.train", recorded)
    return called


def test_results_come_in_order_and_duplicates_are_trained_once(tiny, trained):
    configs = [tiny(seed=2), tiny(seed=0), tiny(seed=2), tiny(seed=1)]
    with ThreadPoolExecutor(1) as pool:
        results = sweep(configs, pool)
    assert [result.config for result in results] == configs
    assert trained == [tiny(seed=2), tiny(seed=0), tiny(seed=1)]


def test_finished_runs_are_skipped(tiny, trained):
    train(tiny(seed=1))
    with ThreadPoolExecutor(1) as pool:
        sweep([tiny(seed=0), tiny(seed=1)], pool)
        sweep([tiny(seed=0), tiny(seed=1)], pool)
    assert trained == [tiny(seed=0)]


def test_a_failing_run_is_named_after_the_others_are_stored(tiny, trained):
    with ThreadPoolExecutor(1) as pool, pytest.raises(SweepError) as error:
        sweep([tiny(seed=13), tiny(seed=0)], pool)
    assert f"1 of 2 runs failed; the others are stored. {tiny(seed=13).id}: RuntimeError: bad luck" in one_line(error.value)
    assert find_result(tiny(seed=0))
    assert find_result(tiny(seed=13)) is None


def test_the_default_pool_trains_in_processes_of_one_thread(tiny):
    configs = [tiny(seed=0), tiny(seed=1, method="dda")]
    results = sweep(configs)
    assert [result.config for result in results] == configs
    assert all(result.provenance["threads"] == 1 for result in results)


def test_a_sweep_of_shipped_runs_alone_trains_nothing(tiny, trained, monkeypatch):
    monkeypatch.setenv("FERCORE_SHIPPED_ONLY", "1")
    with pytest.raises(NotShipped, match="make it with"):
        sweep([tiny()])
    assert not trained


def test_an_empty_sweep_is_empty():
    assert sweep([]) == []
