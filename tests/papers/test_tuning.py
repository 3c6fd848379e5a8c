"""Equal tuning: the same number of trials for each method, chosen on the validation split alone."""

from types import SimpleNamespace

import pytest

from fercore.errors import FercoreError
from fercore.methods.table import METHODS
from fercore.papers import tuning
from fercore.papers.tuning import CLEARLY, FACTORS, LOUDER, candidates, choose, score, trials, tuned, write_choices
from fercore.paths import RESULTS
from fercore.runs import shipped
from tests.messages import one_line


def finished(*balanced: float) -> SimpleNamespace:
    return SimpleNamespace(diverged=False, epochs=[{"val_balanced_accuracy": value} for value in balanced])


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_as_many_trials_of_one_setting(method):
    configs = trials(method, "laptop")
    assert len({config.id for config in configs}) == len(FACTORS)
    assert {config.epochs for config in configs} == {5}
    assert {config.seed for config in configs} == {0}
    settings = candidates(method)
    changed = {key for values in settings for key in values if len({each[key] for each in settings}) > 1}
    assert len(changed) == 1
    key = changed.pop()
    assert [values[key] / settings[0][key] for values in settings] == pytest.approx(LOUDER if "tc3l" in method else FACTORS)


def test_a_score_is_the_mean_of_the_last_epochs():
    assert score(finished(0.1, 0.9, 0.4, 0.5, 0.6)) == pytest.approx(0.5)
    assert score(None) == score(SimpleNamespace(diverged=True, epochs=[])) == -1


def test_the_best_trial_is_chosen_and_kept(monkeypatch, tmp_path):
    """Trials score in the order 2, 3, 1 whatever the method: the middle one wins."""
    order = {
        config.id: value for method in METHODS for config, value in zip(trials(method, "quick"), (0.2, 0.3, 0.1), strict=True)
    }
    monkeypatch.setattr(tuning, "find_results", lambda configs: [finished(order[config.id]) for config in configs])
    monkeypatch.setattr(tuning, "TUNED", tmp_path / "tuned.json")
    assert tuned("center", "quick") == {}
    chosen = write_choices("quick")
    assert chosen == {method: candidates(method)[1] for method in METHODS}
    assert tuning.read_choices() == {"quick": chosen}
    assert tuned("center", "quick") == {"lambda_c": 0.002}
    assert tuned("center", "paper") == {}


@pytest.mark.parametrize(("ahead", "chosen"), [(CLEARLY - 0.001, 0.01), (CLEARLY + 0.001, 0.05)])
def test_a_trial_must_beat_the_default_clearly(monkeypatch, ahead, chosen):
    best = {trials(method, "quick")[2].id for method in METHODS}
    monkeypatch.setattr(tuning, "find_results", lambda tried: [finished(0.4 + ahead * (one.id in best)) for one in tried])
    assert choose("quick")["center"] == {"lambda_c": chosen}


def test_missing_trials_are_named(monkeypatch):
    monkeypatch.setattr(tuning, "find_results", lambda configs: [None for _ in configs])
    with pytest.raises(FercoreError, match="sweep --experiment tuning --profile quick") as caught:
        choose("quick")
    assert one_line(caught.value)


@pytest.mark.skipif(not tuning.TUNED.exists(), reason="no choices are kept yet")
def test_what_is_kept_is_what_the_shipped_trials_say(monkeypatch):
    monkeypatch.setenv("FERCORE_SHIPPED_ONLY", "1")
    monkeypatch.setattr(shipped, "RESULTS", RESULTS)  # the repository's own, not the empty ones of a test
    shipped.shipped_index.cache_clear()
    choices = tuning.read_choices()
    assert choices
    for profile, kept in choices.items():
        assert kept == choose(profile)
