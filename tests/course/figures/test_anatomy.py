"""The pictures of the samplers: what is drawn is what the samplers chose."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.quiver import Quiver

from fercore.course.figures import (
    plot_chimera_shares,
    plot_chimera_steps,
    plot_curves,
    plot_landscapes,
    plot_negatives,
    plot_sigmoid_box,
)
from fercore.course.figures.anatomy import LABEL, apart
from fercore.samplers import ms_nss

NAMES = ["a", "b", "c", "d"]
CENTERS = np.array([[0.0, 0.0], [1.0, 4.0], [4.0, 1.0], [-3.0, -2.0]])


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def points():
    generator = np.random.default_rng(0)
    return generator.normal(size=(40, 2)), np.arange(40) % 4


def texts(axes):
    return [text.get_text() for text in axes.texts]


def place_of(axes, name):
    """Where the annotation `name` points."""
    return next(text.xy for text in axes.texts if text.get_text() == name)


@pytest.mark.parametrize("sample", [(0.4, 0.3), (2.9, 2.1), (-2.0, 3.0), (0.9, -1.5)])
@pytest.mark.parametrize("label", range(4))
def test_the_three_steps_end_where_ms_nss_does(sample, label):
    figure = plot_chimera_steps(np.array(sample), label, CENTERS, class_names=NAMES)
    x, y, c = torch.tensor([sample], dtype=torch.float64), torch.tensor([label]), torch.tensor(CENTERS)
    assert len(figure.axes) == 3
    np.testing.assert_allclose(place_of(figure.axes[2], "nobody"), ms_nss(x, y, c)[0])


def test_names_are_moved_apart_and_kept_inside():
    crowd = [(0.0, 0.0), (0.0, 0.0), (0.05, 0.0), (1.0, 1.0)]
    places = apart(crowd, 0.2, 0.1, 0.9)
    distances = np.linalg.norm(places[:, None] - places, axis=2) + np.diag([np.inf] * 4)
    assert distances.min() > 0.199
    assert (places.min(), places.max()) == (0.1, 0.9)
    assert apart(CENTERS, 0.5).tolist() == CENTERS.tolist()  # far enough


def test_only_a_negative_that_is_no_center_is_nobody(points):
    embeddings, labels = points
    one = dict(sample=np.array([0.4, 0.3]), label=0, pull=np.array([-1.0, 0.0]), push=np.array([0.0, 0.5]))
    panels = [one | dict(negative=np.array([1.0, 1.0]), title="built"), one | dict(negative=CENTERS[2], title="real")]
    figure = plot_negatives(panels, columns=2, embeddings=embeddings, labels=labels, centers=CENTERS, class_names=NAMES)
    built, real = figure.axes
    assert tuple(place_of(built, "nobody")) == (1.0, 1.0)
    assert "nobody" not in texts(real)
    assert (built.get_title(), real.get_title()) == ("built", "real")


def test_arrows_are_as_long_as_the_forces(points):
    embeddings, labels = points
    forces = [np.array([2.0, 0.0]), np.array([0.0, 0.5]), np.array([-1.0, 0.0]), np.array([0.0, 0.1])]
    panels = [
        dict(sample=np.zeros(2), label=0, negative=CENTERS[1], pull=pull, push=push, title="")
        for pull, push in (forces[:2], forces[2:])
    ]
    figure = plot_negatives(panels, columns=2, embeddings=embeddings, labels=labels, centers=CENTERS, class_names=NAMES)
    arrows = [
        np.array([arrow.U[0], arrow.V[0]]) for axes in figure.axes for arrow in axes.collections if isinstance(arrow, Quiver)
    ]
    scales = [np.linalg.norm(arrow) / np.linalg.norm(force) for arrow, force in zip(arrows, forces, strict=True)]
    np.testing.assert_allclose(scales, scales[0])


def test_lost_places_of_a_landscape_are_left_white():
    loss = np.tile(np.linspace(-0.5, 1, 7), (7, 1))
    panels = [dict(loss=loss.clip(min=0), title="cut"), dict(loss=loss + 1, title="whole")]
    ends = dict(center=np.array([0.2, 0.2]), negative=np.array([0.9, 0.5]))
    figure = plot_landscapes(panels, columns=2, samples=np.full((3, 2), 0.3), **ends)
    cut, whole = (axes.images[0].get_array() for axes in figure.axes[:2])
    assert np.ma.getmaskarray(cut).sum() == (loss <= 0).sum() > 0
    assert not np.ma.getmaskarray(whole).any()


def test_the_box_holds_every_sigmoid(points):
    embeddings, labels = points
    figure = plot_sigmoid_box(20 * embeddings, labels, class_names=NAMES, minority=(3,), centers=CENTERS)
    plane, box = figure.axes
    drawn = np.concatenate([scatter.get_offsets() for scatter in box.collections])
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert plane.get_xlim()[1] > 20
    names = np.array([text.xy for text in box.texts])
    assert 0.04 <= names.min() <= names.max() <= 0.96
    ways = np.linalg.norm(names[:, None] - names, axis=2)[np.triu_indices(len(names), 1)]
    assert ways.min() >= 0.99 * 0.92 * LABEL


def test_curves_and_shares_show_what_they_are_given():
    _, (first, second) = plt.subplots(1, 2)
    x = np.linspace(0, 1, 5)
    plot_curves(first, x, {"up": x, "down": 1 - x}, title="both", x_label="x", y_label="y", dashed=["down"])
    assert [line.get_linestyle() for line in first.lines] == ["-", "--"]
    assert first.get_ylabel() == "y"
    np.testing.assert_allclose(first.lines[1].get_ydata(), 1 - x)
    plot_chimera_shares(second, [1, 2], {"faces": [0.0, 0.25]}, title="shares")
    np.testing.assert_allclose(second.lines[0].get_ydata(), [0, 25])
