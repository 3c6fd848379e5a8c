"""The pictures of attention: each draws what it is given, where it says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from fercore.course.figures import plot_attention_map, plot_attention_rows, plot_followers, plot_similarity

NAMES = ["a", "b", "c"]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_the_map_sorts_the_images_by_class():
    labels = np.array([2, 0, 1, 0, 2, 2])
    attention = np.repeat(labels[:, None] / 2, 4, axis=1)
    _, axes = plt.subplots()
    plot_attention_map(axes, attention, labels, NAMES)
    assert axes.images[0].get_array()[:, 0].tolist() == [0, 0, 0.5, 1, 1, 1]
    assert axes.get_yticks().tolist() == [0.5, 2, 4]
    assert [line.get_ydata()[0] for line in axes.lines] == [1.5, 2.5]


def test_a_row_an_image_with_its_weights():
    attention = np.array([[0.1, 0.9], [0.5, 0.2]])
    figure = plot_attention_rows(attention, [1, 0], NAMES)
    assert [axes.get_ylabel() for axes in figure.axes] == ["b", "a"]
    assert [[bar.get_height() for bar in axes.patches] for axes in figure.axes] == attention.tolist()


def test_followers_stand_at_their_correlations_from_the_top_down():
    _, axes = plt.subplots()
    plot_followers(axes, {"attention": [0.5, -0.1], "embedding": [0.7, 0.2]}, ["first", "second"], chance=0.15, after=(1,))
    zero, divider, *dots = axes.lines
    assert [line.get_xdata().tolist() for line in dots] == [[0.5, -0.1], [0.7, 0.2]]
    assert (zero.get_xdata()[0], divider.get_ydata()[0]) == (0, 0.5)
    assert axes.get_xlim()[0] < -0.1
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["first", "second"]
    assert dots[0].get_ydata().tolist() == [1, 0]
    assert axes.patches[0].get_x() + axes.patches[0].get_width() == pytest.approx(0.15)


def test_similarities_are_written_in_their_cells():
    _, axes = plt.subplots()
    plot_similarity(axes, np.array([[1, -0.5], [-0.5, 0.25]]), NAMES[:2])
    assert [text.get_text() for text in axes.texts] == ["1.00", "-0.50", "-0.50", "0.25"]
