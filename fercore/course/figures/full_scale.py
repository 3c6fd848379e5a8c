"""What full-scale trainings will take: minutes and memory, a line each."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

COMPUTED, MEASURED = "#0072B2", "#D55E00"
UNCERTAIN = 2.0  # the bar around a computed time: half of it to twice


def plot_minutes(axes: Axes, names: Sequence[str], minutes: Sequence[float], measured: Mapping[str, float]) -> None:
    """Computed minutes of one run, a dot a line on a logarithmic axis, with a bar from half to twice.

    Args:
        names: [R], written at the left.
        minutes: [R], computed.
        measured: {name: minutes} of finished runs, drawn as diamonds.
    """
    lines = -np.arange(len(names))
    minutes = np.asarray(minutes, dtype=float)
    axes.hlines(lines, minutes / UNCERTAIN, minutes * UNCERTAIN, color="0.8", linewidth=7)
    axes.plot(minutes, lines, "o", color=COMPUTED, label="computed")
    where = [line for line, name in zip(lines, names, strict=True) if name in measured]
    if where:
        axes.plot([measured[name] for name in names if name in measured], where, "D", color=MEASURED, label="measured")
        axes.legend(frameon=False, fontsize=8)
    axes.set(xscale="log", xlabel="minutes of one run")
    axes.xaxis.set_major_formatter("{x:g}")
    label_lines(axes, lines, names)


def plot_memory(axes: Axes, names: Sequence[str], gigabytes: Sequence[float], levels: Mapping[str, float]) -> None:
    """Computed GPU memory of one run, a bar a line.

    Args:
        names: [R], written at the left.
        gigabytes: [R].
        levels: {label: gigabytes} of GPUs, drawn as lines.
    """
    lines = -np.arange(len(names))
    axes.barh(lines, gigabytes, height=0.6, color=COMPUTED)
    for label, level in levels.items():
        axes.axvline(level, color="0.6", linestyle="--", linewidth=1)
        axes.text(level, 0.75, f" {label}", color="0.4", fontsize=8, va="bottom", ha="left")
    axes.set(xlabel="GB on the GPU, without CUDA's own", xlim=(0, 1.25 * max(*gigabytes, *levels.values())))
    label_lines(axes, lines, names)


def label_lines(axes: Axes, lines: np.ndarray, names: Sequence[str]) -> None:
    """The names at the left of horizontal lines, first at the top."""
    axes.set(ylim=(lines[-1] - 0.7, 0.7))
    axes.set_yticks(lines, names, fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
