"""Equal tuning: the same number of trials for each method, chosen on the validation split alone."""

from types import SimpleNamespace

import pytest

from fercore.errors import FercoreError
from fercore.methods.table import METHODS
from fercore.papers import tuning
from fercore.papers.tuning import CLEARLY, FACTORS, LOUDER, candidates, choose, contest, score, trials, tuned, write_choices
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


@pytest.fixture
def stored(monkeypatch):
    """What is found: a balanced accuracy for each config, by what the test says of it."""

    def say(value):
        monkeypatch.setattr(tuning, "find_results", lambda configs: [finished(value(config)) for config in configs])

    return say


def is_trial(config, number: int) -> bool:
    return config == trials(config.method, "quick")[number]


def is_default(config) -> bool:
    return config == config.replace(**candidates(config.method)[0])


def test_the_best_trial_is_chosen_and_kept(stored, monkeypatch, tmp_path):
    """Trials score in the order 2, 3, 1 whatever the method, and so do the runs of full length: the middle one wins."""
    stored(lambda config: 0.1 if is_trial(config, 2) else 0.2 if is_default(config) else 0.3)
    monkeypatch.setattr(tuning, "TUNED", tmp_path / "tuned.json")
    assert tuned("center", "quick") == {}
    chosen = write_choices("quick")
    assert chosen == {method: candidates(method)[1] for method in METHODS}
    assert tuning.read_choices() == {"quick": chosen}
    assert tuned("center", "quick") == {"lambda_c": 0.002}
    assert tuned("center", "paper") == {}


@pytest.mark.parametrize(("ahead", "chosen"), [(CLEARLY - 0.001, 0.01), (CLEARLY + 0.001, 0.05)])
def test_a_trial_must_beat_the_default_clearly(stored, ahead, chosen):
    stored(lambda config: 0.4 if is_default(config) or is_trial(config, 1) else 0.4 + ahead)
    assert choose("quick")["center"] == {"lambda_c": chosen}


@pytest.mark.parametrize(("gains", "chosen"), [((0.1, 0.09), 0.05), ((0.2, -0.01), 0.01), ((-0.1, -0.1), 0.01)])
def test_full_length_runs_must_confirm_what_a_trial_hints_at(stored, gains, chosen):
    """Trials have the third setting clearly ahead; at full length the two seeds of quick gain this much."""
    louder = candidates("center")[2]

    def value(config):
        if is_default(config) or is_trial(config, 1):
            return 0.4
        return 0.5 if is_trial(config, 2) else 0.4 + gains[config.seed]

    stored(value)
    assert tuning.gain("center", louder, "quick").mean == pytest.approx(100 * sum(gains) / 2)
    assert choose("quick")["center"] == {"lambda_c": chosen}


def test_both_settings_of_a_contest_differ_in_the_setting_alone():
    for ours, default in zip(*contest("center", {"lambda_c": 0.05}, "laptop"), strict=True):
        assert ours.lambda_c == 0.05
        assert ours.replace(lambda_c=0.01) == default
        assert ours.epochs == 16


def test_missing_runs_are_named(monkeypatch):
    monkeypatch.setattr(tuning, "find_results", lambda configs: [None for _ in configs])
    for ask in (choose, lambda profile: tuning.gain("center", {"lambda_c": 0.05}, profile)):
        with pytest.raises(FercoreError, match=r"missing; run .* sweep --experiment tuning --profile quick") as caught:
            ask("quick")
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
