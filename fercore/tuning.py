"""Tuning, the same for every method: three values of its one weight, a third of the epochs, one seed, the validation split.

The weight is what scales the method's own loss: `lambda_c`, `weight`, or gamma with the released normalization; for softmax,
which has none, the weight decay. The values are a fifth of the default, the default, and five times it. What was chosen is
kept in tuned.json, made by `python -m fercore tune` from the finished trials; a profile without trials uses the defaults.
"""

import json
from typing import Any

from fercore.config import RunConfig
from fercore.errors import FercoreError
from fercore.methods import METHODS
from fercore.paths import ROOT
from fercore.profiles import find_recipe
from fercore.runs import RunResult, find_result

TUNED = ROOT / "fercore" / "tuned.json"
FACTORS = (0.2, 1, 5)
LAST_EPOCHS = 3  # whose mean counts: a single epoch's validation accuracy jumps by a point or two
DDA_GAMMA = 1.0  # what FACTORS multiply for DDA, whose published gammas fit the released normalization alone (chapter 02)


def trials(method: str, profile: str) -> list[RunConfig]:
    """The configs that are tried for a method on SimFER."""
    epochs = max(1, find_recipe(profile, "simfer")["epochs"] // 3)
    return [RunConfig(method=method, data="simfer", profile=profile, epochs=epochs, **values) for values in candidates(method)]


def candidates(method: str) -> list[dict[str, Any]]:
    """The three settings that are tried."""
    own = METHODS[method].hyperparameters
    if method == "dda":
        return [{"gamma": DDA_GAMMA * factor, "normalization": "released"} for factor in FACTORS]
    key = next((name for name in ("lambda_c", "weight") if name in own), "weight_decay")
    default = own.get(key, find_recipe("laptop", "simfer")["weight_decay"])
    return [{key: float(f"{default * factor:g}")} for factor in FACTORS]


def score(result: RunResult | None) -> float:
    """Mean balanced accuracy on the validation split over the last epochs; -1 where a trial diverged or was not run."""
    if result is None or result.diverged:
        return -1.0
    last = [row["val_balanced_accuracy"] for row in result.epochs[-LAST_EPOCHS:]]
    return sum(last) / len(last)


def choose(profile: str) -> dict[str, dict[str, Any]]:
    """The best of each method's trials, all of which must be finished.

    Raises:
        FercoreError: trials are missing; it says how to run them.
    """
    chosen = {}
    for method in METHODS:
        results = [find_result(config) for config in trials(method, profile)]
        if None in results:
            raise FercoreError(
                f"trials of {method} are missing; run `python -m fercore sweep --experiment tuning --profile {profile}`"
            )
        scores = [score(result) for result in results]
        chosen[method] = candidates(method)[scores.index(max(scores))]
    return chosen


def tuned(method: str, profile: str) -> dict[str, Any]:
    """The settings of a method on SimFER that its trials chose; none where the profile has no trials."""
    return json.loads(TUNED.read_text()).get(profile, {}).get(method, {}) if TUNED.exists() else {}


def write_choices(profile: str) -> dict[str, dict[str, Any]]:
    """Keep what `choose` says in tuned.json."""
    known = json.loads(TUNED.read_text()) if TUNED.exists() else {}
    known[profile] = choose(profile)
    TUNED.write_text(json.dumps(known, indent=1) + "\n")
    return known[profile]
