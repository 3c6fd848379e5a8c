"""How sure a number is: mean and spread over seeds, paired differences, intervals."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Estimate:
    """A mean over n runs, the runs' standard deviation (n - 1), and a 95 % t-interval of the mean.

    With one run, spread and interval are NaN: one run says nothing of them.
    """

    mean: float
    std: float
    n: int
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        spec = spec or ".2f"
        if self.n == 0:
            return "not run"
        spread = f" ± {format(self.std, spec)}" if self.n > 1 else ""
        return f"{format(self.mean, spec)}{spread} ({self.n})"


def estimate(values: list[float] | np.ndarray) -> Estimate:
    """Mean, spread and 95 % t-interval of `values` (a list of runs, or of paired differences)."""
    values = np.asarray(values, dtype=float)
    n = len(values)
    if n < 2:
        return Estimate(float(values[0]) if n else math.nan, math.nan, n, math.nan, math.nan)
    mean, std = float(values.mean()), float(values.std(ddof=1))
    half = float(stats.t.ppf(0.975, n - 1)) * std / math.sqrt(n)
    return Estimate(mean, std, n, mean - half, mean + half)


def paired_difference(values: dict[int, float], baseline: dict[int, float]) -> Estimate:
    """The mean of value - baseline over the seeds that both have; same seed, same initial weights, same batches."""
    seeds = sorted(values.keys() & baseline.keys())
    return estimate([values[seed] - baseline[seed] for seed in seeds])


def wilson_interval(correct: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a proportion: what the size of a test set alone allows to say."""
    if not 0 <= correct <= total or total < 1:
        raise ValueError(f"correct must lie in 0..total and total be at least 1, got {correct} of {total}")
    interval = stats.binomtest(correct, total).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)
