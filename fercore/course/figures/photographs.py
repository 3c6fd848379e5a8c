"""Figures of chapter 12: two leaderboards side by side."""

import math
from collections.abc import Mapping

from matplotlib.axes import Axes

from fercore.course.figures.faces import in_order
from fercore.evaluation.stats import Estimate
from fercore.plots.style import hollow_out

INK = "#0072B2"
NEAREST = 0.055  # of the picture's height: how near two names may be


def plot_slopes(
    axes: Axes,
    left: Mapping[str, Estimate],
    right: Mapping[str, Estimate],
    *,
    baseline: str,
    titles: tuple[str, str],
    lowest: float = -math.inf,
) -> None:
    """The same methods on two boards, each by its distance from the baseline's mean; a line joins a method with itself.

    Lines that cross are methods that change places. A hollow end is a single run.

    Args:
        left, right: {method: estimate}, of the same methods, each with one run at least.
        baseline: one of them, drawn in black.
        titles: of the boards.
        lowest: a point below it is drawn on it, as a triangle on a dashed line; its number stays what it is.
    """
    boards = [{name: one.mean - board[baseline].mean for name, one in board.items()} for board in (left, right)]
    shown = [{name: max(value, lowest) for name, value in board.items()} for board in boards]
    heights = [value for board in shown for value in board.values()]
    room = max(max(heights) - min(heights), 0.5)
    for name in left:
        color = "black" if name == baseline else INK
        cut = [board[name] < lowest for board in boards]
        style = "--" if any(cut) else "-"
        axes.plot((0, 1), [board[name] for board in shown], style, color=color, linewidth=1.4)
        for side, board in enumerate((left, right)):
            axes.plot(side, shown[side][name], "v" if cut[side] else "o", color=color, markersize=6)
            if board[name].n == 1:
                hollow_out(axes, side, shown[side][name])
    for side, (board, align) in enumerate(zip(boards, ("right", "left"), strict=True)):
        names = sorted(board, key=board.get)
        places = in_order([shown[side][name] for name in names], NEAREST * room)
        for name, place in zip(names, places, strict=True):
            text = f"{name}  {board[name]:+.1f}" if side == 0 else f"{board[name]:+.1f}  {name}"
            line = {"arrowstyle": "-", "color": "0.75", "linewidth": 0.7, "shrinkB": 5, "relpos": (1 - side, 0.5)}
            label = (side + (-0.22, 0.22)[side], place)
            axes.annotate(text, (side, shown[side][name]), label, ha=align, va="center", fontsize=8.5, arrowprops=line)
    axes.set(xticks=(0, 1), xlim=(-1.1, 2.1), ylim=(min(heights) - 0.2 * room, max(heights) + 0.2 * room))
    axes.set_xticklabels(titles)
    axes.set(ylabel=f"minus {baseline} (points)")
    axes.tick_params(axis="x", length=0)
    axes.spines["bottom"].set_visible(False)
    axes.grid(axis="y", color="0.93")
    axes.set_axisbelow(True)
