"""Verdicts: the rule on made-up intervals of every kind, and the table on made-up runs."""

import math

import numpy as np
import pandas as pd
import pytest

from fercore.evaluation.compare import stored
from fercore.evaluation.stats import Estimate, estimate, narrow_enough, paired_difference
from fercore.papers import claims, markdown
from fercore.papers.claims import (
    CLAIMS,
    DIVERGED,
    HOLDS,
    MAIN,
    NOT_RUN,
    REVERSED,
    SINGLE,
    SMALLER,
    UNDECIDED,
    Claim,
    claims_table,
    pairs_of,
    tally,
    verdict,
)
from fercore.papers.experiments import table_3_3, table_4_1, tuplet_accuracies
from fercore.papers.markdown import to_document, to_verdicts
from fercore.papers.published import published
from fercore.papers.tables import on_published_schedule, on_whole_network
from tests.papers.test_report import FACES, pretend

pytestmark = pytest.mark.usefixtures("no_data")


def between(low: float, high: float) -> Estimate:
    return Estimate((low + high) / 2, 1.0, 5, low, high)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [  # beside a published difference of 1
        (0.5, 1.5, HOLDS),
        (0.1, 0.9, HOLDS),  # above 0 though it does not reach the published difference
        (1.2, 3.0, HOLDS),  # beyond it
        (-0.9, -0.1, REVERSED),
        (-3.0, -1.0, REVERSED),
        (-0.5, 0.9, SMALLER),
        (-5.0, 0.1, SMALLER),
        (-0.5, 1.5, UNDECIDED),
        (-9.0, 9.0, UNDECIDED),
        (0.0, 0.5, SMALLER),  # an end on a value contains it
        (0.0, 2.0, UNDECIDED),
        (-1.0, 0.0, SMALLER),
        (-1.0, 1.0, UNDECIDED),
        (0.0, 0.0, SMALLER),
    ],
)
def test_the_rule_on_intervals_of_every_kind(low, high, expected):
    assert verdict(between(low, high), 1.0) == expected


def test_the_rule_leaves_nothing_out():
    """Every order of both ends, 0 and the published difference has its verdict, by the words of EVIDENCE alone."""
    for low, high in [(a / 2, b / 2) for a in range(-6, 7) for b in range(a, 7)]:
        contains = [low <= value <= high for value in (0, 1)]
        words = {
            HOLDS: low > 0,
            REVERSED: high < 0,
            SMALLER: contains[0] and not contains[1],
            UNDECIDED: all(contains),
        }
        assert [name for name, true in words.items() if true] == [verdict(between(low, high), 1.0)]


def test_one_pair_decides_nothing():
    assert verdict(estimate([5.0]), 1.0) == SINGLE


def test_a_value_that_is_no_number_is_no_verdict():
    with pytest.raises(ValueError, match="no number"):
        verdict(estimate([1.0, math.nan, 2.0]), 1.0)


@pytest.mark.usefixtures("shipped_results")
def test_no_difference_crosses_precisions(monkeypatch):
    compared, judge = [], claims.judged
    monkeypatch.setattr(claims, "judged", lambda *of: compared.append(stored([*of[0], *of[1]], of[-1])) or judge(*of))
    claims_table("laptop")
    assert sum(map(bool, compared)) > 100
    for results in compared:
        runs = [run for run in results if not run.diverged]
        assert len({run.provenance.get("precision", "fp32") for run in runs}) <= 1, runs[0].config.id


@pytest.mark.usefixtures("shipped_results")
def test_what_holm_keeps_is_what_the_readme_says():
    kept = claims_table("laptop").query("p < 0.05").drop_duplicates("set")
    holds, turned = (kept[kept["verdict"] == told]["claim"] for told in (HOLDS, REVERSED))
    assert len(holds) == 3
    assert all(holds.str.startswith("DACL is above DDA") & holds.str.contains("printed"))
    assert len(turned) == 8
    assert all(turned.str.startswith("DDA") & turned.str.contains("printed"))


@pytest.mark.parametrize("difference", [0.0, -1.0, math.nan])
def test_a_claim_names_the_higher_row_first(difference):
    with pytest.raises(ValueError, match="names the higher of two rows first"):
        verdict(between(0, 1), difference)


