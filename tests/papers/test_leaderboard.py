"""Many methods at once: corrected tests, ranks, calibration, cost, and the figures that show them."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn

from fercore.config import RunConfig
from fercore.course.figures import plot_knob, plot_pairs, plot_ranks, plot_reliability, plot_standings, plot_trials
from fercore.evaluation.compare import measure
from fercore.evaluation.metrics import calibration_error, calibration_floor, reliability
from fercore.evaluation.stats import estimate
from fercore.methods.table import METHODS
from fercore.papers import experiments
from fercore.papers.budget import cost_of, count_numbers
from fercore.papers.tuning import trials
from fercore.train import train


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


# --- calibration --------------------------------------------------------------------------------------------------------


def sure(confidences: list[float]) -> np.ndarray:
    """[N, 2] probabilities, class 0 the likelier."""
    return np.array([[c, 1 - c] for c in confidences])


def test_reliability_by_hand():
    probabilities, labels = sure([0.9, 0.6, 0.8, 0.7, 1.0, 0.55]), np.array([0, 1, 0, 0, 1, 0])
    confidence, accuracy, counts = reliability(probabilities, labels, bins=2)  # 0.55 0.6 0.7 | 0.8 0.9 1.0
    np.testing.assert_allclose(confidence, [(0.55 + 0.6 + 0.7) / 3, 0.9])
    np.testing.assert_allclose(accuracy, [2 / 3, 2 / 3])
    assert counts.tolist() == [3, 3]
    expected = (abs(1.85 / 3 - 2 / 3) + abs(0.9 - 2 / 3)) / 2
    assert calibration_error(probabilities, labels, bins=2) == pytest.approx(expected)
    with pytest.raises(ValueError, match="6 images cannot fill 7 bins"):
        reliability(probabilities, labels, bins=7)


def test_calibration_error_equals_a_slow_loop():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(7), 500)
    labels = rng.integers(7, size=500)
    order = sorted(range(500), key=lambda i: probabilities[i].max())
    gap, start = 0.0, 0
    for b in range(15):
        members = order[start : start + 500 // 15 + (b < 500 % 15)]
        start += len(members)
        gap += abs(sum(probabilities[i].max() - (probabilities[i].argmax() == labels[i]) for i in members)) / 500
    assert calibration_error(probabilities, labels) == pytest.approx(gap, abs=1e-12)


def test_the_floor_is_what_a_calibrated_network_gets():
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.ones(7) / 2, 600)
    drawn = [np.array([rng.choice(7, p=row) for row in probabilities]) for _ in range(30)]
    calibrated = np.mean([calibration_error(probabilities, labels) for labels in drawn])
    floor = calibration_floor(probabilities)
    assert floor == pytest.approx(calibrated, rel=0.15)
    assert calibration_floor(probabilities.astype(np.float16)) == pytest.approx(floor, rel=0.05)
    assert calibration_floor(rng.dirichlet(np.ones(7) / 2, 6000)) < floor / 2, "the bias falls with the images"


# --- runs ---------------------------------------------------------------------------------------------------------------


def test_minority_recall_is_the_mean_over_the_rare_classes(tiny):
    run = train(tiny(method="softmax"))
    rare = run.provenance["minority"]
    assert 0 < len(rare) < 10
    assert measure(run, "minority recall") == pytest.approx(np.mean([run.recall[k] for k in rare]))


@pytest.mark.parametrize("profile", ["quick", "laptop"])
def test_noisy_rows_differ_from_a_trial_in_the_labels_alone(profile):
    rows = experiments.label_noise(profile)
    for label, runs in rows.items():
        state, _, name = label.partition(" ")
        if state == "clean":
            for clean, noisy in zip(runs, rows[f"noisy {name}"], strict=True):
                assert noisy == clean.replace(preset=f"{clean.preset}-noisy")
                assert clean.epochs == trials(clean.method, profile)[0].epochs
    assert len(rows) >= 4


# --- cost ---------------------------------------------------------------------------------------------------------------


def face_config(method: str, **values: object) -> RunConfig:
    small = {"width": 1 / 16, "image_size": 24, "crop": 20, "batch_size": 16}
    return RunConfig(method=method, data="simfer", **(small | values))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_cost(method):
    found = cost_of(face_config(method), 7)
    assert found.network > 1000
    assert found.held > 10_000
    assert (found.training_only > 0) == (method not in ("softmax", "lp", "ccl", "triplet", "contrastive", "lossless-triplet",
                                                         "nplus1-1b", "nplus1-2b"))  # fmt: skip


def test_cost_counts_what_training_adds():
    plain, center, dacl = (cost_of(face_config(method), 7) for method in ("softmax", "center", "dacl"))
    assert plain.training_only == 0
    assert center.training_only == 7 * 32  # a center of 32 numbers for each class
    assert plain.network == center.network == dacl.network
    assert dacl.training_only > 10 * center.training_only
    assert dacl.held > plain.held


def test_twice_the_batch_holds_twice_as_much():
    small, large = (cost_of(face_config("softmax", batch_size=size), 7) for size in (16, 32))
    assert small.network == large.network
    assert large.held == pytest.approx(2 * small.held, rel=0.03)


def test_parameters_and_centers_are_counted():
    layer = nn.Linear(5, 3)
    assert count_numbers(layer) == 18
    layer.centers = torch.zeros(2, 4)
    assert count_numbers(layer) == 26


# --- figures ------------------------------------------------------------------------------------------------------------


def lines_of(axes, marker):
    return [line for line in axes.lines if line.get_marker() == marker]


def test_standings_show_seeds_mean_and_interval(axes):
    values = {"a": [1.0, 2.0, 3.0], "b": [4.0], "not run": []}
    plot_standings(axes, values, baseline="a", xlabel="accuracy (%)")
    assert [list(line.get_xdata()) for line in lines_of(axes, ".")] == [[1, 2, 3], [4], []]
    means = [line.get_xdata()[0] for line in lines_of(axes, "o")]
    assert means[:2] == [2, 4]
    one = estimate(values["a"])
    assert [one.low, one.high] in [list(line.get_xdata()) for line in axes.lines]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == list(values)
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "the first on top"


def test_ranks_are_sorted_and_joined_where_they_cannot_be_told(axes):
    plot_ranks(axes, {"last": 9.0, "first": 1.0, "second": 2.0}, 3.0)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["first", "second", "last"]
    assert list(lines_of(axes, "o")[0].get_xdata()) == [1, 2, 9]
    bars = [line for line in axes.lines if line.get_linewidth() == 3]
    assert [[round(y) for y in bar.get_ydata()] for bar in bars] == [[0, 1]]


def test_trials_mark_the_chosen_one(axes):
    plot_trials(axes, {"a": [60, 70, np.nan], "b": [1, 2, 3]}, {"a": 1})
    filled = [line for line in lines_of(axes, "o") if line.get_markerfacecolor() != "none"]
    assert [list(line.get_xdata()) for line in filled] == [[70], []], "the chosen one, and the legend's"
    assert filled[1].get_label() == "taken"


def test_curves_and_pairs_are_drawn_as_given(axes):
    plot_knob(axes, ["0", "1"], {"a": [80, 60], "b": [70, 50]}, shown=["b"], title="blur")
    colored = lines_of(axes, "o")
    assert [list(line.get_ydata()) for line in colored] == [[70, 50]]
    assert colored[0].get_label() == "b"
    axes.clear()
    plot_pairs(axes, {"a": ([1, 2], [3]), "b": ([3], [4, 5])}, names=("clean", "noisy"), xlabel="x")
    assert [list(line.get_xdata()) for line in lines_of(axes, "o")] == [[1.5, 3], [3, 4.5]]
    assert [list(line.get_xdata()) for line in lines_of(axes, ".")] == [[1, 2], [3], [3], [4, 5]]
    axes.clear()
    plot_reliability(axes, {"a": ([0.5, 0.9], [0.4, 0.8])})
    assert list(lines_of(axes, "o")[0].get_ydata()) == [40, 80]
