"""What the papers claim, and what stored runs say of it: the table of verdicts.

A claim is a published difference between two rows of a paper's table. Beside it stands the mean difference of the same two rows
here, over equal seeds or folds, with its 95 % t-interval. `verdict` is computed from these alone.
"""

import math
from dataclasses import dataclass

import pandas as pd

from fercore.config import RunConfig
from fercore.evaluation.compare import Known, percent, signed, status, stored, trial
from fercore.evaluation.stats import Estimate, holm, narrow_enough, paired_difference
from fercore.papers.published import FACE, published
from fercore.papers.report import data_of, experiments_of, fits, look_up, stands_in
from fercore.papers.tables import SAMPLERS, Experiment

HOLDS, REVERSED, SMALLER, UNDECIDED = "holds", "reversed", "smaller than published", "undecided"
SINGLE, DIVERGED, NOT_RUN = "single pair", "diverged", "not run"
VERDICTS = (HOLDS, REVERSED, SMALLER, UNDECIDED, SINGLE, DIVERGED, NOT_RUN)


def verdict(here: Estimate, published: float) -> str:
    """What the interval of a difference says of a published one: the first of these that is true.

    - single pair: there is no interval, for want of a second pair.
    - reversed: the interval lies below 0.
    - holds: it lies above 0, whether or not it reaches the published difference. The claim is that one row is above another;
      how far stands beside it.
    - smaller than published: it contains 0 and ends below the published difference.
    - undecided: it contains 0 and the published difference.

    A published difference is above 0, so that nothing else is left: an interval around 0 that does not contain the published
    difference ends below it. An end on 0 or on the published difference counts as containing it.

    Args:
        here: in points.
        published: in points, above 0.
    """
    if here.n > 1 and math.isnan(here.low + here.high):
        raise ValueError("the interval of the difference is no number: a value among its pairs is not")
    if not published > 0:
        raise ValueError(f"a claim names the higher of two rows first, got a published difference of {published}")
    if here.n < 2:
        return SINGLE
    if here.high < 0:
        return REVERSED
    if here.low > 0:
        return HOLDS
    return SMALLER if here.high < published else UNDECIDED


