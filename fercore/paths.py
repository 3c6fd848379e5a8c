"""Every folder the project reads or writes, in one place.

In a checkout of the repository runs and data lie at its root, wherever one stands; where the package is installed without
one, they lie in the folder of the course (`fercore lab`) in which one stands, or failing that in the current folder, and
never among the installed packages. Four environment variables move them: FERCORE_HOME
both, FERCORE_DATA (data sets), FERCORE_RUNS (local runs) and FERCORE_FIGURES (exported figures) one each.
"""

import os
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # the folder in which fercore and simfer lie
CHECKOUT = (ROOT / "pyproject.toml").is_file() and (ROOT / "notebooks").is_dir()
PAPER_CSV = ROOT / "fercore" / "papers" / "published.csv"


def course_folder() -> Path:
    """The checkout; else the nearest folder at or above the current one in which the course lies; else the current one."""
    if CHECKOUT:
        return ROOT
    here = Path.cwd()
    parts = ("notebooks/00_start_here.ipynb", "results/index.csv")
    return next((place for place in (here, *here.parents) if all((place / part).is_file() for part in parts)), here)


COURSE = course_folder()  # in a checkout and in a folder of the course it has the next three
NOTEBOOKS, RESULTS, FIGURES = COURSE / "notebooks", COURSE / "results", COURSE / "figures"


def home() -> Path:
    """The folder of `runs/` and `data/`: FERCORE_HOME, else that of the course."""
    return folder("FERCORE_HOME", course_folder())


def data_dir() -> Path:
    """Where data sets live: `data/`, or FERCORE_DATA."""
    return folder("FERCORE_DATA", home() / "data")


def runs_dir() -> Path:
    """Where local runs, executed notebooks and their figures go: `runs/`, or FERCORE_RUNS."""
    return folder("FERCORE_RUNS", home() / "runs")


def figures_dir(profile: str) -> Path:
    """Where a notebook at `profile` exports its figures: `runs/<profile>/figures/`, or FERCORE_FIGURES."""
    return folder("FERCORE_FIGURES", runs_dir() / profile / "figures")


def folder(variable: str, default: Path) -> Path:
    """The folder that an environment variable names, else `default`.

    A relative name counts from where the user stands. It is made absolute in the environment too: kernels and workers that
    start from here stand elsewhere, and shall mean the same folder.
    """
    given = os.environ.get(variable)
    if not given:
        return default
    if not os.path.isabs(given):  # asked for with every run that is looked up, by then it is
        given = standing() / os.path.expanduser(given)
    os.environ[variable] = os.path.normpath(given)
    return Path(os.environ[variable])


def standing() -> Path:
    """The folder in which the user stands: the current one, and in a notebook the one where Jupyter was started."""
    with suppress(KeyError, OSError):
        return Path(os.readlink(f"/proc/{int(os.environ['JPY_PARENT_PID'])}/cwd"))
    return Path.cwd()


def shown(path: Path) -> str:
    """`path` as a user finds it: from where he stands if it lies inside, else as it is."""
    path, here = Path(path), standing()
    return printable(str(path.relative_to(here)) if path.is_relative_to(here) else str(path))


def printable(name: str) -> str:
    """`name` in one line that every output takes: a file may be called anything, with line breaks or in no known encoding."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in name)


for variable in ("FERCORE_HOME", "FERCORE_DATA", "FERCORE_RUNS", "FERCORE_FIGURES"):
    folder(variable, ROOT)  # now, while this process stands where it was started
