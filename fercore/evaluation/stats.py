"""How sure a number is: mean and spread over seeds, intervals, and what a test set of a given size can tell apart."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import integrate, special, stats

POWER = 0.8  # how often a true difference should be noticed, where sample sizes are computed


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

    @property
    def p(self) -> float:
        """The two-sided p-value of the t-test that the mean is 0, of differences a paired one; NaN below two runs.

        Below 0.05 where the interval leaves 0 out.
        """
        if self.n < 2 or self.std == 0:
            return math.nan if self.n < 2 else float(self.mean == 0)
        return float(2 * stats.t.sf(abs(self.mean) / self.std * math.sqrt(self.n), self.n - 1))

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


def paired_difference(values: Mapping[Hashable, float], baseline: Mapping[Hashable, float]) -> Estimate:
    """The mean of value - baseline over the seeds (or folds) that both have; same seed, same initial weights, same batches."""
    seeds = sorted(values.keys() & baseline.keys())
    return estimate([values[seed] - baseline[seed] for seed in seeds])


def wilson_interval(correct: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a proportion: what the size of a test set alone allows to say."""
    if not 0 <= correct <= total or total < 1:
        raise ValueError(f"correct must lie in 0..total and total be at least 1, got {correct} of {total}")
    interval = stats.binomtest(correct, total).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


# --- two networks on the same test images -------------------------------------------------------------------------------


def disagreement_bounds(first: int, second: int, total: int) -> tuple[int, int]:
    """The fewest and the most of `total` images that exactly one of two networks gets right.

    Args:
        first, second: how many images each gets right.
    """
    if not (0 <= first <= total and 0 <= second <= total):
        raise ValueError(f"right answers must lie in 0..total, got {first} and {second} of {total}")
    return abs(first - second), min(first + second, 2 * total - first - second)


def independent_disagreement(first: float, second: float) -> float:
    """The share of images that exactly one of two networks gets right, were their errors independent of each other.

    Args:
        first, second: accuracies in [0, 1].
    """
    return first * (1 - second) + second * (1 - first)


def independence(first: np.ndarray, second: np.ndarray) -> float:
    """How often exactly one of two networks is right, divided by how often, were their errors independent.

    0: they are right and wrong together; 1: the errors of one say nothing of the other's.

    Args:
        first, second: [N] bool, which images of one test set each gets right; not both all right or all wrong.
    """
    first, second = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    independent = independent_disagreement(first.mean(), second.mean())
    if not independent:
        raise ValueError("two networks without an error, or without a right answer, cannot be compared")
    return float((first != second).mean() / independent)


