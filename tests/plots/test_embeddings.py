"""Embeddings in the plane, and the curves beside them: what is written where."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from fercore.plots import plot_embedding, plot_embedding_grid, plot_seeds, plot_training

ROWS = [{"epoch": 1, "accuracy": 0.5}, {"epoch": 2, "accuracy": 0.75}]


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def panel(title, seed=0):
    points = np.random.default_rng(seed).normal(size=(20, 2))
    return dict(embeddings=points, labels=np.arange(20) % 2, class_names=["a", "b"], minority=[1], title=title)


def test_names_stand_beside_the_means_where_there_are_crosses(axes):
    plot_embedding(axes, **panel("t"))
    assert [text.get_position() for text in axes.texts] == [(0, 0)] * 2
    plot_embedding(axes, **panel("t"), centers=np.zeros((2, 2)))
    assert all(min(text.get_position()) > 0 for text in axes.texts[2:])


def test_a_grid_labels_the_outer_axes_that_are_drawn():
    lost = dict(embeddings=None, title="lost")
    figure = plot_embedding_grid([panel("1"), panel("2"), panel("3"), lost], columns=2, axis_label="dimension")
    labels = [(axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes]
    assert labels == [("", "dimension 2"), ("dimension 1", ""), ("dimension 1", "dimension 2"), ("", "")]
    plt.close(figure)


def test_a_grid_labels_nothing_unless_asked():
    figure = plot_embedding_grid([panel("1")], columns=1)
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("", "")
    plt.close(figure)


def test_a_training_is_a_curve_named_at_its_end(axes):
    plot_training(axes, [*ROWS, {"epoch": 3}], "accuracy", label="a", color="black")
    (curve,), (name,) = axes.lines, axes.texts
    assert list(curve.get_ydata()) == [0.5, 0.75], "the last epoch, in which it diverged, has no value"
    assert (name.get_text(), name.xy) == ("a", (2, 0.75))


def test_few_seeds_are_named_and_of_many_the_mean_is(axes):
    plot_seeds(axes, {setting: {seed: seed + offset for seed in range(5)} for offset, setting in enumerate("ab")})
    assert [text.get_text() for text in axes.texts] == [f"seed {seed}" for seed in range(5)]
    axes.clear()
    values = {setting: {seed: float(seed + offset) for seed in range(6)} for offset, setting in enumerate("ab")}
    values["b"][5] = np.nan
    plot_seeds(axes, values)
    (name,) = axes.texts
    assert (name.get_text(), name.xy) == ("mean", (1, 3.0)), "of the seeds that have every setting"
