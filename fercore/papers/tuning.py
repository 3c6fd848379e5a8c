"""Tuning, the same for every method: three values of its one weight, a third of the epochs, one seed, the validation split.

The weight is what scales the method's own loss: `lambda_c`, `weight`, or gamma with the released normalization; for softmax,
which has none, the weight decay. The values are the default, a fifth of it and five times it; of TC3L and AMTC3L, whose
paper's weights are lost and whose default is hardly felt (chapter 07), the default and thirty and a thousand times it.
A trial must beat the default by more than chance makes of two equal ones. What was chosen is kept in tuned.json, made by
`python -m fercore tune` from the finished trials; a profile without trials uses the defaults.
"""

from typing import Any

from filelock import FileLock

from fercore.config import RunConfig
from fercore.errors import FercoreError
from fercore.methods.table import METHODS
from fercore.paths import ROOT
from fercore.profiles import find_recipe
from fercore.runs import files
from fercore.runs.find import find_results
from fercore.runs.result import RunResult

TUNED = ROOT / "fercore" / "papers" / "tuned.json"
FACTORS = (1, 0.2, 5)  # the default first
LOUDER = (1, 30, 1000)  # of the methods whose default is hardly felt
LAST_EPOCHS = 3  # whose mean counts: a single epoch's validation accuracy jumps by a point or two
CLEARLY = 0.05  # by how much a trial must beat the default: of softmax, weight decays that hardly matter differ by as much
DDA_GAMMA = 1.0  # what FACTORS multiply for DDA, whose published gammas fit the released normalization alone (chapter 02)


def trials(method: str, profile: str) -> list[RunConfig]:
    """The configs that are tried for a method on SimFER."""
    epochs = max(1, find_recipe(profile, "simfer")["epochs"] // 3)
    return [RunConfig(method=method, data="simfer", profile=profile, epochs=epochs, **values) for values in candidates(method)]


def candidates(method: str) -> list[dict[str, Any]]:
    """The three settings that are tried, the default first."""
    own = METHODS[method].hyperparameters
    if method == "dda":
        return [{"gamma": DDA_GAMMA * factor, "normalization": "released"} for factor in FACTORS]
    key = next((name for name in ("lambda_c", "weight") if name in own), "weight_decay")
    default = own.get(key, find_recipe("laptop", "simfer")["weight_decay"])
    factors = LOUDER if method.startswith(("tc3l", "amtc3l")) else FACTORS
    return [{key: float(f"{default * factor:g}")} for factor in factors]


def score(result: RunResult | None) -> float:
    """Mean balanced accuracy on the validation split over the last epochs; -1 where a trial diverged or was not run."""
    if result is None or result.diverged:
        return -1.0
    last = [row["val_balanced_accuracy"] for row in result.epochs[-LAST_EPOCHS:]]
    return sum(last) / len(last)


def choose(profile: str) -> dict[str, dict[str, Any]]:
    """The best of each method's trials where it is clearly better than the default; all trials must be finished.

    Raises:
        FercoreError: trials are missing; it says how to run them.
    """
    chosen = {}
    for method in METHODS:
        results = find_results(trials(method, profile))
        if None in results:
            raise FercoreError(
                f"trials of {method} are missing; run `python -m fercore sweep --experiment tuning --profile {profile}`"
            )
        scores = [score(result) for result in results]
        best = scores.index(max(scores))
        chosen[method] = candidates(method)[best if scores[best] > scores[0] + CLEARLY else 0]
    return chosen


def tuned(method: str, profile: str) -> dict[str, Any]:
    """The settings of a method on SimFER that its trials chose; none where the profile has no trials."""
    return read_choices().get(profile, {}).get(method, {})


def read_choices() -> dict[str, Any]:
    """tuned.json: {profile: {method: settings}}."""
    mend = "restore it with git, or delete it and run `python -m fercore tune`"
    return files.read(TUNED, TUNED.name, mend=mend) if TUNED.exists() else {}


def write_choices(profile: str) -> dict[str, dict[str, Any]]:
    """Keep what `choose` says in tuned.json."""
    chosen = choose(profile)
    with FileLock(TUNED.with_suffix(".lock")):  # two profiles at once: neither may be lost
        files.write(TUNED, read_choices() | {profile: chosen}, TUNED.name)
    return chosen
