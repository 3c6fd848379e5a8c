"""The README's moving picture: the plane over the epochs, two losses side by side."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from fercore.papers.experiments import digit_rates
from fercore.paths import FIGURES
from fercore.plots.embeddings import limits, plot_embedding
from fercore.plots.style import use_style
from fercore.runs.result import RunResult
from fercore.runs.shipped import shipped_result

SIDES = {"softmax": "softmax", "DDA, gamma 7": "DDA gamma 7, printed"}  # title: row of chapter 2's first figure
SIZE, DPI = (8.0, 4.5), 100  # inches, pixels an inch
BETWEEN, FRAME, LAST = 3, 90, 3000  # pictures an epoch; milliseconds of each, and of the last
COLORS = 96  # a palette that the class colors and their overlaps fill


def write_film() -> list[Path]:
    """Write figures/plane.gif and its last picture, figures/plane.png, from shipped runs of chapter 2; returns both.

    A run keeps the embeddings of the same 1,000 training images after each epoch.
    """
    use_style()
    rows = digit_rates("laptop")
    runs = {name: shipped_result(rows[f"{row} at 0.001"][0].id) for name, row in SIDES.items()}
    frames = [pixels(figure) for figure in draw(runs)]
    palette = frames[-1].quantize(COLORS)
    film, still = FIGURES / "plane.gif", FIGURES / "plane.png"
    pictures = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    durations = [FRAME] * (len(frames) - 1) + [LAST]
    pictures[0].save(film, save_all=True, append_images=pictures[1:], duration=durations, loop=2, optimize=True)
    pictures[-1].save(still, optimize=True)
    return [film, still]


def draw(runs: Mapping[str, RunResult]) -> Iterator[Figure]:
    """A figure a picture. Between two epochs every image moves on a straight line, so that an eye can follow it."""
    epochs = min(len(run.arrays["snapshot_embeddings"]) for run in runs.values())
    for time in np.linspace(1, epochs, BETWEEN * (epochs - 1) + 1):
        figure, panels = plt.subplots(1, len(runs), figsize=SIZE, dpi=DPI)
        for axes, (name, run) in zip(panels, runs.items(), strict=True):
            draw_side(axes, run, time, name)
        figure.suptitle(f"epoch {int(time)}", x=0.99, ha="right", fontsize=11)
        yield figure
        plt.close(figure)


def draw_side(axes: plt.Axes, run: RunResult, time: float, name: str) -> None:
    """One run at a time in epochs, the first being 1."""
    snapshots, labels = run.arrays["snapshot_embeddings"].astype(float), run.arrays["snapshot_labels"]
    before, after = snapshots[int(time) - 1], snapshots[min(int(time), len(snapshots) - 1)]
    facts = run.provenance
    plot_embedding(
        axes,
        before + (time - int(time)) * (after - before),
        labels,
        class_names=facts["class_names"],
        minority=facts["minority"],
        title=name,
    )
    axes.set(xticks=[], yticks=[], **limits(snapshots.reshape(-1, 2)))
    axes.spines[:].set_visible(False)


def pixels(figure: Figure) -> Image.Image:
    figure.canvas.draw()
    return Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3])
