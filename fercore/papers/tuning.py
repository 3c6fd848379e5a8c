"""Tuning, the same for every method: three values of its one weight, a third of the epochs, one seed, the validation split.

The weight is what scales the method's own loss: `lambda_c`, `weight`, or gamma with the released normalization; for softmax,
which has none, the weight decay. The values are the default, a fifth of it and five times it; of TC3L and AMTC3L, whose
paper's weights are lost and whose default is hardly felt (chapter 07), the default and thirty and a thousand times it.
A trial that beats the default clearly is a hint, no more: one training's luck can do as much. Both settings are then trained at
full length with every seed, and the default gives way where the interval of their difference, on the validation split again,
is above 0. What was chosen is kept in tuned.json, made by `python -m fercore tune` from the finished runs; a profile without
trials uses the defaults.
"""

from typing import Any

from filelock import FileLock

from fercore.config import RunConfig
from fercore.errors import FercoreError
from fercore.evaluation.stats import Estimate, paired_difference
from fercore.methods.table import METHODS
from fercore.papers.tables import FACES_SIZE, runs_of
from fercore.paths import ROOT
from fercore.profiles import find_recipe
from fercore.runs import files
from fercore.runs.find import find_results
from fercore.runs.result import RunResult

TUNED = ROOT / "fercore" / "papers" / "tuned.json"
FACTORS = (1, 0.2, 5)  # the default first
LOUDER = (1, 30, 1000)  # of the methods whose default is hardly felt
MISSING = "{what} are missing; run `python -m fercore sweep --experiment tuning --profile {profile}`"
LAST_EPOCHS = 3  # whose mean counts: a single epoch's validation accuracy jumps by a point or two
CLEARLY = 0.05  # by how much a trial must beat the default: of softmax, weight decays that hardly matter differ by as much
# Of these, at laptop, a trial beats the default clearly.
CONTESTED = ("nplus1-1b", "nplus1-2b", "nplusm-2b", "lossless-triplet")
DDA_GAMMA = 1.0  # what FACTORS multiply for DDA, whose published gammas fit the released normalization alone (chapter 02)


def trials(method: str, profile: str) -> list[RunConfig]:
    """The configs that are tried for a method on SimFER."""
    epochs = max(1, find_recipe(profile, "simfer")["epochs"] // 3)
    size = FACES_SIZE[profile] | {"epochs": epochs}
    return [RunConfig(method=method, data="simfer", profile=profile, **size | values) for values in candidates(method)]


def candidates(method: str) -> list[dict[str, Any]]:
    """The three settings that are tried, the default first."""
    own = METHODS[method].hyperparameters
    if method == "dda":
        return [{"gamma": DDA_GAMMA * factor, "normalization": "released"} for factor in FACTORS]
    key = next((name for name in ("lambda_c", "weight") if name in own), "weight_decay")
    default = own.get(key, find_recipe("laptop", "simfer")["weight_decay"])
    factors = LOUDER if method.startswith(("tc3l", "amtc3l")) else FACTORS
    return [{key: float(f"{default * factor:g}")} for factor in factors]


def contest(method: str, settings: dict[str, Any], profile: str) -> tuple[list[RunConfig], list[RunConfig]]:
    """The full-length configs, one a seed, with these settings and with the default ones."""
    ours, default = (runs_of(profile, method=method, data="simfer", **values) for values in (settings, candidates(method)[0]))
    return ours, default


def gain(method: str, settings: dict[str, Any], profile: str) -> Estimate:
    """By how much `score` rises from the default to these settings at full length, in points, paired by seed.

    Raises:
        FercoreError: runs are missing; it says how to make them.
    """
    pairs = [find_results(configs) for configs in contest(method, settings, profile)]
    if None in (*pairs[0], *pairs[1]):
        raise FercoreError(MISSING.format(what=f"full-length runs of {method}", profile=profile))
    return paired_difference(*({seed: 100 * score(run) for seed, run in enumerate(runs)} for runs in pairs))


def score(result: RunResult | None) -> float:
    """Mean balanced accuracy on the validation split over the last epochs; -1 where a trial diverged or was not run."""
    if result is None or result.diverged:
        return -1.0
    last = [row["val_balanced_accuracy"] for row in result.epochs[-LAST_EPOCHS:]]
    return sum(last) / len(last)


def choose(profile: str) -> dict[str, dict[str, Any]]:
    """Each method's default, or its best trial's settings where these are clearly better and full-length runs confirm it.

    Raises:
        FercoreError: trials or full-length runs are missing; it says how to make them.
    """
    chosen = {}
    for method in METHODS:
        results = find_results(trials(method, profile))
        if None in results:
            raise FercoreError(MISSING.format(what=f"trials of {method}", profile=profile))
        scores = [score(result) for result in results]
        default, best = candidates(method)[0], candidates(method)[scores.index(max(scores))]
        hint = max(scores) > scores[0] + CLEARLY
        chosen[method] = best if hint and gain(method, best, profile).low > 0 else default
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
