"""What a test set can tell apart: the statistics against explicit sums and simulations, the published gains by hand."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from fercore.evaluation.stats import (
    balanced_error,
    disagreement_bounds,
    expected_best,
    independence,
    independent_disagreement,
    largest_chance_gain,
    mcnemar_p,
    needed_images,
    needed_seeds,
)
from fercore.papers.claims import CHANCE, CLAIMS, TOLD, UNDECIDED, judge, like, published_gains
from fercore.papers.published import TEST_IMAGES, published_accuracies


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
        (independence, ([True, True], [True, True]), "cannot be compared"),
    ]
    for function, arguments, message in refused:
        with pytest.raises(ValueError, match=message):
            function(*arguments)


# --- the published gains ------------------------------------------------------------------------------------------------


def test_one_gain_by_hand():
    found = judge(86.90, 85.56, 3068, independence=0.36)
    assert found["gain"] == 2666 - 2625 == 41
    assert found["p best"] == pytest.approx(2 * 0.5**41)
    independent = 3068 * (2666 * 443 + 402 * 2625) / 3068**2  # right 2666 and 2625, wrong 402 and 443
    assert found["p independent"] == mcnemar_p(41, 41 + 2 * round((independent - 41) / 2))
    assert found["independent"] > found["likely"] > 0
    assert found["verdict"] == UNDECIDED


def test_verdicts_at_the_ends():
    assert judge(95, 80, 3068, independence=0.4)["verdict"] == TOLD
    assert judge(80.1, 80, 3068, independence=0.4)["verdict"] == CHANCE
    assert judge(80, 80, 3068, independence=0.4)["verdict"] == CHANCE
    assert judge(80, 95, 3068, independence=0.4)["verdict"] == TOLD  # a loss is told as a gain is
    assert [like(3, 10.1), like(3, 9.9), like(-4, 9.2)] == [11, 9, 10]


def test_verdict_hangs_on_the_independence_alone():
    by_independence = [judge(86.90, 85.56, 3068, independence=value)["p likely"] for value in (0.1, 0.3, 0.5, 0.7, 1.0)]
    assert by_independence == sorted(by_independence)
    assert judge(86.90, 85.56, 3068, independence=1.0)["verdict"] == CHANCE


def test_every_own_row_is_judged_once_and_every_claim():
    gains = published_gains(faces=0.36, digits=0.6)
    keys = list(zip(gains["table"], gains["data"], gains["row"], gains["than"], strict=True))
    assert len(set(keys)) == len(keys)
    rows = sum(len(part) for part in published_accuracies().values())
    against_baseline = rows - len(published_accuracies())
    claims = len(CLAIMS) + 1  # table 3 has two data sets
    assert len(keys) == against_baseline + claims == 45
    assert {(table, row, than) for table, _, row, than in keys} >= set(CLAIMS)
    assert gains.set_index(["table", "row", "than"]).loc[
        ("table II", "pipeline b MM-NSS", "baseline"), "points"
    ] == pytest.approx(3.12)


def test_digits_have_an_independence_of_their_own():
    one, other = published_gains(0.36, 0.6), published_gains(0.36, 0.2)
    changed = one["likely"] != other["likely"]
    assert set(one.loc[changed, "data"]) == {"W-MNIST"}


def test_test_sets_are_named_as_in_the_tables():
    assert {data for _, data in published_accuracies()} == set(TEST_IMAGES)
