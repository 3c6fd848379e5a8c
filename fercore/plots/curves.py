"""Bars, curves and maps around the embeddings."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from fercore.plots.style import class_colors

DIVERGED = "✗"


def plot_class_counts(axes: Axes, counts: Sequence[int], class_names: Sequence[str], *, title: str = "") -> None:
    """One bar a class, its count above it.

    Args:
        counts: [K].
        class_names: [K].
    """
    bars = axes.bar(class_names, counts, color=class_colors(len(counts)), width=0.75)
    axes.bar_label(bars, fmt="{:.0f}", fontsize=6.5, padding=2)
    axes.set(title=title, yticks=[], ylim=(0, 1.12 * max(counts)))  # room for the highest bar's count below the title
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", length=0)


def plot_training(axes: Axes, rows: Sequence[Mapping], column: str, *, label: str, color: str) -> None:
    """One curve over the epochs, named at its end.

    Args:
        rows: a result's `epochs`.
        column: which column of them.
        label: written at the last point.
        color: of line and label.
    """
    points = [(row["epoch"], row[column]) for row in rows if row.get(column) is not None]
    x, y = zip(*points, strict=True)
    axes.plot(x, y, color=color, marker="o")
    axes.annotate(label, (x[-1], y[-1]), xytext=(6, 0), textcoords="offset points", color=color, va="center")


def plot_seeds(axes: Axes, values: Mapping[str, Mapping[int, float]], *, title: str = "") -> None:
    """One line a seed over the settings: what differs by seed and what by setting, both in sight.

    Of more than five seeds the lines are thin and without names, and their mean is drawn over them.

    Args:
        values: {setting: {seed: value}}; NaN is a run that diverged, drawn as a cross at the bottom.
    """
    seeds = sorted({seed for by_seed in values.values() for seed in by_seed})
    known = [value for by_seed in values.values() for value in by_seed.values() if not np.isnan(value)]
    bottom = min(known) - 0.12 * (max(known) - min(known) or 1)
    lines = np.array([[by_seed.get(seed, np.nan) for by_seed in values.values()] for seed in seeds])
    few = len(seeds) <= 5
    for seed, line, color in zip(seeds, lines, class_colors(len(seeds)), strict=True):
        axes.plot(line, color=color, **({"marker": "o"} if few else {"linewidth": 0.8}))
        if few:
            name_end(axes, line, f"seed {seed}", color)
        lost = [i for i, by_seed in enumerate(values.values()) if np.isnan(by_seed.get(seed, 0))]
        axes.plot(np.array(lost) + 0.12 * (seed - 1), [bottom] * len(lost), "x", color=color, markersize=8, markeredgewidth=2)
    whole = lines[~np.isnan(lines).any(axis=1)]
    if not few and len(whole):
        axes.plot(whole.mean(axis=0), color="black", marker="o", linewidth=2.2)
        name_end(axes, whole.mean(axis=0), "mean", "black")
    axes.set(title=title, xlim=(-0.4, len(values) - 0.4), xticks=range(len(values)))
    axes.set_xticklabels(list(values))
    axes.grid(axis="y", color="0.9")


def name_end(axes: Axes, line: np.ndarray, name: str, color: str) -> None:
    """Write a line's name at its last point, if it has any."""
    for i in np.flatnonzero(~np.isnan(line))[-1:]:
        axes.annotate(name, (i, line[i]), xytext=(8, 0), textcoords="offset points", color=color, va="center")


def plot_bundle(axes: Axes, x: Sequence[float], curves: np.ndarray, *, label: str, color: str, dashed: bool = False) -> None:
    """A thin curve a seed, and their mean.

    Args:
        x: [N].
        curves: [seeds, N].
        label: of the mean, for a legend.
        color: of all.
        dashed: draw the mean dashed.
    """
    curves = np.asarray(curves, dtype=float)
    axes.plot(x, curves.T, color=color, linewidth=0.8, alpha=0.45)
    axes.plot(x, curves.mean(axis=0), color=color, label=label, linestyle="--" if dashed else "-")
