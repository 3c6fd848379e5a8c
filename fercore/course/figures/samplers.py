"""Methods held against a baseline: differences with their seeds, recalls class by class."""

from collections.abc import Mapping, Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes

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
        differences: {row: one value a seed}; a row without values is marked "not run".
        intervals: {row: the ends of the mean's interval}; NaN ends draw no bar.
        published: {row: the gain that the paper prints, on its own data}, a hollow diamond; rows may be missing.
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
        differences: [R, C] in points; NaN where there is nothing to show.
        rows, columns: [R] and [C] tick labels.
        limit: where the colors end; the same for maps that are to be compared.
    """
    axes.set_facecolor("0.9")
    sns.heatmap(
        differences, annot=True, fmt="+.1f", vmin=-limit, vmax=limit, cmap=sns.diverging_palette(30, 250, s=90, as_cmap=True),
        linewidths=1, cbar=False, ax=axes, xticklabels=columns, yticklabels=rows, mask=np.isnan(differences),
    )  # fmt: skip
    axes.set_title(title)
    axes.tick_params(axis="x", rotation=30, length=0)
    axes.tick_params(axis="y", rotation=0, length=0)