def mcnemar_p(gain: int, disagreement: int) -> float:
    """The exact two-sided p-value of McNemar's test (1947): how often fair coins would part the networks this far.

    Args:
        gain: how many images more the one gets right.
        disagreement: how many images exactly one of them gets right; as odd or even as the gain.
    """
    if not abs(gain) <= disagreement or (disagreement - gain) % 2:
        raise ValueError(f"a gain of {gain} images cannot come from {disagreement} on which the networks disagree")
    return float(stats.binomtest((disagreement + gain) // 2, disagreement).pvalue) if disagreement else 1.0


def largest_chance_gain(disagreement: int) -> int:
    """The largest gain in images that McNemar's test at 5 % still takes for chance."""
    return int(disagreement - 2 * stats.binom.ppf(0.025, disagreement, 0.5))


def balanced_error(recalls: np.ndarray, counts: np.ndarray) -> float:
    """The standard error of balanced accuracy, from the test images alone: each class has its own few.

    Args:
        recalls: [K], in [0, 1].
        counts: [K], test images of each class.
    """
    recalls = np.asarray(recalls, dtype=float)
    return float(np.sqrt(np.sum(recalls * (1 - recalls) / np.asarray(counts))) / len(recalls))


# --- many methods at once -----------------------------------------------------------------------------------------------


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's (1979) adjusted p-values: with them below 5 %, the chance of even one false finding among all is below 5 %.

    The smallest of n p-values is multiplied by n, the next by n - 1, and so on; none is smaller than the one before.

    Args:
        p: [n] p-values; NaN where there was no test, which stays NaN and is not counted.
    """
    p = np.asarray(p, dtype=float)
    tested = np.flatnonzero(~np.isnan(p))
    ascending = tested[np.argsort(p[tested], kind="stable")]
    adjusted = p.copy()
    adjusted[ascending] = np.minimum(1, np.maximum.accumulate(p[ascending] * np.arange(len(ascending), 0, -1)))
    return adjusted


def average_ranks(values: np.ndarray) -> np.ndarray:
    """[M] mean rank of each method, 1 the best.

    Args:
        values: [B, M], higher is better: a row a block (a seed) in which methods are ranked; NaN (diverged) is the last rank.
    """
    values = np.asarray(values, dtype=float)
    lost = np.where(np.isnan(values), -np.inf, values)
    return stats.rankdata(-lost, axis=1).mean(axis=0)


def critical_difference(methods: int, blocks: int) -> float:
    """How far two average ranks must lie apart to be told apart at 5 %, all pairs being compared at once (Nemenyi 1963;
    Demsar 2006).

    Args:
        methods, blocks: how many there are of each.
    """
    q = stats.studentized_range.ppf(0.95, methods, np.inf) / math.sqrt(2)
    return float(q * math.sqrt(methods * (methods + 1) / (6 * blocks)))


def indistinguishable(ranks: Sequence[float], critical: float) -> list[tuple[int, int]]:
    """The longest runs of methods whose first and last rank lie within `critical`, as (first, last) positions.

    Args:
        ranks: ascending.
        critical: see `critical_difference`.
    """
    groups: list[tuple[int, int]] = []
    for first, rank in enumerate(ranks):
        last = max(i for i, other in enumerate(ranks) if other - rank <= critical)
        if last > first and (not groups or last > groups[-1][1]):
            groups.append((first, last))
    return groups


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> tuple[float, float, float]:
    """Spearman's rank correlation of two orders of the same methods, and the ends of its 95 % interval.

    The interval (Bonett and Wright 2000) is wide enough for other methods of the kind, and for the noise of each method's
    mean. Below four methods it says nothing, -1 to 1; two equal orders have that of orders with one exchange of neighbors.

    Args:
        first, second: [n] numbers of the same n methods.
    """
    n = len(first)
    rho = float(stats.spearmanr(first, second).statistic)
    if n < 4 or math.isnan(rho):
        return rho, -1.0, 1.0
    most = 1 - 12 / (n * (n * n - 1))
    center = math.atanh(min(most, max(-most, rho)))
    half = float(stats.norm.ppf(0.975)) * math.sqrt((1 + rho * rho / 2) / (n - 3))
    return rho, math.tanh(center - half), math.tanh(center + half)


# --- how much would be needed ----------------------------------------------------------------------------------------------


def needed_images(gain: float, disagreement: float, power: float = POWER) -> int:
    """Test images with which McNemar's test at 5 % notices a true gain with probability `power` (Connor 1987).

    Args:
        gain: difference of the accuracies, as a share.
        disagreement: share of the images that exactly one network gets right; at least the gain.
    """
    if not 0 < abs(gain) <= disagreement <= 1:
        raise ValueError(f"expected 0 < gain <= disagreement <= 1, got {gain} and {disagreement}")
    chance, missed = stats.norm.ppf(0.975), stats.norm.ppf(power)
    return math.ceil((chance * math.sqrt(disagreement) + missed * math.sqrt(disagreement - gain**2)) ** 2 / gain**2)


def needed_seeds(gain: float, std: float, power: float = POWER) -> int:
    """Trainings of each of two methods with which a two-sample t-test at 5 % notices a true gain with probability `power`.

    Args:
        gain: difference of the methods' mean accuracies, in any unit; not 0.
        std: standard deviation over seeds, the same for both, in that unit; above 0.
    """
    if not (gain and std > 0):
        raise ValueError(f"expected a gain other than 0 and a spread above 0, got {gain} and {std}")
    effect = abs(gain) / std
    known_spread = 2 * ((stats.norm.ppf(0.975) + stats.norm.ppf(power)) / effect) ** 2  # a spread to be estimated needs more
    n = max(2, math.floor(known_spread))
    while stats.nct.sf(stats.t.ppf(0.975, 2 * n - 2), 2 * n - 2, effect * math.sqrt(n / 2)) < power:
        n += 1
    return n


def narrow_enough(width: float, std: float) -> int:
    """The smallest n whose 95 % t-interval of a mean is narrower than `width`, at this standard deviation of single values."""
    if not (width > 0 and std >= 0):
        raise ValueError(f"expected a width above 0 and a spread of at least 0, got {width} and {std}")
    n = max(2, math.floor((2 * stats.norm.ppf(0.975) * std / width) ** 2))  # a spread that is estimated needs more
    while 2 * stats.t.ppf(0.975, n - 1) * std / math.sqrt(n) >= width:
        n += 1
    return n


def expected_best(choices: int) -> float:
    """The mean of the largest of `choices` independent standard normal numbers: what picking the best adds to noise."""

    def weighted(x: float) -> float:
        """x times the density of the largest; stats.norm says the same, and takes a hundred times as long to be called."""
        density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
        return x * choices * density * special.ndtr(x) ** (choices - 1)

    return float(integrate.quad(weighted, -10, 10, limit=200)[0])
