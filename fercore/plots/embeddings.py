"""Embeddings in the plane."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from fercore.plots.style import class_colors


def plot_embedding(
    axes: Axes,
    embeddings: np.ndarray,
    labels: np.ndarray,
    *,
    class_names: Sequence[str],
    minority: Sequence[int] = (),
    centers: np.ndarray | None = None,
    title: str = "",
) -> None:
    """Scatter 2-D embeddings, each class named at its mean; minority classes as triangles, above the others.

    Args:
        embeddings: [N, 2].
        labels: [N], integers in 0..K-1.
        class_names: [K] short names.
        minority: classes to draw as triangles and to name in bold.
        centers: [K, 2], drawn as black crosses; the names then stand beside the means, not on top of them.
    """
    embeddings = np.asarray(embeddings, dtype=float)
    colors = class_colors(len(class_names))
    for k in sorted(range(len(class_names)), key=lambda k: k in minority):
        points = embeddings[labels == k]
        marker, size = ("^", 14) if k in minority else ("o", 3)
        axes.scatter(*points.T, s=size, marker=marker, color=colors[k], alpha=0.55, linewidths=0, rasterized=True)
    if centers is not None:
        axes.scatter(*np.asarray(centers).T, s=40, marker="x", color="black", linewidths=1.4, zorder=3)
    beside = (0, 0) if centers is None else (9, 8)  # points
    for k, name in enumerate(class_names):
        axes.annotate(
            name, np.median(embeddings[labels == k], axis=0), xytext=beside, textcoords="offset points", fontsize=13,
            fontweight="bold" if k in minority else "normal", ha="center", va="center", zorder=4,
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )  # fmt: skip
    axes.set(title=title, aspect="equal")


def plot_embedding_grid(
    panels: list[dict], *, columns: int, shared_limits: bool = True, size: float = 3.0, axis_label: str = ""
) -> Figure:
    """Small multiples: one `plot_embedding` for each dictionary of its arguments, on equal limits if asked for.

    A panel whose `embeddings` are None, of a run that diverged, shows its title alone. `axis_label` is written, with 1
    and 2 after it, on the outer axes: below the lowest drawn panel of a column, left of the first of a row.
    """
    rows = -(-len(panels) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(size * columns, size * rows), squeeze=False)
    drawn = {axes: panel for axes, panel in zip(grid.flat, panels, strict=False) if panel["embeddings"] is not None}
    for axes, panel in drawn.items():
        plot_embedding(axes, **panel)
    for axes, panel in zip(grid.flat, panels, strict=False):
        if axes not in drawn:
            axes.set_axis_off()
            axes.text(0.5, 0.5, panel["title"], transform=axes.transAxes, ha="center", va="center", color="gray")
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    if shared_limits and drawn:
        ranges = limits(np.concatenate([np.asarray(panel["embeddings"], dtype=float) for panel in drawn.values()]))
        for axes in drawn:
            axes.set(**ranges)
    else:
        for axes in drawn:
            axes.set_aspect("equal", adjustable="datalim")  # panels stay equally large, whatever they hold
    if axis_label:
        lowest = {i % columns: axes for i, axes in enumerate(grid.flat) if axes in drawn}  # the last of a column stays
        for axes in lowest.values():
            axes.set(xlabel=f"{axis_label} 1")
        for axes in drawn.keys() & set(grid[:, 0]):
            axes.set(ylabel=f"{axis_label} 2")
    return figure


def limits(points: np.ndarray) -> dict[str, tuple[float, float]]:
    """xlim and ylim of one square that holds all [N, 2] points but the outermost thousandth on each side."""
    low, high = np.percentile(points, [0.1, 99.9], axis=0)
    middle, half = (low + high) / 2, 0.54 * (high - low).max()
    return {name: (middle[i] - half, middle[i] + half) for i, name in enumerate(("xlim", "ylim"))}
