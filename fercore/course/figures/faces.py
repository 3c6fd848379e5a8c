"""Figures of chapter 03: recall against class size, probes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from fercore.plots.style import class_colors

NEAREST = 4.5  # points of recall: how near two names may be


def in_order(heights: Sequence[float], least: float) -> np.ndarray:
    """Where names [n] may stand beside their heights [n]: as near as can be, in the same order, `least` apart at least."""
    from sklearn.isotonic import isotonic_regression  # takes half a second to import, and two chapters need it

    order, steps = np.argsort(heights, kind="stable"), least * np.arange(len(heights))
    places = np.empty(len(heights))
    places[order] = isotonic_regression(np.asarray(heights, dtype=float)[order] - steps) + steps
    return places


def plot_recall_against_size(axes: Axes, counts: Sequence[int], recalls: np.ndarray, class_names: Sequence[str]) -> None:
    """Recall of each class over its number of training images: a dot a seed, a bar at the mean.

    Args:
        counts: [K] training images.
        recalls: [seeds, K], 0..1.
        class_names: [K].
    """
    recalls = 100 * np.asarray(recalls)
    places = in_order(recalls.mean(axis=0), NEAREST)
    for k, color in enumerate(class_colors(len(class_names))):
        values = recalls[:, k]
        axes.plot([counts[k]] * len(values), values, "o", color=color, markersize=4, alpha=0.8)
        axes.plot(counts[k], values.mean(), "_", color=color, markersize=16, markeredgewidth=2)
        axes.annotate(
            class_names[k], (counts[k], places[k]), xytext=(9, 0), textcoords="offset points", color=color, va="center"
        )
    axes.set(xscale="log", xlabel="training images", ylabel="recall (%)", xlim=(0.7 * min(counts), 2.4 * max(counts)))
    axes.grid(axis="y", color="0.9")


def plot_probes(
    axes: Axes, accuracies: Sequence[float], errors: Sequence[float], names: Sequence[str], *, chance: float
) -> None:
    """Horizontal bars of accuracies (%) with 95 % intervals, and a line at chance.

    Args:
        accuracies, errors: [P] shares and their standard errors.
        names: [P].
        chance: the share that guessing gets.
    """
    place = np.arange(len(names))[::-1]
    axes.barh(
        place, 100 * np.asarray(accuracies), xerr=196 * np.asarray(errors), color=class_colors(1)[0], height=0.6, ecolor="0.3"
    )
    axes.axvline(100 * chance, color="black", linewidth=1, linestyle="--")
    axes.annotate(
        "chance", (100 * chance, len(names) - 0.5), xytext=(3, 0), textcoords="offset points", fontsize=8, va="bottom"
    )
    axes.set(yticks=place, yticklabels=names, xlabel="balanced accuracy (%)")
    axes.tick_params(axis="y", length=0)
