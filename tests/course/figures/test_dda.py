"""Differences and fates: what is drawn is what was measured."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from fercore.course.figures import plot_confusion_difference, plot_differences, plot_fates
from fercore.evaluation.stats import estimate


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def test_confusion_difference_is_in_points_of_each_true_class(axes):
    """Counts of different totals: 8 of 10 against 5 of 10 right, and 2 of 4 against 2 of 4."""
    plot_confusion_difference(axes, np.array([[8, 2], [2, 2]]), np.array([[50, 50], [2, 2]]), ["a", "b"])
    assert [text.get_text() for text in axes.texts] == ["+30", "-30", "", ""]
    low, high = axes.collections[0].get_clim()
    assert low == -high, "zero must be the middle of the colors"
    assert axes.get_xlabel() == "predicted"


def test_no_change_is_drawn_without_a_number(axes):
    same = np.array([[3, 1], [0, 4]])
    plot_confusion_difference(axes, same, same, ["a", "b"])
    assert {text.get_text() for text in axes.texts} == {""}


def test_differences_show_mean_and_interval(axes):
    value = estimate([1.0, 2.0, 3.0])
    plot_differences(axes, {"one": {"x": value, "y": estimate([4.0])}}, title="t")
    bars = [line for line in axes.lines if len(line.get_ydata()) == 2 and line.get_color() != "black"]
    dots = next(line for line in axes.lines if line.get_marker() == "o")
    intervals = [list(line.get_ydata()) for line in bars if line is not dots]
    assert intervals == [[value.low, value.high]], "a single run has no interval"
    assert list(dots.get_ydata()) == [2.0, 4.0]
    assert [ring.get_offsets()[0, 1] for ring in axes.collections] == [4.0], "and is a ring"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["x", "y"]
    assert axes.get_legend() is None


def test_differences_of_two_series_share_their_settings_and_leave_out_what_has_no_run(axes):
    series = {"one": {"x": estimate([1.0]), "y": estimate([])}, "two": {"y": estimate([2.0])}}
    plot_differences(axes, series, title="t")
    first, second = [line for line in axes.lines if line.get_marker() == "o"]
    assert (list(first.get_ydata()), list(second.get_ydata())) == ([1.0], [2.0])
    assert first.get_xdata()[0] < 0 < 1 < second.get_xdata()[0], "side by side, around their setting"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["one", "two"]


def test_fates_are_told_apart_by_their_marks(axes):
    rows = {"digits": ([1e-4, 1e-3], ["trained", "lost"]), "faces": ([1e-2], ["fell behind"])}
    plot_fates(axes, rows, title="t", xlabel="x")
    drawn = [(line.get_marker(), list(line.get_xdata())) for line in axes.lines if len(line.get_xdata())]
    assert drawn == [("o", [1e-4]), ("x", [1e-3]), ("^", [1e-2])]
    assert [round(line.get_ydata()[0]) for line in axes.lines if len(line.get_xdata())] == [0, 0, 1]
    assert axes.get_xscale() == "log"
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "the first on top"
    assert len([line for line in axes.lines if not line.get_label().startswith("_")]) == 3, "each mark once in a legend"
