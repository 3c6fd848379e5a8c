"""Figures of chapters 02 and 04: gammas, fates, confusions."""

from collections.abc import Mapping, Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from fercore.evaluation.stats import Estimate
from fercore.plots.curves import DIVERGED
from fercore.plots.faces import draw_matrix
from fercore.plots.style import class_colors, hollow_out

MOST = 10  # points, where the colors of `plot_confusion_difference` end
FATE_MARKS = {
    "trained": dict(marker="o", color="#0072B2", markerfacecolor="none", markersize=7),
    "fell behind": dict(marker="^", color="#E69F00", markersize=7),
    "lost": dict(marker="x", color="#D55E00", markersize=7, markeredgewidth=2),
}


def plot_differences(axes: Axes, series: Mapping[str, Mapping[str, Estimate]], *, title: str, unit: str = "points") -> None:
    """Differences with their 95 % intervals around a line at zero: an interval that reaches across it tells nothing.

    Args:
        series: {name: {setting: difference}}, one color a name; one without any run is left out, one of a single run has no
            interval, and is hollow.
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
        for place, value in known:
            if value.n == 1:
                hollow_out(axes, place + offset, value.mean)
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
        rows: {name: (values, fates)}, both of one length, each fate a key of `FATE_MARKS`; the first row on top.
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
    axes: Axes, values: np.ndarray, *, rows: Sequence[str], columns: Sequence[str], title: str, row_label: str = ""
) -> None:
    """A map of accuracies in percent against the learning rate, with a cross where the training diverged.

    Args:
        values: [R, C]; NaN where it diverged, masked where it was not tried, which stays blank.
        rows, columns: [R] and [C] tick labels, the columns being learning rates.
    """
    untried, values = np.ma.getmaskarray(values), np.ma.getdata(values).astype(float)
    lost = np.isnan(values) & ~untried
    axes.set_facecolor("0.9")  # what shows through where a cell is masked
    sns.heatmap(
        values, mask=lost | untried, annot=True, fmt=".0f", vmin=0, vmax=100, cmap="cividis", linewidths=1, ax=axes, cbar=False,
        xticklabels=columns, yticklabels=rows,
    )  # fmt: skip
    for row, column in np.argwhere(lost):
        axes.text(column + 0.5, row + 0.5, DIVERGED, ha="center", va="center", color="#D55E00", fontsize=14)
    axes.set(title=title, xlabel="learning rate", ylabel=row_label)
    axes.tick_params(axis="y", rotation=0, length=0)
    axes.tick_params(axis="x", length=0)


def plot_confusion_difference(
    axes: Axes, confusion: np.ndarray, baseline: np.ndarray, class_names: Sequence[str], *, title: str = ""
) -> None:
    """What changes against a baseline, in points of each true class: purple for more, orange for less.

    On the diagonal purple is better, beside it orange is. Colors end at `MOST` points, so that panels can be compared;
    changes that round to 0 are left blank.

    Args:
        confusion, baseline: [K, K] counts of the same test images, true class in rows.
        class_names: [K].
    """
    shares = [100 * np.asarray(c, dtype=float) / np.sum(c, axis=1, keepdims=True) for c in (confusion, baseline)]
    change = shares[0] - shares[1]
    text = np.where(np.abs(change) <= 0.5, "", np.char.mod("%+.0f", change))
    look = {"annot": text, "fmt": "", "vmin": -MOST, "vmax": MOST, "cmap": "PuOr", "linecolor": "0.85"}
    draw_matrix(axes, change, class_names, title=title, **look)
    for k in range(len(change)):  # the diagonal reads the other way round
        axes.add_patch(Rectangle((k, k), 1, 1, fill=False, edgecolor="0.3", linewidth=1.2))
    axes.set(xlabel="predicted", ylabel="true")
