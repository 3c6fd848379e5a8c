"""What the statistics say: held against explicit sums, simulations, and other people's libraries."""

import gc
import itertools
import math

import numpy as np
import pytest
import scikit_posthocs
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower

from fercore.evaluation.stats import (
    average_ranks,
    balanced_error,
    critical_difference,
    disagreement_bounds,
    estimate,
    expected_best,
    holm,
    independence,
    independent_disagreement,
    indistinguishable,
    largest_chance_gain,
    mcnemar_p,
    narrow_enough,
    needed_images,
    needed_seeds,
    rank_correlation,
)

# --- two networks on the same test images -------------------------------------------------------------------------------


def tosses_at_least(gain: int, disagreement: int) -> float:
    """Every sequence of tosses written out."""
    sides = itertools.product((-1, 1), repeat=disagreement)
    return sum(abs(sum(one)) >= gain for one in sides) / 2**disagreement


def test_disagreement_bounds_are_what_all_placements_of_errors_give():
    total = 6
    for first, second in itertools.product(range(total + 1), repeat=2):
        one = set(range(first))
        seen = [len(one ^ set(other)) for other in itertools.combinations(range(total), second)]
        assert disagreement_bounds(first, second, total) == (min(seen), max(seen))


def test_independent_disagreement_and_independence_by_simulation():
    rng = np.random.default_rng(0)
    first, second = rng.random(200_000) < 0.9, rng.random(200_000) < 0.8
    assert independent_disagreement(0.9, 0.8) == pytest.approx(0.9 * 0.2 + 0.8 * 0.1)
    assert independence(first, second) == pytest.approx(1, abs=0.02)
    assert independence(first, first) == 0
    assert independence([1, 1, 0, 1], [1, 0, 0, 1]) == pytest.approx((1 / 4) / (3 / 4 * 1 / 2 + 1 / 2 * 1 / 4))


@pytest.mark.parametrize("disagreement", range(11))
def test_mcnemar_equals_every_sequence_of_tosses(disagreement):
    for gain in range(disagreement % 2, disagreement + 1, 2):
        assert mcnemar_p(gain, disagreement) == pytest.approx(tosses_at_least(gain, disagreement))
        assert mcnemar_p(-gain, disagreement) == mcnemar_p(gain, disagreement)


def test_largest_chance_gain_is_the_last_that_is_no_surprise():
    for disagreement in (1, 5, 6, 7, 40, 101, 262):
        last = largest_chance_gain(disagreement)
        assert (last - disagreement) % 2 == 0
        assert mcnemar_p(last, disagreement) >= 0.05
        assert last + 2 > disagreement or mcnemar_p(last + 2, disagreement) < 0.05


def test_balanced_error_by_simulation():
    recalls, counts = np.array([0.85, 0.6, 0.95]), np.array([329, 74, 1185])
    draws = np.random.default_rng(0).binomial(counts, recalls, size=(40_000, 3)) / counts
    assert balanced_error(recalls, counts) == pytest.approx(draws.mean(axis=1).std(), rel=0.02)


def test_needed_images_notice_four_in_five_true_gains():
    gain, disagreement = 0.03, 0.12
    n = needed_images(gain, disagreement)
    rng = np.random.default_rng(0)
    better, worse = (disagreement + gain) / 2, (disagreement - gain) / 2
    noticed = 0
    for _ in range(2000):
        won, lost, _ = rng.multinomial(n, (better, worse, 1 - disagreement))
        noticed += abs(won - lost) / math.sqrt(won + lost) > 1.96
    assert noticed / 2000 == pytest.approx(0.8, abs=0.03)
    assert needed_images(gain, disagreement, power=0.9) > n > needed_images(2 * gain, disagreement)


def test_needed_seeds_notice_four_in_five_true_gains():
    n = needed_seeds(0.5, 0.4)
    rng = np.random.default_rng(0)

    def noticed(n):
        first, second = rng.normal(0.5, 0.4, (4000, n)), rng.normal(0, 0.4, (4000, n))
        return (scipy_stats.ttest_ind(first, second, axis=1).pvalue < 0.05).mean()

    assert noticed(n) > 0.78
    assert noticed(n - 1) < 0.8
    assert needed_seeds(5, 4) == needed_seeds(-0.5, 0.4) == n


