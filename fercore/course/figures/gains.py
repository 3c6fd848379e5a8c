"""Gains against chance: dots on the interval that a test set allows, and what would be needed to tell."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

LINE_COLORS = ("#0072B2", "#D55E00", "#555555")
VERDICT_STYLES = {"detectable": ("o", "#0072B2"), "cannot be decided": ("D", "#E69F00"), "could be chance": ("s", "#555555")}


def plot_gains(
    axes: Axes,
    names: Sequence[str],
    points: Sequence[float],
    likely: Sequence[float],
    independent: Sequence[float],
    verdicts: Sequence[str],
    *,
    title: str = "",
    legend: bool = False,
) -> None:
    """One line a gain: a dot, on the bar of gains that chance alone makes often enough.

    Args:
        names: [G], written at the left.
        points: [G] gains in points of accuracy.
        likely, independent: [G] the largest gain in points that is still chance, at the measured independence (dark bar) and
            with independent errors (light bar).
        verdicts: [G], of `VERDICT_STYLES`: marker and color.
        legend: explain markers and bars at the right.
    """
    lines = -np.arange(len(names))
    axes.barh(lines, independent, height=0.72, color="0.91", label="chance, independent errors")
    axes.barh(lines, likely, height=0.72, color="0.78", label="chance, as ours agree")
    for line, value, verdict in zip(lines, points, verdicts, strict=True):
        marker, color = VERDICT_STYLES[verdict]
        axes.plot(value, line, marker, color=color, markersize=6, markeredgecolor="white", markeredgewidth=0.6)
    axes.set(title=title, yticks=lines, ylim=(lines[-1] - 0.6, 0.6), xlim=(0, 1.12 * max(*points, *independent)))
    axes.set_yticklabels(names, fontsize=7.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    if legend:
        for verdict, (marker, color) in VERDICT_STYLES.items():
            axes.plot([], [], marker, color=color, label=verdict)
        axes.legend(
            loc="center right", frameon=False, fontsize=8, handlelength=1.2, borderaxespad=0, borderpad=0, handletextpad=0.4
        )


def plot_chance_curve(
    axes: Axes, disagreements: Sequence[int], chances: Sequence[float], marks: Mapping[str, tuple[float, float]]
) -> None:
    """How likely chance makes a gain as large, against the images on which two networks disagree.

    Args:
        disagreements: [P], in images.
        chances: [P] p-values.
        marks: {label: (disagreement, p-value)}, drawn as dots.
    """
    axes.plot(disagreements, chances, color="0.4")
    axes.axhline(0.05, color="0.75", linestyle="--", linewidth=1)
    axes.text(0.01 * max(disagreements), 0.05, "1 in 20", va="bottom", color="0.5", fontsize=8)
    for (label, (x, y)), color in zip(marks.items(), LINE_COLORS, strict=False):
        axes.plot(x, y, "o", color=color)
        axes.annotate(label, (x, y), xytext=(7, -7), textcoords="offset points", color=color, va="center", fontsize=8)
    axes.set(xlabel="images that exactly one of the two gets right", ylabel="chance of a gain as large")
    axes.set(xlim=(0, 1.2 * max(disagreements)), ylim=(-0.12 * max(chances), None))  # room for the labels


def plot_needed(
    axes: Axes, gains: Sequence[float], needed: Mapping[str, Sequence[float]], *, levels: Mapping[str, float], ylabel: str
) -> None:
    """How much is needed to notice a gain, on logarithmic axes.

    Args:
        gains: [P] in points of accuracy.
        needed: {label: [P] how much}, one curve each, named at its right end.
        levels: {label: y}, horizontal lines at what papers have.
        ylabel: the vertical axis' label.
    """
    for (label, values), color in zip(needed.items(), LINE_COLORS, strict=False):
        axes.plot(gains, values, color=color)
        axes.annotate(
            label, (gains[-1], values[-1]), xytext=(4, 0), textcoords="offset points", color=color, va="center", fontsize=8
        )
    for label, level in levels.items():
        axes.axhline(level, color="0.75", linestyle="--", linewidth=1, zorder=0)
        axes.text(gains[0], level, label, va="bottom", color="0.4", fontsize=8)
    ticks = [tick for tick in (0.2, 0.3, 0.5, 1, 2, 3, 4) if gains[0] <= tick <= gains[-1]]
    axes.set(xscale="log", yscale="log", xlabel="true gain in points of accuracy", ylabel=ylabel)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.minorticks_off()


def plot_best_so_far(axes: Axes, curves: Sequence[Sequence[float]], *, title: str = "") -> None:
    """How far the best epoch so far lies above the present one, a thin line a run and their mean.

    Args:
        curves: [R][E] accuracies in percent, all of one length.
    """
    curves = np.asarray(curves, dtype=float)
    ahead = np.maximum.accumulate(curves, axis=1) - curves
    epochs, mean = np.arange(1, curves.shape[1] + 1), ahead.mean(axis=0)
    axes.plot(epochs, ahead.T, color="0.8", linewidth=0.8)
    axes.plot(epochs, mean, color=LINE_COLORS[0], marker="o", markersize=4)
    name_at_end(axes, "mean", epochs[-1], mean[-1], LINE_COLORS[0])
    axes.set(title=title, xlabel="epoch at which the training ends", ylabel="best epoch so far minus this one (points)")


def plot_best_of(axes: Axes, choices: Sequence[int], added: Mapping[str, Sequence[float]], *, title: str = "") -> None:
    """What picking the best of several equally good networks adds to the number that is reported.

    Args:
        choices: [P] how many there were to pick from.
        added: {label: [P] points}, one curve each, named at its right end.
    """
    for (label, values), color in zip(added.items(), LINE_COLORS, strict=False):
        axes.plot(choices, values, color=color)
        name_at_end(axes, label, choices[-1], values[-1], color)
    axes.set(title=title, xlabel="networks to pick from", ylabel="added to the reported accuracy (points)", ylim=(0, None))


def name_at_end(axes: Axes, label: str, x: float, y: float, color: str) -> None:
    """Write a curve's name at its right end."""
    axes.annotate(label, (x, y), xytext=(5, 0), textcoords="offset points", color=color, va="center", fontsize=8)
