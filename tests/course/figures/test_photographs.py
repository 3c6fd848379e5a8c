"""Two boards side by side: each method by its distance from the baseline, names that do not overlap."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from fercore.course.figures import plot_slopes
from fercore.evaluation.stats import estimate


def test_a_line_joins_a_method_with_itself_and_names_keep_apart():
    left = {"softmax": estimate([70, 71]), "a": estimate([72.5]), "b": estimate([72.6])}
    right = {"softmax": estimate([50]), "a": estimate([49]), "b": estimate([55, 57])}
    axes = plt.subplots()[1]
    plot_slopes(axes, left, right, baseline="softmax", titles=("one", "other"))
    joined = [line for line in axes.lines if len(line.get_ydata()) == 2]
    assert [list(line.get_ydata()) for line in joined] == [
        [0, 0],
        [2, -1],
        pytest.approx([2.1, 6]),
    ]
    assert [text.get_text() for text in axes.texts][:3] == ["softmax  +0.0", "a  +2.0", "b  +2.1"]
    heights = [text.get_position()[1] for text in axes.texts[:3]]
    assert np.diff(heights).min() > 0.3  # in their order too
    plt.close("all")


def test_many_names_stand_in_the_order_of_their_methods():
    board = {f"{number}": estimate([50 + 0.1 * (7 * number % 15)]) for number in range(15)}
    axes = plt.subplots()[1]
    plot_slopes(axes, board, board, baseline="0", titles=("one", "other"))
    for texts in (axes.texts[:15], axes.texts[15:]):
        by_place = sorted(texts, key=lambda text: text.get_position()[1])
        told = [float(re.search(r"[+-]\d\.\d", text.get_text())[0]) for text in by_place]
        assert told == sorted(told)
        assert np.diff([text.get_position()[1] for text in by_place]).min() > 0.07
    plt.close("all")


def test_a_point_far_below_is_drawn_on_the_edge_with_its_own_number():
    left = {"softmax": estimate([70]), "a": estimate([60, 61])}
    right = {"softmax": estimate([50]), "a": estimate([49, 50])}
    axes = plt.subplots()[1]
    plot_slopes(axes, left, right, baseline="softmax", titles=("one", "other"), lowest=-4)
    joined = [line for line in axes.lines if len(line.get_ydata()) == 2]
    assert [list(line.get_ydata()) for line in joined] == [[0, 0], [-4, -0.5]]
    assert [line.get_linestyle() for line in joined] == ["-", "--"]
    assert "a  -9.5" in [text.get_text() for text in axes.texts]
    assert axes.get_ylim()[0] > -6
    plt.close("all")
