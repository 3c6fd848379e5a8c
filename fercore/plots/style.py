"""The shared look, the class colors, and the export of a figure as PNG and PDF."""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fercore.paths import figures_dir

# Ten colors that people with the common color-vision deficiencies can tell apart best next to direct labels: the eight
# of Okabe and Ito, of which black serves last, and two of Paul Tol's "muted" set. Labels at the clusters do the rest.
CLASS_COLORS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#332288", "#999933", "#882255", "#555555",
)  # fmt: skip


def use_style() -> None:
    """Switch matplotlib to the project's style file; a notebook calls it once."""
    plt.style.use(Path(__file__).with_name("fercore.mplstyle"))


def class_colors(count: int) -> list[str]:
    """One color a class."""
    if count > len(CLASS_COLORS):
        raise ValueError(f"there are {len(CLASS_COLORS)} class colors, {count} were asked for")
    return list(CLASS_COLORS[:count])


def hollow_out(axes: Axes, x: float, y: float) -> None:
    """Make the dot at (x, y) a ring: a single run, whose spread is not known."""
    axes.scatter(x, y, s=7, color="white", zorder=3)


def save_figure(figure: Figure, name: str, profile: str) -> None:
    """Export a figure as <name>.png and <name>.pdf, with no date in it: the same figure gives the same bytes. For profile
    quick the PNG alone, as coarse as in the notebook."""
    folder = figures_dir(profile)
    folder.mkdir(parents=True, exist_ok=True)
    dpi = "figure" if profile == "quick" else plt.rcParams["savefig.dpi"]
    figure.savefig(folder / f"{name}.png", dpi=dpi, metadata={"Software": None})
    figure.set_layout_engine("none")  # what is drawn after it keeps this layout, which takes a third of the time
    if profile != "quick":
        undated = {"CreationDate": None, "ModDate": None, "Producer": None, "Creator": None}
        figure.savefig(folder / f"{name}.pdf", metadata=undated)
