"""Faces, and what a network makes of them."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fercore.plots.style import class_colors

MOST = 10  # points, where the colors of `plot_confusion_difference` end


def plot_faces(
    images: Sequence[Sequence[np.ndarray]],
    *,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    captions: Sequence[Sequence[str]] = (),
    side: float = 0.8,
) -> Figure:
    """A sheet of faces.

    Args:
        images: R rows of up to C pictures [H, W, 3].
        rows: [R] names at the left.
        columns: [C] names above.
        captions: a text above each picture, where `columns` is not enough.
        side: of one picture, inches.
    """
    count = max(len(row) for row in images)
    tall = 0.32 if captions else 0.0
    figure, grid = plt.subplots(
        len(images), count, figsize=(side * count + (1.1 if rows else 0.0), (side + tall) * len(images)), squeeze=False
    )
    for r, row in enumerate(images):
        for c, axes in enumerate(grid[r]):
            axes.axis("off")
            if c >= len(row):
                continue
            axes.imshow(row[c], interpolation="lanczos")
            if captions:
                axes.set_title(captions[r][c], fontsize=7.5, pad=2)
            elif columns and r == 0:
                axes.set_title(columns[c], fontsize=8, pad=3)
        if rows:
            grid[r][0].text(-0.08, 0.5, rows[r], transform=grid[r][0].transAxes, ha="right", va="center", fontsize=8.5)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
    return figure


def plot_confusion(axes: Axes, confusion: np.ndarray, class_names: Sequence[str], *, title: str = "") -> None:
    """A confusion matrix in percent of each true class.

    Args:
        axes: where to draw.
        confusion: [K, K] counts, true class in rows.
        class_names: [K].
        title: the axes' title.
    """
    confusion = np.asarray(confusion, dtype=float)
    shares = 100 * confusion / confusion.sum(axis=1, keepdims=True)
    sns.heatmap(
        shares, annot=True, fmt=".0f", vmin=0, vmax=100, cmap="Blues", square=True, cbar=False, linewidths=0.5, ax=axes,
        xticklabels=class_names, yticklabels=class_names, annot_kws={"fontsize": 8},
    )  # fmt: skip
    axes.set(title=title, xlabel="predicted", ylabel="true")
    axes.tick_params(axis="x", rotation=45, length=0)
    axes.tick_params(axis="y", rotation=0, length=0)


def plot_confusion_difference(
    axes: Axes, confusion: np.ndarray, baseline: np.ndarray, class_names: Sequence[str], *, title: str = ""
) -> None:
    """What changes against a baseline, in points of each true class: purple for more, orange for less.

    On the diagonal purple is better, beside it orange is. Colors end at `MOST` points, so that panels can be compared;
    changes that round to 0 are left blank.

    Args:
        axes: where to draw.
        confusion, baseline: [K, K] counts of the same test images, true class in rows.
        class_names: [K].
        title: the axes' title.
    """
    shares = [100 * np.asarray(c, dtype=float) / np.sum(c, axis=1, keepdims=True) for c in (confusion, baseline)]
    change = shares[0] - shares[1]
    text = np.where(np.abs(change) < 0.5, "", np.char.mod("%+.0f", change))
    sns.heatmap(
        change, annot=text, fmt="", vmin=-MOST, vmax=MOST, cmap="PuOr", square=True, cbar=False, linewidths=0.5, ax=axes,
        linecolor="0.85", xticklabels=class_names, yticklabels=class_names, annot_kws={"fontsize": 8},
    )  # fmt: skip
    for k in range(len(change)):  # the diagonal reads the other way round
        axes.add_patch(Rectangle((k, k), 1, 1, fill=False, edgecolor="0.3", linewidth=1.2))
    axes.set(title=title, xlabel="predicted", ylabel="true")
    axes.tick_params(axis="x", rotation=45, length=0)
    axes.tick_params(axis="y", rotation=0, length=0)


def plot_recall_against_size(axes: Axes, counts: Sequence[int], recalls: np.ndarray, class_names: Sequence[str]) -> None:
    """Recall of each class over its number of training images: a dot a seed, a bar at the mean.

    Args:
        axes: where to draw.
        counts: [K] training images.
        recalls: [seeds, K], 0..1.
        class_names: [K].
    """
    for k, color in enumerate(class_colors(len(class_names))):
        values = 100 * np.asarray(recalls)[:, k]
        axes.plot([counts[k]] * len(values), values, "o", color=color, markersize=4, alpha=0.8)
        axes.plot(counts[k], values.mean(), "_", color=color, markersize=16, markeredgewidth=2)
        axes.annotate(
            class_names[k], (counts[k], values.mean()), xytext=(9, 0), textcoords="offset points", color=color, va="center"
        )
    axes.set(xscale="log", xlabel="training images", ylabel="recall (%)", xlim=(0.7 * min(counts), 2.4 * max(counts)))
    axes.grid(axis="y", color="0.9")


def plot_probes(
    axes: Axes, accuracies: Sequence[float], errors: Sequence[float], names: Sequence[str], *, chance: float
) -> None:
    """Horizontal bars of accuracies (%) with 95 % intervals, and a line at chance.

    Args:
        axes: where to draw.
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
