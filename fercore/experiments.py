"""Which runs a table or figure needs: one function each, shared by notebooks, sweeps and the report.

Each returns {row label: [one config a seed]}. The label is what a reader sees.
"""

from collections.abc import Callable

from fercore.config import RunConfig
from fercore.profiles import check_profile

SEEDS = {"quick": (0, 1), "laptop": (0, 1, 2), "paper": (0, 1, 2)}
GAMMAS = (1, 3, 5, 7)  # the rows of table 3.1

Experiment = dict[str, list[RunConfig]]


def seeds_of(profile: str, **values: object) -> list[RunConfig]:
    return [RunConfig(profile=profile, seed=seed, **values) for seed in SEEDS[check_profile(profile)]]


def table_3_1(profile: str) -> Experiment:
    """Table 3.1, with the loss as printed."""
    rows = {"softmax": seeds_of(profile, method="softmax"), "center loss": seeds_of(profile, method="center")}
    return rows | {f"DDA gamma {gamma}": seeds_of(profile, method="dda", gamma=gamma) for gamma in GAMMAS}


EXPERIMENTS: dict[str, Callable[[str], Experiment]] = {"table_3_1": table_3_1}
PAPER_TABLES: dict[str, Callable[[str], Experiment]] = {"table 3.1": table_3_1}  # named as in paper.csv
