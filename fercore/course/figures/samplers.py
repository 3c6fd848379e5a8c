"""Methods held against a baseline: differences with their seeds, curves with their spread, a record of mistakes."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from fercore.plots.style import class_colors

HERE, PUBLISHED = "#0072B2", "#D55E00"


def plot_seed_differences(
    axes: Axes,
    differences: Mapping[str, Sequence[float]],
    intervals: Mapping[str, tuple[float, float]],
    published: Mapping[str, float],
    *,
    title: str,
) -> None:
    """One line a row: its difference from the baseline in each seed, the mean with its interval, and the published gain.

    Args:
        axes: where to draw.
        differences: {row: one value a seed}; a row without values is marked "not run".
        intervals: {row: the ends of the mean's interval}; NaN ends draw no bar.
        published: {row: the gain that the paper prints, on its own data}, a hollow diamond; rows may be missing.
        title: the axes' title.
    """
    places = -np.arange(len(differences))
    axes.axvline(0, color="0.6", linewidth=1)
    for place, (row, values) in zip(places, differences.items(), strict=True):
        if len(values):
            axes.plot(intervals[row], [place] * 2, color=HERE, linewidth=1.2)
            axes.plot(values, [place] * len(values), "|", color=HERE, markersize=9)
            axes.plot(np.mean(values), place, "o", color=HERE, markersize=7)
        else:
            axes.annotate("not run", (0, place), xytext=(6, 0), textcoords="offset points", color="0.5", va="center")
        if row in published:
            axes.plot(published[row], place, "D", markerfacecolor="white", markeredgecolor=PUBLISHED, markersize=7)
    axes.plot([], [], "o", color=HERE, label="here: mean, seeds, 95 % interval")
    axes.plot([], [], "D", markerfacecolor="white", markeredgecolor=PUBLISHED, label="the paper, on its own data")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    axes.set(title=title, yticks=places, yticklabels=list(differences), ylim=(places[-1] - 0.6, 0.6))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.92")


def plot_recall_differences(
    axes: Axes, differences: np.ndarray, *, rows: Sequence[str], columns: Sequence[str], limit: float, title: str
) -> None:
    """A map of recalls minus the baseline's, in points: blue is better, orange worse, gray was not run.

    Args:
        axes: where to draw.
        differences: [R, C] in points; NaN where there is nothing to show.
        rows, columns: [R] and [C] tick labels.
        limit: where the colors end; the same for maps that are to be compared.
        title: the axes' title.
    """
    axes.set_facecolor("0.9")
    sns.heatmap(
        differences, annot=True, fmt="+.1f", vmin=-limit, vmax=limit, cmap=sns.diverging_palette(30, 250, s=90, as_cmap=True),
        linewidths=1, cbar=False, ax=axes, xticklabels=columns, yticklabels=rows, mask=np.isnan(differences),
    )  # fmt: skip
    axes.set_title(title)
    axes.tick_params(axis="x", rotation=30, length=0)
    axes.tick_params(axis="y", rotation=0, length=0)


def plot_records(records: Sequence[np.ndarray], titles: Sequence[str], class_names: Sequence[str]) -> Figure:
    """Who was taken for whom, one map a moment, two in a row: shares of each row, and a frame around each row's rival.

    Args:
        records: each [K, K]: how often a class (row) was taken for another (column); the diagonal is not read.
        titles: one for each record.
        class_names: [K].
    """
    columns, rows = min(2, len(records)), -(-len(records) // 2)
    figure, grid = plt.subplots(rows, columns, figsize=(5 * columns, 4.6 * rows), sharex=True, sharey=True, squeeze=False)
    for axes, record, title in zip(grid.flat, records, titles, strict=True):
        counts = np.array(record, dtype=float)
        np.fill_diagonal(counts, 0)
        shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)
        sns.heatmap(
            shares, annot=True, fmt=".0f", vmin=0, vmax=100, cmap="Blues", square=True, cbar=False, linewidths=0.5, ax=axes,
            mask=np.eye(len(counts), dtype=bool), xticklabels=class_names, yticklabels=class_names, annot_kws={"fontsize": 10},
        )  # fmt: skip
        for row in np.flatnonzero(counts.sum(axis=1) > 0):
            axes.add_patch(Rectangle((shares[row].argmax(), row), 1, 1, fill=False, edgecolor=PUBLISHED, linewidth=2))
        axes.set(title=title, xlabel="was taken for", ylabel="true")
        axes.label_outer()
        axes.tick_params(axis="x", rotation=60, length=0)
        axes.tick_params(axis="y", rotation=0, length=0)
    frame = Rectangle((0, 0), 1, 1, fill=False, edgecolor=PUBLISHED, linewidth=2, label="the rival")
    number = Line2D([], [], linestyle="none", marker="$25$", markersize=12, color="0.2", label="% of the row's mistakes")
    figure.legend(handles=[number, frame], loc="outside lower center", ncols=2)
    return figure


def plot_shares(axes: Axes, shares: Mapping[str, Sequence[float]], *, title: str, x_label: str) -> None:
    """Stacked horizontal bars: of what a whole consists.

    Args:
        axes: where to draw.
        shares: {bar: its parts, in order}, each between 0 and 1.
        title, x_label: the axes' texts.
    """
    places = -np.arange(len(shares))
    left = np.zeros(len(shares))
    parts = np.array([list(values) for values in shares.values()])
    for number, (part, color) in enumerate(zip(parts.T, class_colors(parts.shape[1]), strict=True), start=1):
        bars = axes.barh(places, 100 * part, left=100 * left, color=color, height=0.6)
        axes.bar_label(bars, labels=[f"{number}"] * len(places), label_type="center", color="white", fontsize=8)
        left += part
    axes.set(title=title, xlabel=x_label, yticks=places, yticklabels=list(shares))
    axes.tick_params(axis="y", length=0)
