"""The published gains, judged on the size of their test sets: by hand."""

import pytest

from fercore.evaluation.stats import mcnemar_p
from fercore.papers.gains import CHANCE, CLAIMS, DETECTABLE, UNDECIDED, judge, like, published_gains
from fercore.papers.published import TEST_IMAGES, published_accuracies


def test_one_gain_by_hand():
    found = judge(86.90, 85.56, 3068, independence=0.36)
    assert found["gain"] == 2666 - 2625 == 41
    assert found["p best"] == pytest.approx(2 * 0.5**41)
    independent = 3068 * (2666 * 443 + 402 * 2625) / 3068**2  # right 2666 and 2625, wrong 402 and 443
    assert found["p independent"] == mcnemar_p(41, 41 + 2 * round((independent - 41) / 2))
    assert found["independent"] > found["likely"] > 0
    assert found["verdict"] == UNDECIDED


def test_verdicts_at_the_ends():
    assert judge(95, 80, 3068, independence=0.4)["verdict"] == DETECTABLE
    assert judge(80.1, 80, 3068, independence=0.4)["verdict"] == CHANCE
    assert judge(80, 80, 3068, independence=0.4)["verdict"] == CHANCE
    assert judge(80, 95, 3068, independence=0.4)["verdict"] == DETECTABLE  # a loss is as detectable as a gain
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
