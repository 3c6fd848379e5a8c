"""What the figures of chapter 11 show."""

import matplotlib.pyplot as plt
import numpy as np

from fercore.course.figures import plot_memory, plot_minutes

NAMES = ["one", "two", "three"]


def test_minutes_stand_on_their_lines_with_those_measured():
    _, axes = plt.subplots()
    plot_minutes(axes, NAMES, [10, 100, 5], {"three": 7.0})
    computed, measured = axes.lines
    assert computed.get_xydata().tolist() == [[10, 0], [100, -1], [5, -2]]
    assert measured.get_xydata().tolist() == [[7, -2]]
    assert [text.get_text() for text in axes.get_yticklabels()] == NAMES
    assert axes.get_xscale() == "log"
    np.testing.assert_allclose(axes.collections[0].get_segments()[1][:, 0], [50, 200])
    plt.close("all")


def test_nothing_measured_needs_no_legend():
    _, axes = plt.subplots()
    plot_minutes(axes, NAMES, [10, 100, 5], {})
    assert len(axes.lines) == 1
    assert axes.get_legend() is None
    plt.close("all")


def test_memory_is_drawn_beside_what_a_gpu_has():
    _, axes = plt.subplots()
    plot_memory(axes, NAMES, [1.0, 4.0, 2.0], {"11 GB": 11.0})
    assert [patch.get_width() for patch in axes.patches] == [1.0, 4.0, 2.0]
    assert axes.lines[0].get_xdata() == [11.0, 11.0]
    assert axes.get_xlim()[1] > 11
    plt.close("all")
