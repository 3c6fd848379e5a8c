"""AMTC3L's anatomy in the plane: the sigmoid box, the loss over it, and the negative prototypes of the three samplers."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from scipy.special import expit

from fercore.plots.embeddings import plot_embedding
from fercore.plots.style import class_colors

GRID_LINES = (-6, -4, -2, 0, 2, 4, 6)  # drawn in the plane, and again where the sigmoid takes them
PULL, PUSH = "#0072B2", "#D55E00"  # towards the own center; away from the negative
LONGEST_ARROW = 0.22  # of the plane's width
LABEL = 0.055  # of an axis's length: what a digit needs
HALO = [withStroke(linewidth=3, foreground="white")]


def plot_curves(
    axes: Axes,
    x: np.ndarray,
    curves: Mapping[str, np.ndarray],
    *,
    title: str,
    x_label: str,
    y_label: str,
    dashed: Sequence[str] = (),
) -> None:
    """Curves over one axis, with a legend: they may end in one point.

    Args:
        x: [N], rising.
        curves: {name: [N] values}.
        dashed: names of those to be dashed.
    """
    for (name, values), color in zip(curves.items(), class_colors(len(curves)), strict=True):
        axes.plot(x, values, color=color, linestyle="--" if name in dashed else "-", label=name)
    axes.legend()
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.margins(x=0)


def plot_sigmoid_box(
    embeddings: np.ndarray, labels: np.ndarray, *, class_names: Sequence[str], minority: Sequence[int], centers: np.ndarray
) -> Figure:
    """The plane, and the box that the sigmoid makes of it; the same grid lines in both show what is squeezed.

    Args:
        embeddings: [N, 2].
        labels: [N], integers in 0..K-1.
        class_names: [K].
        minority: classes to draw as triangles.
        centers: [K, 2].
    """
    figure, (plane, box) = plt.subplots(1, 2, figsize=(11, 5.4))
    embeddings, centers = (np.asarray(values, dtype=float) for values in (embeddings, centers))
    for axes, at, title in ((plane, np.asarray, "the plane: x"), (box, expit, "the box: sigmoid(x)")):
        for line in GRID_LINES:
            axes.axvline(at(line), color="0.85", linewidth=0.8, zorder=0)
            axes.axhline(at(line), color="0.85", linewidth=0.8, zorder=0)
        plot_embedding(
            axes, at(embeddings), labels, class_names=class_names, minority=minority, centers=at(centers), title=title
        )
    half = 1.02 * np.abs(embeddings).max()
    plane.set(xlim=(-half, half), ylim=(-half, half), xticks=GRID_LINES, yticks=GRID_LINES)
    box.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    for axes, low, high in ((plane, -half, half), (box, 0.04, 0.96)):  # names off each other, and off the frame
        places = apart([text.xy for text in axes.texts], LABEL * (high - low), low, high)
        for text, place in zip(axes.texts, places, strict=True):
            if axes is box and not np.allclose(place, text.xy):
                text.set_position((0, 0))
            text.xy = place
    return figure


def plot_landscapes(
    panels: Sequence[Mapping], *, columns: int, samples: np.ndarray, center: np.ndarray, negative: np.ndarray
) -> Figure:
    """A sample's loss for every place in the box; white where it is clipped at zero.

    Args:
        panels: each with `title` and `loss` [G, G], rows going up the second dimension, columns along the first.
        columns: of the figure.
        samples: [N, 2] of the class, in the box.
        center, negative: [2], in the box.
    """
    rows = -(-len(panels) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(3 * columns, 2.9 * rows), squeeze=False, sharex=True, sharey=True)
    highest = max(panel["loss"].max() for panel in panels)
    for axes, panel in zip(grid.flat, panels, strict=True):
        loss = np.ma.masked_less_equal(panel["loss"], 0)
        image = axes.imshow(loss, origin="lower", extent=(0, 1, 0, 1), vmin=0, vmax=highest, cmap="cividis")
        axes.contour(panel["loss"], levels=8, extent=(0, 1, 0, 1), colors="white", linewidths=0.4, alpha=0.7)
        axes.scatter(*samples.T, s=2, color="black", alpha=0.35, linewidths=0, rasterized=True)
        mark(axes, center, "own", PULL, below=True)
        mark(axes, negative, "negative", PUSH, below=negative[1] > 0.5, align="left" if negative[0] < 0.5 else "right")
        axes.set(title=panel["title"], xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    figure.colorbar(image, ax=grid, shrink=0.7, label="a sample's term")
    return figure


def plot_chimera_steps(sample: np.ndarray, label: int, centers: np.ndarray, *, class_names: Sequence[str]) -> Figure:
    """MS-NSS in three steps: the nearest other coordinate across, the nearest one upward, and where the two lines meet.

    Args:
        sample: x, [2].
        label: its class.
        centers: [K, 2], in the plane.
        class_names: [K].
    """
    others = [k for k in range(len(centers)) if k != label]
    nearest = [min(others, key=lambda k, j=j: abs(sample[j] - centers[k, j])) for j in (0, 1)]
    chimera = np.array([centers[nearest[0], 0], centers[nearest[1], 1]])
    figure, grid = plt.subplots(1, 3, figsize=(13, 4.7), sharex=True, sharey=True)
    titles = (
        f"1. across: class {class_names[nearest[0]]} is nearest",
        f"2. upward: class {class_names[nearest[1]]} is nearest",
        f"3. nobody: half {class_names[nearest[0]]}, half {class_names[nearest[1]]}",
    )
    for step, (axes, title) in enumerate(zip(grid, titles, strict=True)):
        draw_centers(axes, centers, class_names, own=label, chosen={0: nearest[:1], 1: nearest[1:]}.get(step, nearest))
        axes.scatter(*sample, marker="*", s=170, color="black", zorder=5)
        if step != 1:
            axes.axvline(chimera[0], color=PUSH, linewidth=1.2, zorder=0)
        if step != 0:
            axes.axhline(chimera[1], color=PUSH, linewidth=1.2, zorder=0)
        axes.set(title=title, aspect="equal")
    for k in others:
        grid[0].plot([centers[k, 0]] * 2, [0, 0.03], color="0.4", transform=grid[0].get_xaxis_transform(), linewidth=1.5)
        grid[1].plot([0, 0.03], [centers[k, 1]] * 2, color="0.4", transform=grid[1].get_yaxis_transform(), linewidth=1.5)
    grid[0].axvline(sample[0], color="0.6", linestyle=":", zorder=0)
    grid[1].axhline(sample[1], color="0.6", linestyle=":", zorder=0)
    mark(grid[2], chimera, "nobody", PUSH, marker="D")
    grid[0].margins(0.12)
    return figure


def plot_negatives(
    panels: Sequence[Mapping],
    *,
    columns: int,
    embeddings: np.ndarray,
    labels: np.ndarray,
    centers: np.ndarray,
    class_names: Sequence[str],
) -> Figure:
    """Samples, the center that pulls each and the negative that pushes it; arrows as long as the forces, at one scale.

    Args:
        panels: each with `sample` [2], its `label`, `negative` [2], the forces `pull` and `push` [2], and `title`.
        columns: of the figure.
        embeddings: [N, 2], faint behind each panel.
        labels: [N].
        centers: [K, 2].
        class_names: [K].
    """
    rows = -(-len(panels) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(4.2 * columns, 4.4 * rows), squeeze=False, sharex=True, sharey=True)
    colors = np.array(class_colors(len(class_names)))
    strongest = max(np.linalg.norm(panel[name]) for panel in panels for name in ("pull", "push"))
    scale = LONGEST_ARROW * np.ptp(embeddings, axis=0).max() / strongest
    for axes, panel in zip(grid.flat, panels, strict=True):
        axes.scatter(*embeddings.T, s=2, c=colors[labels], alpha=0.15, linewidths=0, rasterized=True)
        sample, own, negative = panel["sample"], centers[panel["label"]], panel["negative"]
        hits = np.flatnonzero((centers == negative).all(axis=1))
        draw_centers(axes, centers, class_names, own=panel["label"], chosen=hits)
        for end, color in ((own, PULL), (negative, PUSH)):
            axes.plot(*np.stack([sample, end]).T, color=color, linewidth=1.2, linestyle=":", zorder=3)
        for force, color in ((panel["pull"], PULL), (panel["push"], PUSH)):
            exact = {"angles": "xy", "scale_units": "xy", "scale": 1}
            axes.quiver(*sample, *(scale * force), color=color, width=0.008, zorder=7, **exact)
        axes.scatter(*sample, marker="*", s=110, color="black", zorder=5)
        if not len(hits):
            mark(axes, negative, "nobody", PUSH, marker="D", below=True)
        axes.set(title=panel["title"], aspect="equal")
    return figure


def plot_chimera_shares(axes: Axes, dims: Sequence[int], shares: Mapping[str, Sequence[float]], *, title: str) -> None:
    """How many of the synthesized negatives are no class's center, against the number of dimensions.

    Args:
        dims: [N].
        shares: {name: [N] values between 0 and 1}.
    """
    for (name, values), color in zip(shares.items(), class_colors(len(shares)), strict=True):
        axes.plot(dims, 100 * np.asarray(values), color=color, marker="o", markersize=4, label=name)
    axes.legend(loc="lower right")
    axes.set(title=title, xlabel="dimensions of the embedding", ylim=(-3, 104), xticks=list(dims))
    axes.yaxis.set_major_formatter("{x:.0f} %")


# --- the parts ----------------------------------------------------------------------------------------------------------


def apart(places: Sequence[Sequence[float]], least: float, low: float = -np.inf, high: float = np.inf) -> np.ndarray:
    """Where to write: [K, 2] `places`, moved until no two are nearer than `least`, between `low` and `high`."""
    places = np.clip(np.array(places, dtype=float), low, high)
    for _ in range(200):
        ways = places[:, None] - places
        distances = np.linalg.norm(ways, axis=2) + np.diag([np.inf] * len(places))
        one, other = np.unravel_index(distances.argmin(), distances.shape)
        if distances[one, other] >= least:
            break
        way = ways[one, other] / distances[one, other] if distances[one, other] else np.array([0.0, 1.0])
        step = 0.51 * (least - distances[one, other]) * way
        places[one], places[other] = places[one] + step, places[other] - step
        places = np.clip(places, low, high)
    return places


def mark(
    axes: Axes, place: np.ndarray, name: str, color: str, *, marker: str = "o", below: bool = False, align: str = "center"
) -> None:
    """A point with its name above or below it, on any ground."""
    axes.scatter(*place, s=70, marker=marker, facecolor="white", edgecolor=color, linewidths=2.2, zorder=6, clip_on=False)
    axes.annotate(
        name, place, xytext=(0, -9 if below else 9), textcoords="offset points", ha=align, va="top" if below else "bottom",
        color=color, fontweight="bold", path_effects=HALO, zorder=7, annotation_clip=False,
    )  # fmt: skip


def draw_centers(axes: Axes, centers: np.ndarray, class_names: Sequence[str], *, own: int, chosen: Sequence[int]) -> None:
    """Every center as its class's name, beside it where they crowd; the own one ringed in blue, the chosen ones in orange."""
    places = apart(centers, 1.9 * LABEL * np.ptp(centers, axis=0).max())
    for k, (center, place, name) in enumerate(zip(centers, places, class_names, strict=True)):
        color = PULL if k == own else PUSH if k in chosen else "0.3"
        if (center != place).any():
            axes.plot(*np.stack([center, place]).T, color=color, linewidth=1, marker=".", markevery=[0], zorder=4)
        if k == own or k in chosen:
            axes.scatter(*place, s=330, facecolor="white", edgecolor=color, linewidths=2, zorder=4)
        axes.text(*place, name, color=color, fontweight="bold", ha="center", va="center", path_effects=HALO, zorder=5)
