"""Runs against runs: percentages by trial, means with intervals, paired differences."""

import math
from collections.abc import Collection, Iterable, Mapping

import numpy as np

from fercore.config import RunConfig
from fercore.data import parse_name
from fercore.evaluation.metrics import recalls, summarize
from fercore.evaluation.stats import Estimate, estimate, paired_difference
from fercore.runs.find import find_results
from fercore.runs.result import RunResult

Trial = int | tuple[int, int]
Known = Mapping[RunConfig, RunResult | None]  # what was looked up for many questions at once
PER_IMAGE = ("mmi",)  # whose published accuracies are shares of its images (ERRATA.md, E18)


def compare(
    configs: list[RunConfig], baseline: list[RunConfig], metric: str = "accuracy", known: Known | None = None
) -> dict[str, object]:
    """One row of a table: ours, its interval, the paired difference from `baseline`, the status."""
    ours, difference, told = measured(configs, baseline, metric, known)
    return in_words(ours, difference, "softmax") | {"status": told}


def measured(
    configs: list[RunConfig], baseline: list[RunConfig], metric: str = "accuracy", known: Known | None = None
) -> tuple[Estimate, Estimate, str]:
    """In %: ours, the paired difference from `baseline` (of no pair where that is the same runs); and the status."""
    runs, others = stored(configs, known), stored(baseline, known)
    converged = [run for run in runs if not run.diverged]
    values = percent(converged, metric)
    base = {} if configs == baseline else percent([run for run in others if not run.diverged], metric)
    told = status(configs, runs) if values or not converged else "no such class here"
    return estimate(list(values.values())), paired_difference(values, base), told


def stored(configs: Iterable[RunConfig], known: Known | None = None) -> list[RunResult]:
    """The runs of `configs` that have a result: finished ones, and diverged ones."""
    return [result for result in (find_results(configs) if known is None else map(known.get, configs)) if result]


def percent(runs: list[RunResult], metric: str) -> dict[Trial, float]:
    """{seed: 100 * metric}, or by (seed, fold) where the set is tested in folds; without runs on data that cannot tell it."""
    values = {trial(run.config): 100 * measure(run, metric) for run in runs}
    return {key: value for key, value in values.items() if not math.isnan(value)}


def trial(config: RunConfig) -> Trial:
    """What two methods' runs must share to be a pair: the seed and, where there are folds, the test fold."""
    return config.seed if config.fold is None else (config.seed, config.fold)


def measure(run: RunResult, metric: str) -> float:
    """A number of the test set after the last epoch, named as published.csv's columns are; of whole sequences, where there are
    any. MMI's accuracy is of images, as the published one is.

    "accuracy", "balanced accuracy", "minority recall" (the mean over the classes with few training images), "recall Fear", or
    "Fear as Anger": the share of the fearful images that were called angry. NaN where the set has no such class.
    """
    last = run.test["last"]
    if metric == "accuracy":
        per_image = parse_name(run.config.data)[0] in PER_IMAGE
        return run.accuracy if per_image else last.get("sequence_accuracy", run.accuracy)
    confusion = np.array(last.get("sequence_confusion", last["confusion"]))
    if metric.replace("_", " ") == "balanced accuracy":
        return summarize(confusion)["balanced_accuracy"] if "sequence_confusion" in last else run.balanced_accuracy
    if metric == "minority recall":
        minority = run.provenance["minority"]
        return float(recalls(confusion)[minority].mean()) if minority else math.nan
    names = run.provenance["class_names"]
    true, _, predicted = metric.removeprefix("recall ").partition(" as ")
    if not {true, predicted or true} <= set(names):
        return math.nan
    row = confusion[names.index(true)]
    return float(row[names.index(predicted or true)] / row.sum()) if row.sum() else math.nan


def in_words(ours: Estimate, difference: Estimate, than: str = "baseline") -> dict[str, object]:
    """What was measured here, as a table shows it: in %, with its interval, and how far it is above another row."""
    return {
        "here": f"{ours:.2f}" if ours.n else "-",
        "95 % interval": interval(ours),
        f"minus {than}": signed(difference) if difference.n else "-",
    }


def interval(value: Estimate) -> str:
    """The interval of a percentage; with few seeds the t-interval can reach beyond what a percentage can be."""
    return f"{max(value.low, 0):.2f} to {min(value.high, 100):.2f}" if value.n > 1 else "-"


def signed(difference: Estimate) -> str:
    """A difference with its sign, and its interval where there is one."""
    bounds = f" [{difference.low:+.2f}, {difference.high:+.2f}]" if difference.n > 1 else ""
    return f"{difference.mean:+.2f}{bounds}"


def status(configs: Collection[RunConfig], runs: list[RunResult]) -> str:
    """How many of the wanted runs finished, how many diverged, and how many are not here."""
    if not runs:
        return "not run"
    diverged = sum(run.diverged for run in runs)
    told = [f"{len(runs) - diverged} finished"] * (diverged < len(runs)) + [f"{diverged} diverged"] * (diverged > 0)
    left = len(configs) - len(runs)
    return ", ".join(told + [f"{left} not run"] * (left > 0))