# --- the claims ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """One row of a published table is above another.

    Attributes:
        item: the table, as published.csv names it.
        row, than: two of its rows, the higher one first.
        says: the claim in a few words.
        measure: a column of the table.
    """

    item: str
    row: str
    than: str
    says: str
    measure: str = "accuracy"


BALANCED = "balanced accuracy"


def thesis_claims() -> list[Claim]:
    """Sections 3.3.1, 3.3.2, 4.3.2 and 4.3.3."""
    claims = []
    for item, dda in (("table 3.1", "DDA gamma 7"), ("table 3.3", "DDA"), ("table 3.4", "DDA")):
        for measure in measures_of(item):
            claims += [Claim(item, dda, than, f"DDA is above {than}", measure) for than in ("center loss", "softmax")]
            claims.append(Claim(item, "center loss", "softmax", "center loss is above softmax", measure))
    for item in ("table 4.1", "table 4.2"):
        for measure in measures_of(item):
            claims += [
                Claim(item, f"DACL{FACE}", f"{than}{FACE}", f"DACL is above {than}", measure)
                for than in ("center loss", "softmax", "DDA", "g-DACL")
            ]
            lower = ("center loss", "softmax") if measure == "accuracy" else ("softmax",)  # balanced, center loss is above
            claims += [Claim(item, f"g-DACL{FACE}", f"{than}{FACE}", f"g-DACL is above {than}", measure) for than in lower]
    return claims


def measures_of(item: str) -> tuple[str, ...]:
    """The thesis gives balanced accuracy for RAF-DB alone, whose test set is not balanced."""
    return ("accuracy", BALANCED) if item in ("table 3.3", "table 4.1") else ("accuracy",)


def amtc3l_claims() -> list[Claim]:
    """Section IV-B."""
    claims = []
    for name in (f"{sampler.upper()}-NSS" for sampler in SAMPLERS):
        a, b, baseline = f"pipeline a {name}", f"pipeline b {name}", "baseline"
        claims += [
            Claim("table I", name, baseline, f"AMTC3L with {name} is above cross entropy", BALANCED),
            Claim("table II", a, baseline, f"TC3L with {name} is above cross entropy"),
            Claim("table II", b, baseline, f"AMTC3L with {name} is above cross entropy"),
            Claim("table II", b, a, f"with {name}, AMTC3L is above TC3L"),
        ]
        if name != "MM-NSS":
            claims += [Claim("table II", f"{p[:10]} MM-NSS", p, f"in {p[:10]}, MM-NSS is above {name}") for p in (a, b)]
    return claims


def tuplet_claims() -> list[Claim]:
    """Section 5.3."""
    claims = []
    for item in ("table 3", "table 5"):
        for loss in ("(N+M)", "(N+1)"):
            says = f"with {loss}, two branches are above one"
            claims.append(Claim(item, f"2B{loss}Softmax", f"1B{loss}Softmax", says))
        for branches, many in (("2B", "two branches"), ("1B", "one branch")):
            says = f"with {many}, (N+M) is above (N+1)"
            claims.append(Claim(item, f"{branches}(N+M)Softmax", f"{branches}(N+1)Softmax", says))
    return claims


CLAIMS = (*thesis_claims(), *amtc3l_claims(), *tuplet_claims())
MAIN = {  # what each paper is about: (table, higher row, lower row)
    ("table 3.1", "DDA gamma 7", "softmax"),
    ("table 3.1", "DDA gamma 7", "center loss"),
    ("table 3.3", "DDA", "center loss"),
    ("table 3.4", "DDA", "center loss"),
    ("table 4.1", f"DACL{FACE}", f"center loss{FACE}"),
    ("table 4.2", f"DACL{FACE}", f"center loss{FACE}"),
    ("table II", "pipeline b MM-NSS", "baseline"),
    ("table II", "pipeline b MM-NSS", "pipeline a MM-NSS"),
    ("table II", "pipeline b MM-NSS", "pipeline b MS-NSS"),
    ("table 3", "2B(N+M)Softmax", "1B(N+M)Softmax"),
    ("table 3", "2B(N+M)Softmax", "2B(N+1)Softmax"),
}


# --- what runs say ------------------------------------------------------------------------------------------------------


def claims_table(profile: str = "laptop") -> pd.DataFrame:
    """Every claim beside what stored runs of `profile` say of it; nothing is trained.

    A claim that can be read in two ways, or that ran on two data sets, has a line for each.

    Columns: paper, table, claim (with its reading), says (without), measure, data (the paper's), published (points), here
    on, stand-in (whether that is in place of the paper's data), set (lines with one number are the same runs and measure
    under other names: they count once), runs (of the higher row), pairs, lost (that a divergence left out), here (points, with
    the 95 % interval; the same as numbers: difference, low, high), p (of a paired t-test, by Holm's correction over the
    sets of a paper), verdict (`verdict`, or why there is no pair), needed (of the undecided: the pairs at which an interval
    of this spread is too narrow for both), main (whether the paper is about it).
    """
    lines = [line for line in published() if line["of"] == "own"]
    experiments = experiments_of(profile, lines)
    known = look_up(experiments)
    rows = [row for claim in CLAIMS for row in rows_of(claim, lines, experiments[claim.item], known)]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(row["set"] for row in rows if row["set"]), 1)}
    table = pd.DataFrame(rows).assign(set=[numbers.get(row["set"], 0) for row in rows])
    once = table[table["set"] > 0].drop_duplicates("set")
    adjusted = once.groupby("paper")["p"].transform(lambda p: holm(p.to_numpy()))
    return table.assign(p=table["set"].map(dict(zip(once["set"], adjusted, strict=True))))


def rows_of(claim: Claim, lines: list[dict[str, str]], experiments: list[Experiment], known: Known) -> list[dict[str, object]]:
    """The table's lines for one claim: for each data set of the paper what ran there or stands in, in every reading."""
    numbers = {
        (line["data"], line["row"]): float(line["value"])
        for line in lines
        if (line["item"], line["column"]) == (claim.item, claim.measure)
    }
    paper = next(line["paper"] for line in lines if line["item"] == claim.item)
    rows = []
    for data in (data for data, row in numbers if row == claim.row):
        difference = round(numbers[data, claim.row] - numbers[data, claim.than], 2)
        told = {"paper": paper, "table": claim.item, "claim": claim.says, "says": claim.says}
        told |= {"measure": claim.measure, "data": data}
        told |= {"published": difference, "main": (claim.item, claim.row, claim.than) in MAIN}
        found = [
            told
            | {"claim": ", ".join([claim.says, *sorted(readings(label) | readings(than))])}
            | {"here on": data_of(rows[label][0]), "stand-in": stands_in(rows[label][0], data)}
            | judged(rows[label], rows[than], claim.measure, difference, known)
            for rows in experiments
            for label, than in pairs_of(rows, claim)
            if fits(rows[label][0], data)
        ]
        rows += found or [told | {"here on": "-", "stand-in": False} | judged([], [], claim.measure, difference, known)]
    return rows


def readings(label: str) -> set[str]:
    return set(label.split(", ")[1:])


def pairs_of(rows: Experiment, claim: Claim) -> list[tuple[str, str]]:
    """The labels of a claim's two rows that belong together: one's readings are among the other's, and no pair is nearer.

    "DDA, printed" goes with "softmax", and with "softmax, printed" where there is one.
    """
    higher, lower = ([label for label in rows if label.split(",")[0] == row] for row in (claim.row, claim.than))
    pairs = []
    for label in higher:
        own = readings(label)
        apart = {than: len(own ^ readings(than)) for than in lower if own <= readings(than) or own >= readings(than)}
        pairs += [(label, than) for than in apart if apart[than] == min(apart.values())]
    return pairs


def judged(
    configs: list[RunConfig], others: list[RunConfig], measure: str, published: float, known: Known
) -> dict[str, object]:
    """The part of a line that is measured here."""
    runs, base_runs = stored(configs, known), stored(others, known)
    values, base = (percent([run for run in some if not run.diverged], measure) for some in (runs, base_runs))
    here = paired_difference(values, base)
    tried, base_tried = ({trial(run.config) for run in some} for some in (runs, base_runs))
    missing = DIVERGED if runs and all(run.diverged for run in runs) else NOT_RUN
    outcome = verdict(here, published) if here.n else missing
    needed = narrow_enough(published, here.std) if outcome == UNDECIDED else 0
    return {
        "set": (frozenset(configs), frozenset(others), measure) if runs else None,
        "runs": status(configs, runs),
        "pairs": here.n,
        "lost": len(tried & base_tried) - here.n,
        "here": signed(here) if here.n else "-",
        "difference": here.mean,
        "low": here.low,
        "high": here.high,
        "p": here.p,
        "verdict": outcome,
        "needed": needed,
    }


def tally(table: pd.DataFrame) -> pd.DataFrame:
    """How many sets of runs have which verdict, a line a paper; a set counts once, by the first claim that it stands beside.

    Columns: paper, and each of VERDICTS but "not run".
    """
    once = table[table["set"] > 0].drop_duplicates("set")
    counts = pd.crosstab(once["paper"], once["verdict"])
    return counts.reindex(index=table["paper"].unique(), columns=VERDICTS[:-1], fill_value=0).reset_index()
