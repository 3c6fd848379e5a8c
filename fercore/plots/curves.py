"""Bars, curves and maps around the embeddings."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fercore.plots.style import class_colors
from fercore.stats import Estimate

DIVERGED = "✗"
FATE_MARKS = {
    "trained": dict(marker="o", color="#0072B2", markerfacecolor="none", markersize=7),
    "fell behind": dict(marker="^", color="#E69F00", markersize=7),
    "lost": dict(marker="x", color="#D55E00", markersize=7, markeredgewidth=2),
}


def plot_class_counts(axes: Axes, counts: Sequence[int], class_names: Sequence[str], *, title: str = "") -> None:
    """One bar a class, its count above it.

    Args:
        axes: where to draw.
        counts: [K].
        class_names: [K].
        title: the axes' title.
    """
    bars = axes.bar(class_names, counts, color=class_colors(len(counts)), width=0.75)
    axes.bar_label(bars, fmt="{:.0f}", fontsize=7.5, padding=2)
    axes.set(title=title, yticks=[], ylim=(0, 1.12 * max(counts)))  # room for the highest bar's count below the title
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", length=0)


def plot_training(
    axes: Axes,
    rows: Sequence[Mapping],
    column: str,
    *,
    label: str,
    color: str,
    scale: float = 1.0,
    linestyle: str = "-",
    diverged: bool = False,
) -> None:
    """One curve over the epochs, named at its end.

    Args:
        axes: where to draw.
        rows: a result's `epochs`.
        column: which column of them.
        label: written at the last point.
        color: of line and label.
        scale: multiplies the values (100 for percent).
        linestyle: of the line.
        diverged: whether to put a cross behind the last point, as the training ended there.
    """
    points = [(row["epoch"], scale * row[column]) for row in rows if row.get(column) is not None]
    x, y = zip(*points, strict=True)
    axes.plot(x, y, color=color, marker="o", linestyle=linestyle)
    if diverged:
        axes.plot(x[-1] + 0.2, y[-1], "x", color=color, markersize=9, markeredgewidth=2.2)
    axes.annotate(label, (x[-1], y[-1]), xytext=(6, 0), textcoords="offset points", color=color, va="center")


def plot_seeds(axes: Axes, values: Mapping[str, Mapping[int, float]], *, title: str = "") -> None:
    """One line a seed over the settings: what differs by seed and what by setting, both in sight.

    Args:
        axes: where to draw.
        values: {setting: {seed: value}}; NaN is a run that diverged, drawn as a cross at the bottom.
        title: the axes' title.
    """
    seeds = sorted({seed for by_seed in values.values() for seed in by_seed})
    known = [value for by_seed in values.values() for value in by_seed.values() if not np.isnan(value)]
    bottom = min(known) - 0.12 * (max(known) - min(known) or 1)
    for seed, color in zip(seeds, class_colors(len(seeds)), strict=True):
        line = np.array([by_seed.get(seed, np.nan) for by_seed in values.values()])
        axes.plot(line, marker="o", color=color)
        for i in np.flatnonzero(~np.isnan(line))[-1:]:  # none where every run of the seed diverged
            axes.annotate(f"seed {seed}", (i, line[i]), xytext=(8, 0), textcoords="offset points", color=color, va="center")
        lost = [i for i, by_seed in enumerate(values.values()) if np.isnan(by_seed.get(seed, 0))]
        axes.plot(np.array(lost) + 0.12 * (seed - 1), [bottom] * len(lost), "x", color=color, markersize=8, markeredgewidth=2)
    axes.set(title=title, xlim=(-0.4, len(values) - 0.4), xticks=range(len(values)))
    axes.set_xticklabels(list(values))
    axes.grid(axis="y", color="0.9")


def plot_differences(axes: Axes, series: Mapping[str, Mapping[str, Estimate]], *, title: str, unit: str = "points") -> None:
    """Differences with their 95 % intervals around a line at zero: an interval that reaches across it tells nothing.

    Args:
        axes: where to draw.
        series: {name: {setting: difference}}, one color a name; one without any run is left out, one of a single run has no
            interval.
        title: the axes' title.
        unit: of the differences.
    """
    settings = list(dict.fromkeys(setting for differences in series.values() for setting in differences))
    offsets = 0.24 * (np.arange(len(series)) - (len(series) - 1) / 2)
    for (name, differences), color, offset in zip(series.items(), class_colors(len(series)), offsets, strict=True):
        known = [(settings.index(setting), value) for setting, value in differences.items() if value.n]
        for place, value in known:
            if value.n > 1:
                axes.plot([place + offset] * 2, [value.low, value.high], color=color, linewidth=2, alpha=0.5)
        places, means = [place + offset for place, _ in known], [value.mean for _, value in known]
        axes.plot(places, means, "o", color=color, label=name, markersize=6)
    axes.axhline(0, color="black", linewidth=1)
    axes.set(title=title, ylabel=unit, xticks=range(len(settings)), xlim=(-0.6, len(settings) - 0.4))
    axes.set_xticklabels(settings)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color="0.9")
    if len(series) > 1:
        axes.legend(frameon=False)


def plot_fates(axes: Axes, rows: Mapping[str, tuple[Sequence[float], Sequence[str]]], *, title: str, xlabel: str) -> None:
    """Which settings trained, fell behind or were lost, one line a set, on a logarithmic axis.

    Args:
        axes: where to draw.
        rows: {name: (values, fates)}, both of one length, each fate a key of `FATE_MARKS`; the first row on top.
        title, xlabel: the axes' texts.
    """
    for place, (values, fates) in enumerate(rows.values()):
        for lane, (fate, style) in enumerate(FATE_MARKS.items(), start=-1):
            chosen = [value for value, one in zip(values, fates, strict=True) if one == fate]
            label = fate if place == 0 else "_"  # once in the legend
            axes.plot(chosen, [place + 0.2 * lane] * len(chosen), linestyle="none", label=label, **style)
    axes.set(title=title, xlabel=xlabel, xscale="log", yticks=range(len(rows)), ylim=(len(rows) - 0.5, -0.5))
    axes.set_yticklabels(list(rows))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.9")


def plot_rate_map(
    values: np.ndarray, *, rows: Sequence[str], columns: Sequence[str], title: str, row_label: str, column_label: str
) -> Figure:
    """A map of accuracies in percent, with a cross where the training diverged.

    Args:
        values: [R, C]; NaN where it diverged.
        rows, columns: [R] and [C] tick labels.
        title, row_label, column_label: the figure's texts.
    """
    values = np.asarray(values, dtype=float)
    lost = np.isnan(values)
    figure, axes = plt.subplots(figsize=(3.2 + 1.0 * len(columns), 1.4 + 0.45 * len(rows)))
    axes.set_facecolor("0.9")  # what shows through where a cell is masked
    sns.heatmap(
        values, mask=lost, annot=True, fmt=".0f", vmin=0, vmax=100, cmap="cividis", linewidths=1, ax=axes,
        xticklabels=columns, yticklabels=rows, cbar_kws={"label": "accuracy (%)"},
    )  # fmt: skip
    for row, column in np.argwhere(lost):
        axes.text(column + 0.5, row + 0.5, DIVERGED, ha="center", va="center", color="#D55E00", fontsize=14)
    axes.set(title=title, xlabel=column_label, ylabel=row_label)
    axes.tick_params(axis="y", rotation=0, length=0)
    axes.tick_params(axis="x", length=0)
    return figure