@pytest.mark.parametrize(("gain", "std"), [(0.3, 0.4), (1.0, 0.5), (2.0, 0.6), (-0.2, 1.0)])
@pytest.mark.parametrize("power", [0.8, 0.95])
def test_needed_seeds_are_those_of_statsmodels(gain, std, power):
    n = needed_seeds(gain, std, power)
    found = [TTestIndPower().power(abs(gain) / std, count, 0.05) for count in (n, n - 1)]
    assert found[0] >= power * (1 - 1e-6)
    assert n == 2 or found[1] < power


@pytest.mark.parametrize(("width", "std"), [(1.0, 1.0), (0.3, 1.0), (5.0, 1.0), (0.65, 1.1)])
def test_an_interval_is_narrow_enough_at_this_many_and_not_before(width, std):
    n = narrow_enough(width, std)

    def found(n):
        values = np.linspace(-1, 1, n)
        one = estimate(values * std / values.std(ddof=1))
        return one.high - one.low

    assert found(n) < width
    assert n == 2 or found(n - 1) >= width
    assert narrow_enough(width, 0.0) == 2


def test_expected_best_by_known_values_and_simulation():
    assert [expected_best(n) for n in (1, 2, 3)] == pytest.approx(
        [0, 1 / math.sqrt(math.pi), 1.5 / math.sqrt(math.pi)], abs=1e-8
    )
    draws = np.random.default_rng(0).standard_normal((20_000, 60)).max(axis=1)
    assert expected_best(60) == pytest.approx(draws.mean(), abs=0.01)


def test_impossible_questions_are_refused():
    refused = [
        (mcnemar_p, (3, 2), "cannot come from"),
        (mcnemar_p, (3, 6), "cannot come from"),
        (disagreement_bounds, (7, 1, 6), r"lie in 0\.\.total"),
        (needed_images, (0.0, 0.1), "gain <= disagreement"),
        (needed_images, (0.2, 0.1), "gain <= disagreement"),
        (needed_seeds, (0.0, 1.0), "other than 0"),
        (needed_seeds, (1.0, 0.0), "spread above 0"),
        (narrow_enough, (0.0, 1.0), "width above 0"),
        (independence, ([True, True], [True, True]), "cannot be compared"),
    ]
    for function, arguments, message in refused:
        with pytest.raises(ValueError, match=message):
            function(*arguments)


# --- many methods at once ---------------------------------------------------------------------------------------------------


def closed_test(p: np.ndarray) -> np.ndarray:
    """Holm's procedure as what it is: the closed test of Bonferroni's, over all sets of hypotheses with each one in them."""
    n = len(p)
    sets = [s for size in range(1, n + 1) for s in itertools.combinations(range(n), size)]
    return np.array([max(min(1.0, len(s) * min(p[j] for j in s)) for s in sets if i in s) for i in range(n)])


@pytest.mark.parametrize("seed", range(20))
def test_holm_is_the_closed_test_of_bonferronis(seed):
    p = np.random.default_rng(seed).random(7) ** 3
    np.testing.assert_allclose(holm(p), closed_test(p), atol=1e-12)


def test_holm_by_hand_and_without_what_was_not_tested():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.01, math.nan, 0.04]), [0.02, math.nan, 0.04])
    assert len(holm([])) == 0


def test_holm_is_that_of_statsmodels(monkeypatch):
    monkeypatch.setattr(gc, "collect", lambda: 0)  # which multipletests calls each time: half a second in a large process
    for family in np.random.default_rng(1).random((50, 12)) ** 3:
        np.testing.assert_allclose(holm(family), multipletests(family, method="holm")[1], atol=1e-12)


