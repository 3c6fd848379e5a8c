"""Every folder the project reads or writes, in one place.

All resolve from the repository's root, wherever the caller stands: papermill runs a notebook in the shell's
folder, nbval in the notebook's. Three environment variables move what is large or must not mix:
FERCORE_DATA (data sets), FERCORE_RUNS (local runs) and FERCORE_FIGURES (exported figures).
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
RESULTS = ROOT / "results"
FIGURES = ROOT / "figures"
PAPER_CSV = ROOT / "fercore" / "papers" / "published.csv"


def data_dir() -> Path:
    """Where data sets live: `data/`, or FERCORE_DATA."""
    return Path(os.environ.get("FERCORE_DATA") or ROOT / "data")


def runs_dir() -> Path:
    """Where local runs, executed notebooks and their figures go: `runs/`, or FERCORE_RUNS."""
    return Path(os.environ.get("FERCORE_RUNS") or ROOT / "runs")


def figures_dir(profile: str) -> Path:
    """Where a notebook at `profile` exports its figures: `runs/<profile>/figures/`, or FERCORE_FIGURES."""
    return Path(os.environ.get("FERCORE_FIGURES") or runs_dir() / profile / "figures")


def shown(path: Path) -> str:
    """`path` as a reader of this repository would write it: relative to its root where it lies inside."""
    path = Path(path)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