def test_claims_are_differences_of_the_papers_own_rows():
    numbers = {
        (line["item"], line["column"], line["data"], line["row"]): float(line["value"])
        for line in published()
        if line["of"] == "own" and " as " not in line["column"] and line["item"] != "table 3.2"
    }
    for claim in CLAIMS:
        both = [
            (value, numbers[item, measure, data, claim.than])
            for (item, measure, data, row), value in numbers.items()
            if (item, measure, row) == (claim.item, claim.measure, claim.row)
        ]
        assert both
        assert all(higher > lower for higher, lower in both), claim
    assert len(set(CLAIMS)) == len(CLAIMS)
    assert {(claim.item, claim.row, claim.than) for claim in CLAIMS} >= MAIN
    dda = next(claim for claim in CLAIMS if (claim.item, claim.row, claim.than) == ("table 3.3", "DDA", "softmax"))
    assert numbers["table 3.3", "accuracy", "RAF-DB", dda.row] - 85.56 == pytest.approx(1.34)  # as section 3.3.2 says


def test_readings_are_paired_with_the_nearest():
    rows = dict.fromkeys(("softmax", "softmax, normalized", "DDA, printed", "DDA, printed, normalized", "DDA, released"))
    claim = Claim("table", "DDA", "softmax", "")
    assert pairs_of(rows, claim) == [
        ("DDA, printed", "softmax"),
        ("DDA, printed, normalized", "softmax, normalized"),
        ("DDA, released", "softmax"),
    ]
    turned = Claim("table", "softmax", "DDA", "")
    assert ("softmax", "DDA, printed") in pairs_of(rows, turned)
    assert ("softmax", "DDA, released") in pairs_of(rows, turned)


# --- on made-up runs ----------------------------------------------------------------------------------------------------


def line_of(table: pd.DataFrame, item: str, claim: str, **more: str) -> pd.Series:
    found = table[(table["table"] == item) & (table["claim"] == claim)]
    for name, value in more.items():
        found = found[found[name] == value]
    assert len(found) == 1
    return found.iloc[0]


@pytest.fixture
def faces():
    """Softmax at 60 and 61 %; center loss 2 points above; DDA as printed diverged, as released by 1 and by 5 points above."""
    rows = table_3_3("quick")
    for label, accuracies in {
        "softmax": (0.60, 0.61),
        "center loss": (0.62, 0.63),
        "DDA, printed": (None, None),
        "DDA, released": (0.61, 0.66),
    }.items():
        for config, accuracy in zip(rows[label], accuracies, strict=True):
            pretend(config, accuracy, FACES)
    return claims_table("quick")


def test_a_line_says_what_ran_and_what_it_means(faces):
    center = line_of(faces, "table 3.3", "center loss is above softmax", measure="accuracy")
    assert (center["published"], center["pairs"], center["here"]) == (0.69, 2, "+2.00 [+2.00, +2.00]")
    assert (center["verdict"], center["needed"]) == (HOLDS, 0)
    assert center[["difference", "low", "high"]].tolist() == pytest.approx([2, 2, 2])
    assert (center["data"], center["here on"], center["stand-in"]) == ("RAF-DB", "SimFER quick", True)
    released = line_of(faces, "table 3.3", "DDA is above softmax, released", measure="accuracy")
    assert released["verdict"] == UNDECIDED
    assert released["needed"] == narrow_enough(1.34, np.std([1, 5], ddof=1)) > released["pairs"]
    printed = line_of(faces, "table 3.3", "DDA is above softmax, printed", measure="accuracy")
    assert (printed["verdict"], printed["runs"], printed["pairs"], printed["lost"]) == (DIVERGED, "2 diverged", 0, 2)
    assert line_of(faces, "table 3.4", "DDA is above softmax")["verdict"] == NOT_RUN


def test_a_pair_that_a_divergence_took_is_counted():
    """In either row; a seed that only one row has is no lost pair."""
    rows = table_3_3("quick")
    for label, accuracies in {"softmax": (0.60, 0.61), "center loss": (0.62, None), "DDA, released": (0.61,)}.items():
        for config, accuracy in zip(rows[label], accuracies, strict=False):
            pretend(config, accuracy, FACES)
    table = claims_table("quick")
    for claim, lost in (("center loss is above softmax", 1), ("DDA is above softmax, released", 0)):
        line = line_of(table, "table 3.3", claim, measure="accuracy")
        assert (line["pairs"], line["lost"], line["verdict"]) == (1, lost, SINGLE)
    assert "| +2.00 (1 pair; 1 lost by divergence) |" in to_document("quick")


def test_two_readings_of_the_lower_row_are_two_lines():
    table = claims_table("quick")
    found = table[(table["table"] == "table 4.1") & (table["measure"] == "accuracy") & table["claim"].str.contains("above DDA")]
    assert list(found["claim"]) == ["DACL is above DDA, from scratch, printed", "DACL is above DDA, from scratch, released"]