def test_holm_keeps_false_findings_rare():
    """Of 2,000 families of 20 true null hypotheses about 5 % have a finding; uncorrected, 64 %."""
    p = np.random.default_rng(0).random((2000, 20))
    corrected = np.mean([(holm(family) < 0.05).any() for family in p])
    assert 0.03 < corrected < 0.07
    assert (p < 0.05).any(axis=1).mean() > 0.55


def test_p_agrees_with_the_interval():
    values = [1.0, 2.5, 0.5, 1.5, 2.0]
    one = estimate(values)
    assert one.p == pytest.approx(scipy_stats.ttest_rel(values, np.zeros(5)).pvalue)
    assert estimate([-v for v in values]).p == one.p
    shifted = np.array(values) - one.low  # zero lies on the end of the 95 % interval
    assert estimate(shifted).p == pytest.approx(0.05)
    assert math.isnan(estimate([1.0]).p)
    assert math.isnan(estimate([]).p)
    assert estimate([0.0, 0.0]).p == 1
    assert estimate([2.0, 2.0]).p == 0


def test_ranks_by_hand_ties_share_and_the_diverged_come_last():
    values = [[0.9, 0.8, 0.7], [0.5, 0.5, np.nan]]
    assert average_ranks(values).tolist() == [(1 + 1.5) / 2, (2 + 1.5) / 2, 3]


@pytest.mark.parametrize(("methods", "blocks", "q"), [(2, 10, 1.960), (5, 30, 2.728), (10, 14, 3.164)])
def test_critical_difference_is_that_of_demsars_table(methods, blocks, q):
    """Demsar 2006, table 5 (a)."""
    assert critical_difference(methods, blocks) == pytest.approx(
        q * math.sqrt(methods * (methods + 1) / (6 * blocks)), rel=1e-3
    )


def test_the_critical_difference_is_where_nemenyis_test_turns():
    """scikit-posthocs has the test, pair by pair: below 5 % exactly where two average ranks lie farther apart."""
    values = np.random.default_rng(0).normal(np.linspace(0, 2, 6), 1, (12, 6))
    p = scikit_posthocs.posthoc_nemenyi_friedman(values).to_numpy()
    ranks, critical = average_ranks(values), critical_difference(6, 12)
    apart = np.abs(ranks[:, None] - ranks[None]) > critical
    assert 0 < apart.sum() < 30
    assert np.array_equal(apart, p < 0.05)


def test_groups_are_the_longest_runs_within_the_critical_difference():
    assert indistinguishable([1, 2, 3, 6, 7, 20], 2) == [(0, 2), (3, 4)]
    assert indistinguishable([1, 2, 3, 4], 2) == [(0, 2), (1, 3)]
    assert indistinguishable([1, 5], 2) == []
    assert indistinguishable([1, 2, 3], 10) == [(0, 2)]


def test_the_interval_of_a_rank_correlation_covers_the_true_one():
    rng = np.random.default_rng(0)
    true, methods = 0.6, 14
    spearman = 6 / math.pi * math.asin(true / 2)  # of a normal pair with this correlation
    covered = 0
    for _ in range(2000):
        first = rng.standard_normal(methods)
        second = true * first + math.sqrt(1 - true**2) * rng.standard_normal(methods)
        _, low, high = rank_correlation(first, second)
        covered += low <= spearman <= high
    assert 0.925 < covered / 2000 < 0.975


def test_a_rank_correlation_is_scipys_and_never_certain():
    first, second = [3.0, 1.0, 4.0, 1.5, 9.0], [2.0, 7.0, 1.0, 8.0, 3.0]
    rho, low, high = rank_correlation(first, second)
    assert rho == pytest.approx(scipy_stats.spearmanr(first, second).statistic)
    assert -1 < low < rho < high < 1
    assert rank_correlation(second, first) == pytest.approx((rho, low, high))
    rho, low, high = rank_correlation(first, first)
    assert rho == pytest.approx(1)
    assert low < 0 < high < 1, "five methods in one order can be luck"
    assert rank_correlation(range(20), range(20))[1] > 0.8
    assert rank_correlation(first, [-value for value in first]) == pytest.approx((-1, -high, -low))
    assert rank_correlation(first[:3], second[:3])[1:] == (-1, 1)
