"""Tuples and what mining drops from them; what a probe reads from an embedding; curves of many folds."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from fercore.evaluation.stats import Estimate
from fercore.plots.style import class_colors

KINDS = {  # of a tuple's images
    "positive, kept": dict(marker="o", color="#0072B2", markersize=8),
    "positive, dropped": dict(marker="X", color="#D55E00", markersize=9),
    "negative": dict(marker="s", color="#777777", markersize=7),
}
SHORTEST = 0.02  # of an arrow, in the units of the plane


def plot_mining(points: np.ndarray, distances: np.ndarray, kinds: Sequence[str], centers: np.ndarray) -> Figure:
    """One tuple in a plane, and the rule beside it: a positive farther from the center than the nearest negative is dropped.

    Args:
        points: [n, 2], the embeddings in a plane.
        distances: [n], in the whole space, from the mean of all positives.
        kinds: [n], keys of `KINDS`.
        centers: [2, 2], the mean of the positives before and after mining, in the plane.
    """
    kinds = np.asarray(kinds)
    figure, (plane, line) = plt.subplots(1, 2, figsize=(10, 4.2))
    for place, (kind, style) in enumerate(KINDS.items()):
        mine = kinds == kind
        plane.plot(*points[mine].T, linestyle="none", label=kind, **style)
        line.plot(distances[mine], [-place] * mine.sum(), linestyle="none", **style)
    for (x, y), fill, name in zip(centers, ("none", "black"), ("center of all", "center of the kept"), strict=True):
        plane.plot(x, y, "*", markersize=13, color="black", markerfacecolor=fill, linestyle="none", label=name)
    plane.set(title="In the plane of the two main directions", xticks=[], yticks=[], aspect="equal", adjustable="datalim")
    plane.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=3)
    if "negative" in kinds:
        nearest = distances[kinds == "negative"].min()
        line.axvline(nearest, color="0.4", linestyle="--", linewidth=1)
        line.annotate("nearest negative", (nearest, 0.55), xytext=(4, 0), textcoords="offset points", fontsize=8)
    line.set(title="The rule, in all dimensions", xlabel="distance from the center of all positives")
    line.set(yticks=-np.arange(len(KINDS)), yticklabels=list(KINDS), ylim=(0.8 - len(KINDS), 0.8), xlim=(0, None))
    line.grid(axis="x", color="0.9")
    return figure


def plot_forces(
    axes: Axes,
    points: np.ndarray,
    kinds: Sequence[str],
    forces: np.ndarray,
    *,
    title: str,
    radii: Mapping[str, float] | None = None,
) -> None:
    """Where a loss moves the images of a tuple in the plane; the first one is the query.

    Args:
        points: [n, 2].
        kinds: [n], keys of `KINDS`.
        forces: [n, 2], minus the loss's gradients, drawn in the units of the plane; one too short to see is left out.
        radii: {name: radius} of the spheres around the positives' center into which positives are drawn and out of which
            negatives are pushed, where the loss has them.
    """
    kinds = np.asarray(kinds)
    center = points[kinds != "negative"].mean(axis=0)
    for name, radius in (radii or {}).items():
        axes.add_patch(Circle(center, radius, fill=False, edgecolor="0.5", linestyle="--", linewidth=1))
        top = center + np.array([0, radius])
        axes.annotate(name, top, xytext=(0, 2), textcoords="offset points", ha="center", fontsize=7.5, color="0.35")
    for kind in dict.fromkeys(kinds):
        axes.plot(*points[kinds == kind].T, linestyle="none", **KINDS[kind])
    axes.annotate("query", points[0], xytext=(-7, -3), textcoords="offset points", ha="right", fontsize=8.5)
    for point, force in zip(points, forces, strict=True):
        if np.linalg.norm(force) > SHORTEST:
            axes.annotate("", point + force, point, arrowprops={"arrowstyle": "->", "linewidth": 1.6, "color": "black"})
    axes.set(title=title, xticks=[], yticks=[], aspect="equal")
    axes.margins(0.25)


def plot_plane(axes: Axes, points: Mapping[str, tuple[Estimate, Estimate]], *, chance: float, labels: tuple[str, str]) -> None:
    """Two measures against each other, a dot with both 95 % intervals for each name, and a line at chance.

    Args:
        points: {name: (across, up)}.
        chance: what guessing gets, across.
        labels: of the axes.
    """
    for (name, (x, y)), color in zip(points.items(), class_colors(len(points)), strict=True):
        if x.n > 1:
            axes.plot([x.low, x.high], [y.mean] * 2, color=color, linewidth=2, alpha=0.4)
            axes.plot([x.mean] * 2, [y.low, y.high], color=color, linewidth=2, alpha=0.4)
        axes.plot(x.mean, y.mean, "o", color=color, markersize=8, label=name)
    axes.axvline(chance, color="0.4", linewidth=1, linestyle="--")
    axes.annotate("chance", (chance, 1), xycoords=("data", "axes fraction"), xytext=(3, -10), textcoords="offset points")
    axes.set(xlabel=labels[0], ylabel=labels[1], xlim=(0, None))
    axes.legend(fontsize=8.5, loc="center left", bbox_to_anchor=(1.02, 0.5))
    axes.grid(color="0.92")


def plot_bands(axes: Axes, curves: Mapping[str, np.ndarray], *, title: str, ylabel: str, dashed: Sequence[str] = ()) -> None:
    """Mean curves over the epochs, each in a band of one standard deviation over the folds.

    Args:
        curves: {name: [folds, epochs]}.
        dashed: names of those to be dashed, where one curve would hide another.
    """
    for (name, values), color in zip(curves.items(), class_colors(len(curves)), strict=True):
        epochs = np.arange(1, values.shape[1] + 1)
        mean = values.mean(axis=0)
        axes.plot(epochs, mean, color=color, linestyle="--" if name in dashed else "-", label=name)
        if len(values) > 1:
            spread = values.std(axis=0, ddof=1)
            axes.fill_between(epochs, mean - spread, mean + spread, color=color, alpha=0.12, linewidth=0)
    axes.set(title=title, xlabel="epoch", ylabel=ylabel)
    axes.grid(axis="y", color="0.9")
