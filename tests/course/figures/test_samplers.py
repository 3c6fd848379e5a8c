"""The pictures of comparisons: what is drawn is what was measured, and what was not run is said."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from fercore.course.figures import plot_recall_differences, plot_seed_differences
from fercore.plots import plot_bundle


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def axes():
    return plt.subplots()[1]


def test_a_row_shows_its_seeds_mean_and_interval_and_the_published_gain(axes):
    plot_seed_differences(axes, {"a": [1.0, 3.0], "b": []}, {"a": (-2.0, 6.0), "b": (np.nan, np.nan)}, {"a": 5.0}, title="t")
    drawn = [tuple(line.get_xdata()) for line in axes.lines]
    for expected in ((-2.0, 6.0), (1.0, 3.0), (2.0,), (5.0,)):
        assert expected in drawn
    assert [text.get_text() for text in axes.texts] == ["not run"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]


def test_recall_map_writes_signed_points_and_leaves_out_what_was_not_run(axes):
    values = np.array([[1.0, -2.5], [np.nan, 0.0]])
    plot_recall_differences(axes, values, rows=["a", "b"], columns=["x", "y"], limit=10, title="t")
    assert [text.get_text() for text in axes.texts] == ["+1.0", "-2.5", "+0.0"]


def test_a_bundle_has_a_curve_a_seed_and_their_mean(axes):
    plot_bundle(axes, [1, 2], np.array([[0.0, 2.0], [2.0, 4.0]]), label="a", color="black")
    assert [list(line.get_ydata()) for line in axes.lines] == [[0, 2], [2, 4], [1, 3]]
    assert axes.lines[-1].get_label() == "a"
