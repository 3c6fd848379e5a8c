"""The pictures of tuples and probes: what is drawn is what was given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from fercore.course.figures import plot_bands, plot_forces, plot_mining, plot_plane
from fercore.course.figures.tuplets import KINDS
from fercore.evaluation.stats import estimate


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def named(axes):
    return {line.get_label(): line.get_xydata() for line in axes.lines}


def test_mining_shows_each_image_once_and_the_rule():
    kinds = ["positive, kept", "positive, dropped", "negative", "positive, kept", "negative"]
    points, distances = np.arange(10.0).reshape(5, 2), np.array([0.5, 3.0, 2.0, 0.7, 4.0])
    plane, rule = plot_mining(points, distances, kinds, np.array([[1.0, 1.0], [2.0, 2.0]])).axes
    drawn = named(plane)
    for kind in KINDS:
        assert drawn[kind].tolist() == points[[one == kind for one in kinds]].tolist()
    assert drawn["center of the kept"].tolist() == [[2.0, 2.0]]
    lines = [line.get_xdata() for line in rule.lines]
    assert [list(x) for x in lines[:3]] == [[0.5, 0.7], [3.0], [2.0, 4.0]]
    assert list(lines[3]) == [2.0, 2.0]  # the nearest negative


def test_a_tuple_without_negatives_has_no_rule():
    _, rule = plot_mining(np.zeros((2, 2)), np.ones(2), ["positive, kept"] * 2, np.zeros((2, 2))).axes
    assert not rule.texts


def test_a_plane_has_a_dot_and_two_intervals_a_name():
    _, axes = plt.subplots()
    points = {"a": (estimate([10, 20]), estimate([70, 90])), "one run": (estimate([5]), estimate([50]))}
    plot_plane(axes, points, chance=7, labels=("who", "what"))
    drawn = named(axes)
    assert drawn["a"].tolist() == [[15, 80]]
    assert drawn["one run"].tolist() == [[5, 50]]
    widths = [np.ptp(line.get_xdata()) for line in axes.lines[:2]]
    assert widths == [pytest.approx(points["a"][0].high - points["a"][0].low), 0]
    assert len(axes.lines) == 3 + 1 + 1  # nothing is known of the spread of one run; a line at chance


def test_bands_are_mean_and_spread_over_the_folds():
    _, axes = plt.subplots()
    curves = {"a": np.array([[1.0, 2.0, 4.0], [3.0, 2.0, 0.0]]), "b": np.array([[5.0, 5.0, 6.0]])}
    plot_bands(axes, curves, title="t", ylabel="y", dashed=["b"])
    assert named(axes)["a"].tolist() == [[1, 2], [2, 2], [3, 2]]
    assert [line.get_linestyle() for line in axes.lines] == ["-", "--"]
    assert len(axes.collections) == 1
    highest = axes.collections[0].get_paths()[0].vertices[:, 1].max()
    assert highest == pytest.approx(2 + np.std([4, 0], ddof=1))


def test_forces_start_at_their_points_and_short_ones_are_left_out():
    _, axes = plt.subplots()
    points, forces = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 4.0]]), np.array([[0.5, 0.0], [-1.0, 0.0], [0.0, 0.001]])
    plot_forces(axes, points, ["positive, kept"] * 2 + ["negative"], forces, title="t", radii={"in": 1.0, "out": 3**0.5})
    arrows = [text for text in axes.texts if text.arrow_patch]
    assert [[*arrow.xyann, *arrow.xy] for arrow in arrows] == [[0, 0, 0.5, 0], [2, 0, 1, 0]]
    assert [(patch.radius, list(patch.center)) for patch in axes.patches] == [(1.0, [1, 0]), (3**0.5, [1, 0])]
    assert [text.xy for text in axes.texts if text.get_text() in ("in", "out")] == [(1, 1), (1, 3**0.5)]
