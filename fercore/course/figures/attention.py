"""Attention over the embedding's dimensions: its weights, how alike they are, and what they follow."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fercore.plots.faces import draw_matrix
from fercore.plots.style import class_colors

CORRELATIONS = (-0.3, 1.0)  # shown by `plot_followers`


def plot_attention_rows(attention: np.ndarray, labels: Sequence[int], class_names: Sequence[str]) -> Figure:
    """Weights of a few images over the dimensions, one panel an image (thesis, figure 4.7).

    Args:
        attention: [n, D] in 0..1.
        labels: [n], which of the classes each image is of.
        class_names: [K].
    """
    colors = class_colors(len(class_names))
    figure, grid = plt.subplots(len(attention), 1, figsize=(9.5, 0.9 * len(attention) + 0.4), sharex=True, squeeze=False)
    for axes, weights, label in zip(grid[:, 0], attention, labels, strict=True):
        axes.bar(np.arange(len(weights)), weights, width=1.0, color=colors[label])
        axes.set(ylim=(0, 1), yticks=(0, 1), xlim=(-0.5, len(weights) - 0.5))
        axes.set_ylabel(class_names[label], rotation=0, ha="right", va="center", color=colors[label])
    grid[-1, 0].set_xlabel("dimension of the embedding; height: its weight")
    return figure


def plot_attention_map(axes: Axes, attention: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> None:
    """The weights of many images as one picture: an image a row, sorted by class; a dimension a column.

    Args:
        attention: [n, D] in 0..1.
        labels: [n].
        class_names: [K].
    """
    labels = np.asarray(labels)
    order = np.argsort(labels, kind="stable")
    picture = axes.imshow(np.asarray(attention)[order], aspect="auto", vmin=0, vmax=1, interpolation="nearest")
    first = np.searchsorted(labels[order], np.arange(len(class_names) + 1))
    for border in first[1:-1]:
        axes.axhline(border - 0.5, color="white", linewidth=1.5)
    axes.set_yticks((first[:-1] + first[1:] - 1) / 2, class_names)
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel="dimension of the embedding")
    axes.figure.colorbar(picture, ax=axes, label="weight", pad=0.01)


def plot_similarity(axes: Axes, similarity: np.ndarray, class_names: Sequence[str], *, title: str = "") -> None:
    """Mean correlation between the vectors of two classes' images.

    Args:
        similarity: [K, K] in -1..1.
        class_names: [K].
    """
    draw_matrix(axes, similarity, class_names, title=title, annot=True, fmt=".2f", vmin=-1, vmax=1, cmap="RdBu_r")


def plot_followers(
    axes: Axes,
    found: Mapping[str, Sequence[float]],
    names: Sequence[str],
    *,
    chance: float,
    title: str = "",
    after: Sequence[int] = (),
) -> None:
    """How closely the best dimension follows each known factor: one dot a series, and the band in which chance lies.

    The scale is the same in all panels.

    Args:
        found: {series: [F] correlations on images that did not choose the dimension; negative where these contradict it}.
        names: [F] the factors.
        chance: what 95 % of shuffled factors stay below.
        after: numbers of factors after which a line divides them.
    """
    place = np.arange(len(names))[::-1]
    axes.axvspan(CORRELATIONS[0], chance, color="0.92", linewidth=0)
    axes.axvline(0, color="0.6", linewidth=1)
    for rows in after:
        axes.axhline(len(names) - rows - 0.5, color="0.4", linewidth=1)
    axes.annotate("chance", (chance, len(names) - 0.45), ha="right", va="bottom", fontsize=8, color="0.4")
    for (series, values), color, marker in zip(found.items(), class_colors(len(found)), "osD^v", strict=False):
        axes.plot(values, place, marker, color=color, label=series)
    axes.set(yticks=place, yticklabels=names, xlabel="correlation, held-out people", ylim=(-0.6, len(names)))
    axes.set_title(title, pad=12)
    axes.set_xlim(*CORRELATIONS)
    axes.grid(axis="y", color="0.92")
    axes.tick_params(axis="y", length=0)
    axes.legend(fontsize=8, loc="lower right")
