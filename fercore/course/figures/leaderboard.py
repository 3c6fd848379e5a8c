"""Figures of chapters 9 and 13, many methods side by side: standings, ranks, trials, calibration, robustness."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from fercore.evaluation.stats import estimate, indistinguishable
from fercore.plots.style import class_colors, hollow_out

INK, ACCENT = "#0072B2", "#D55E00"
TRIAL_SIZES = (3, 6, 9)  # points, from the smallest weight to the largest


def plot_standings(
    axes: Axes, values: Mapping[str, Sequence[float]], *, baseline: str | None = None, xlabel: str = "", names: bool = True
) -> None:
    """One line a method: its seeds as small dots, their mean, and the 95 % interval of that mean, cut off at the frame.

    A method of a single run has no interval, and a hollow dot.

    Args:
        values: {method: a value each seed}, the first on top; a method without a value gets an empty line.
        baseline: the method at whose mean a line is drawn down through all.
        xlabel: what is measured.
        names: write the methods at the left.
    """
    for line, seeds in enumerate(values.values()):
        one = estimate(list(seeds))
        if one.n > 1:
            axes.plot([one.low, one.high], [line, line], color=INK, linewidth=2, alpha=0.45)
        axes.plot(list(seeds), [line] * one.n, ".", color="0.55", markersize=3.5)
        axes.plot(one.mean, line, "o", color=INK, markersize=5, markeredgecolor="white", markeredgewidth=0.6)
        if one.n == 1:
            hollow_out(axes, one.mean, line)
    if baseline is not None and len(values.get(baseline, ())):
        axes.axvline(float(np.mean(values[baseline])), color="0.6", linestyle="--", linewidth=1, zorder=0, label=baseline)
    list_methods(axes, values if names else dict.fromkeys(map(str, range(len(values)))), names)
    every = [value for seeds in values.values() for value in seeds]
    if every:  # the interval of two seeds may reach ten times as far as all that was measured
        room = 0.15 * (max(every) - min(every)) or 1.0
        axes.set_xlim(min(every) - room, max(every) + room)
    axes.locator_params(axis="x", nbins=6)
    axes.set(xlabel=xlabel)


def list_methods(axes: Axes, methods: Sequence[str] | Mapping[str, object], names: bool = True) -> None:
    """A line for each method, from top to bottom."""
    axes.set(yticks=range(len(methods)), ylim=(len(methods) - 0.4, -0.6))
    axes.set_yticklabels(list(methods) if names else [], fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="both", color="0.93")
    axes.set_axisbelow(True)


def plot_ranks(axes: Axes, ranks: Mapping[str, float], critical: float) -> None:
    """Average ranks as dots, best on top; a bar at the right joins methods that cannot be told apart.

    Args:
        ranks: {method: average rank}.
        critical: how far two ranks must lie apart to be told apart.
    """
    order = sorted(ranks, key=lambda name: ranks[name])
    sorted_ranks = [ranks[name] for name in order]
    axes.plot(sorted_ranks, range(len(order)), "o", color=INK, markersize=5)
    list_methods(axes, order)
    edge = len(order) + 0.6
    for number, (first, last) in enumerate(indistinguishable(sorted_ranks, critical)):
        axes.plot([edge + 0.5 * number] * 2, [first - 0.25, last + 0.25], color="0.3", linewidth=3, solid_capstyle="butt")
    axes.plot([1, 1 + critical], [-1.1, -1.1], color=ACCENT, linewidth=2, clip_on=False)
    axes.annotate(
        f"critical difference {critical:.1f}", (1, -1.1), xytext=(0, 4), textcoords="offset points", color=ACCENT, fontsize=8
    )
    axes.set(xlabel="average rank over the seeds (1 is best)", ylim=(len(order) - 0.4, -2.4))


def plot_trials(axes: Axes, scores: Mapping[str, Sequence[float]], chosen: Mapping[str, int]) -> None:
    """The trials of each method: larger dots for larger weights, the chosen one filled.

    Args:
        scores: {method: score in percent of each trial, from the smallest weight to the largest}; NaN: diverged or not run.
        chosen: {method: which of them}, where that is known.
    """
    for line, (name, values) in enumerate(scores.items()):
        axes.plot(values, [line] * len(values), color="0.85", zorder=0)
        for number, (value, size) in enumerate(zip(values, TRIAL_SIZES, strict=True)):
            color, fill = (ACCENT, ACCENT) if chosen.get(name) == number else ("0.35", "none")
            axes.plot(value, line, "o", color=color, markersize=size, markerfacecolor=fill)
    for name, size in zip(("smallest weight", "middle", "largest"), TRIAL_SIZES, strict=True):
        axes.plot([], [], "o", color="0.35", markersize=size, markerfacecolor="none", label=name)
    axes.plot([], [], "o", color=ACCENT, label="taken")
    list_methods(axes, scores)
    axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)
    axes.set(xlabel="balanced accuracy on the validation split (%)")


def plot_reliability(axes: Axes, curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> None:
    """How often a network is right against how sure it is; below the diagonal it is too sure.

    Args:
        curves: {method: ([bins] confidence, [bins] accuracy), shares}.
    """
    axes.plot([0, 100], [0, 100], color="0.6", linestyle="--", linewidth=1)
    for (label, (confidence, accuracy)), color in zip(curves.items(), class_colors(len(curves)), strict=True):
        axes.plot(100 * np.asarray(confidence), 100 * np.asarray(accuracy), "o-", color=color, markersize=3.5, label=label)
    axes.set(xlabel="confidence (%)", ylabel="accuracy (%)", xlim=(20, 101), ylim=(20, 101), aspect="equal")
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def plot_knob(
    axes: Axes, settings: Sequence[str], curves: Mapping[str, Sequence[float]], *, shown: Sequence[str], title: str = ""
) -> None:
    """Accuracy while one knob is turned; the methods in `shown` in color, the others as thin gray lines.

    Args:
        settings: [L] what each level is.
        curves: {method: [L] accuracy in percent}.
        shown: methods to draw in color.
    """
    for name, values in curves.items():
        if name not in shown:
            axes.plot(values, color="0.85", linewidth=1, zorder=1)
    for name, color in zip(shown, class_colors(len(shown)), strict=True):
        axes.plot(curves[name], "o-", color=color, markersize=4, label=name)
    axes.axhline(100 / 7, color="0.6", linestyle="--", linewidth=1)
    axes.set(title=title, xticks=range(len(settings)), ylim=(0, 100))
    axes.set_xticklabels(settings)


def plot_pairs(
    axes: Axes, pairs: Mapping[str, tuple[Sequence[float], Sequence[float]]], *, names: tuple[str, str], xlabel: str
) -> None:
    """Two measurements of each method on one line: a small dot a seed, a large one at each mean, the means joined.

    Args:
        pairs: {method: (a value each seed, the same of the other)}.
        names: what the two are, for the legend.
        xlabel: what is measured.
    """
    for line, pair in enumerate(pairs.values()):
        axes.plot([np.mean(seeds) for seeds in pair], [line, line], color="0.8", zorder=0)
    for which, (name, color) in enumerate(zip(names, (INK, ACCENT), strict=True)):
        means = [np.mean(pair[which]) for pair in pairs.values()]
        axes.plot(means, range(len(pairs)), "o", color=color, label=name, markeredgecolor="white", markeredgewidth=0.6)
        for line, pair in enumerate(pairs.values()):
            axes.plot(pair[which], [line] * len(pair[which]), ".", color=color, markersize=3.5)
    list_methods(axes, pairs)
    axes.set(xlabel=xlabel)
    axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