def test_a_set_of_runs_counts_once_whatever_its_name():
    for configs in tuplet_accuracies("laptop").values():
        for config in configs:
            pretend(config, 0.8 + 0.01 * config.fold, FACES)
    table = claims_table("laptop")
    ours = table[table["paper"] == "(N+M)-tuplet"]
    assert len(ours) == 4 * 3  # CK+, MMI, SFEW
    assert list(ours["set"].unique()) == [1, 2, 3, 4]
    counts = tally(table).set_index("paper").loc["(N+M)-tuplet"]
    assert counts.sum() == 4
    assert "rest on 4 sets of runs" in to_verdicts("laptop")


def test_a_line_says_what_holms_correction_lets_go_of_and_how_many_pairs_were_lost():
    part = pd.DataFrame(
        {
            "claim": ["a, one", "a, two", "a, three"],
            "says": "a",
            "verdict": [HOLDS, HOLDS, UNDECIDED],
            "p": [0.2, 0.01, 0.9],
            "pairs": [8, 5, 0],
            "lost": [2, 0, 5],
        }
    )
    assert markdown.by_reading(part) == "holds, not by Holm (one); holds (two); undecided (three)"
    assert markdown.by_reading(part[:1]) == "holds, not by Holm"
    assert markdown.pairs_of(part) == "5 to 8, 7 lost"
    assert markdown.pairs_of(part[1:2]) == "5"


def test_digits_as_published_stand_in_a_line_of_their_own():
    rows = on_published_schedule("paper")
    ends = {
        "softmax": 0.78,
        "softmax, normalized": 0.78,
        "DDA gamma 7, printed": None,
        "DDA gamma 7, printed, normalized": 0.95,
    }
    for row, accuracy in ends.items():
        for config in rows[f"{row}, published schedule"]:
            pretend(config, accuracy and accuracy + 0.001 * config.seed**2 * (config.method == "dda"))
    assert set(on_whole_network()) == {f"{row}, published schedule, whole width" for row in ends}
    table = claims_table("laptop")
    found = table[table["here on"] == "W-MNIST, published schedule"].set_index("claim")["verdict"]
    assert found.to_dict() == {
        "DDA is above softmax, printed, published schedule, whole width": DIVERGED,
        "DDA is above softmax, normalized, printed, published schedule, whole width": HOLDS,
    }
    line = next(line for line in to_verdicts("laptop").splitlines() if "| W-MNIST, published schedule |" in line)
    assert "+17.60 [" in line  # the one reading that has a mean, with its interval
    assert "holds (normalized, printed" in line


def test_p_is_holms_over_the_sets_of_a_paper(monkeypatch):
    rng = np.random.default_rng(0)
    for configs in {**table_3_3("laptop"), **table_4_1("laptop")}.values():
        for config in configs:
            pretend(config, float(rng.uniform(0.5, 0.6)), FACES)
    raw = []
    monkeypatch.setattr(claims, "paired_difference", lambda *sides: raw.append(paired_difference(*sides)) or raw[-1])
    table = claims_table("laptop")
    tested = table[(table["paper"] == "thesis") & (table["set"] > 0)].drop_duplicates("set")
    smallest = min(difference.p for difference in raw if difference.n > 1)
    assert tested["p"].min() == pytest.approx(min(1, smallest * len(tested)))
    same = table[table["set"] > 0].groupby("set")["p"].nunique()
    assert set(same) == {1}


@pytest.mark.usefixtures("faces")
def test_verdicts_are_written_out():
    text, document = to_verdicts("quick"), to_document("quick")
    assert "| thesis, table 3.3 | DDA is above center loss | +0.65 on RAF-DB |" in text
    assert "| 2, 2 lost | SimFER quick (stand-in) | diverged (printed); undecided (released) |" in text
    assert "center loss is above softmax" not in text  # not what the paper is about
    assert "balanced accuracy" not in text
    assert "| DDA is above center loss, released (balanced accuracy) |" in document
    assert "center loss is above softmax" in document
    assert "pairs would decide)" in document


def test_a_single_pair_is_called_so_and_no_holds_is_sure():
    rows = table_3_3("quick")
    for label, accuracies in {"softmax": (0.60, 0.61), "center loss": (0.62,), "DDA, released": (0.65, 0.665)}.items():
        for config, accuracy in zip(rows[label], accuracies, strict=False):
            pretend(config, accuracy, FACES)
    document, text = to_document("quick"), to_verdicts("quick")
    assert "| +2.00 (1 pair) | SimFER quick (stand-in) | - | single pair |" in document
    assert "| +3.00 | 1 | SimFER quick (stand-in) | single pair" in text
    assert "0 of 2 holds and 0 of 0 reversed remain below 5 %" in text
