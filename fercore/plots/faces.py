"""Faces, and what a network makes of them."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure


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
    size = (side * count + (1.1 if rows else 0.0), (side + tall) * len(images))
    figure, grid = plt.subplots(len(images), count, figsize=size, squeeze=False, layout="compressed")  # as aspects are fixed
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
        confusion: [K, K] counts, true class in rows.
        class_names: [K].
    """
    confusion = np.asarray(confusion, dtype=float)
    shares = 100 * confusion / confusion.sum(axis=1, keepdims=True)
    draw_matrix(axes, shares, class_names, title=title, annot=True, fmt=".0f", vmin=0, vmax=100, cmap="Blues")
    axes.set(xlabel="predicted", ylabel="true")


def draw_matrix(axes: Axes, values: np.ndarray, class_names: Sequence[str], *, title: str, **look: Any) -> None:
    """A number [K, K] for each pair of classes, written into a square of its color; `look` is what is seaborn's own."""
    sns.heatmap(
        values, square=True, cbar=False, linewidths=0.5, annot_kws={"fontsize": 8}, ax=axes,
        xticklabels=class_names, yticklabels=class_names, **look,
    )  # fmt: skip
    axes.set(title=title)
    axes.tick_params(axis="x", rotation=45, length=0)
    axes.tick_params(axis="y", rotation=0, length=0)
