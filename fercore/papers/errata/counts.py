"""Numbers in text and tables: counts against arithmetic, percentages against the whole images behind them."""

import math
from collections.abc import Iterable, Sequence

from fercore.data.releases import EXPECTED
from fercore.papers.errata.entry import LIU, RAJOLI, THESIS, Erratum
from fercore.papers.published import published, published_accuracies

RAFDB_TRAIN, RAFDB_TEST = (EXPECTED["rafdb"][0][split] for split in ("train", "test"))  # in canonical order; 3,068 test images
ANGER, DISGUST = 5, 2


def e4() -> Erratum:
    gains = {"softmax loss": (85.56, 1.34), "center loss": (86.25, 0.65), "IPA2LT": (86.77, 0.13)}
    off = max(abs(base + gain - 86.9) for base, gain in gains.values())
    return Erratum(
        "E4",
        f"{THESIS}, 3.3.2, DDA on RAF-DB, and AffectNet's size",
        "86.99 % in the text; AffectNet with 287,651 and 4,000 images in chapter 2, and 280,000 and 3,500 in chapter 3",
        "86.90 %, as in tables 3.3 and 4.1; 3,500 is the validation set without contempt (500 of 4,000 in 8 classes)",
        (86.99 - 86.9) / 86.9,
        off / 86.9,
        "the text's own gains: "
        + "; ".join(f"{base} + {gain} ({name})" for name, (base, gain) in gains.items())
        + ", each 86.90.",
    )


def e13() -> Erratum:
    table = {(line["item"], line["row"], line["column"]): line["value"] for line in published()}
    ours, theirs = (float(table["table 3.3", row, "balanced accuracy"]) for row in ("DDA", "separate loss"))
    separate = ours - theirs
    fsn = " and ".join(table["table 3.3", "FSN", column] for column in ("accuracy", "balanced accuracy"))
    return Erratum(
        "E13",
        f"{THESIS}, chapters 1, 2 and 4 against the tables",
        "DDA 2.43 points of average accuracy above separate loss; FSN with 67.6 % on RAF-DB and 72.46 % on FER2013; IPA2LT "
        "with 55.11 % on AffectNet; anger a majority class in chapter 1 and a minority class in 4.3.3",
        "as the tables have it; minority classes of RAF-DB are named by their counts (fear, anger, disgust)",
        (separate - 2.43) / separate,
        0.0,
        f"tables 3.3 and 3.4: DDA is {separate:.2f} points above separate loss; FSN has {fsn} % on RAF-DB; IPA2LT "
        f"{table['table 3.4', 'IPA2LT', 'accuracy']} % on AffectNet. RAF-DB has {RAFDB_TRAIN[ANGER]} training images of anger "
        f"and {RAFDB_TRAIN[DISGUST]} of disgust.",
    )


# --- the tables of the (N+M) paper ------------------------------------------------------------------------------------------

# Rows of tables 1 and 2 in percent, and the sequences of each class, in whose halves they are.
CK_ROWS = (  # anger, contempt, disgust, fear, happiness, sadness, surprise
    (91.1, 0, 0, 1.1, 0, 7.8, 0),
    (5.6, 90.3, 0, 2.7, 0, 5.6, 0),
    (0, 0, 100, 0, 0, 0, 0),
    (0, 4, 0, 98, 2, 0, 8),
    (0, 0, 0, 0, 100, 0, 0),
    (3.6, 0, 0, 1.8, 0, 94.6, 0),
    (0, 1.2, 0, 0, 0, 0, 98.8),
)
CK_SEQUENCES = (45, 18, 59, 25, 69, 28, 83)  # 327
MMI_ROWS = (  # anger, disgust, fear, happiness, sadness, surprise
    (81.8, 3, 3, 1.5, 10.6, 0),
    (10.9, 71.9, 3.1, 4.7, 9.4, 6),
    (5.4, 8.9, 41.4, 7.1, 7.1, 30.4),
    (1.1, 3.6, 0, 92.9, 2.4, 0),
    (17.2, 7.8, 0, 1.6, 73.4, 0),
    (7.3, 0, 14.6, 0, 0, 79.6),
)
MMI_SEQUENCES = (33, 32, 28, 42, 32, 41)  # 208: with these, each entry of the table is a whole number of half sequences
SFEW_DIAGONAL = (66.24, 4.35, 6.38, 87.67, 57.53, 40.35, 73.26)
SFEW_IMAGES = (77, 23, 47, 73, 73, 57, 86)  # of the validation set: 436, in whose units every row of table 4 is
ROUNDED = 0.35  # what six or seven roundings to 0.1 can move a sum by


def wrong_sums(rows: Iterable[Sequence[float]]) -> list[float]:
    """The sums of the rows that are not 100 %."""
    return [round(sum(row), 1) for row in rows if abs(sum(row) - 100) > ROUNDED]


def implied(rows: Sequence[Sequence[float]], sequences: Sequence[int]) -> float:
    """The accuracy in percent that a confusion matrix implies.

    In a row that does not sum to 100 the diagonal is what the other entries leave, where that is a whole number of half
    sequences; else an other entry is the slip, and the diagonal stands.
    """
    right = 0.0
    for k, (row, count) in enumerate(zip(rows, sequences, strict=True)):
        rest = 100 - sum(row) + row[k]
        slipped = abs(sum(row) - 100) > ROUNDED and abs(rest - halves(rest, count) / count * 100) < 0.06
        right += halves(rest if slipped else row[k], count)
    return 100 * right / sum(sequences)


def halves(share: float, count: int) -> float:
    """The number of half sequences of a class, in sequences, that is nearest to a share in percent."""
    return round(2 * share * count / 100) / 2


def e8() -> Erratum:
    return Erratum(
        "E8",
        f"{LIU}, section 5.3, counts and tables",
        "CK+ 921 images; the rows of tables 1 (CK+) and 2 (MMI) as percentages",
        f"{sum(CK_SEQUENCES)} x 3 = {3 * sum(CK_SEQUENCES)}; MMI's 624 = {sum(MMI_SEQUENCES)} x 3 is right, for 208 of the "
        "database's 213 sequences; rows that sum to 100",
        abs(921 - 3 * sum(CK_SEQUENCES)) / (3 * sum(CK_SEQUENCES)),
        abs(624 - 3 * sum(MMI_SEQUENCES)) / 624,
        f"arithmetic: rows of table 1 sum to {listed(wrong_sums(CK_ROWS))} %, of table 2 to {listed(wrong_sums(MMI_ROWS))} %. "
        f"Table 2 is in fractions of {listed(MMI_SEQUENCES)} sequences, {sum(MMI_SEQUENCES)} in all, each counted twice.",
    )


def listed(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def e17() -> Erratum:
    sfew = sum(share * count for share, count in zip(SFEW_DIAGONAL, SFEW_IMAGES, strict=True)) / sum(SFEW_IMAGES)
    found = {"CK+": implied(CK_ROWS, CK_SEQUENCES), "MMI": implied(MMI_ROWS, MMI_SEQUENCES), "SFEW": sfew}
    told, gaps = [], {}
    for (item, data), rows in published_accuracies().items():
        if data in found:
            best = rows["2B(N+M)Softmax"]
            gain, gaps[data] = best - min(rows.values()), best - found[data]
            told.append(
                f"{data} {found[data]:.2f} % against {best:.2f} % in {item}, whose largest own gain is {gain:.2f} points"
            )
    return Erratum(
        "E17",
        f"{LIU}, tables 1, 2 and 4 against tables 3 and 5",
        "97.1 % on CK+, 78.53 % on MMI, 54.19 % on SFEW",
        "the confusion matrices, their slips mended (E8), which imply other accuracies",
        max(abs(gap) / found[data] for data, gap in gaps.items()),
        0.0,
        f"the diagonals over the counts of each class: {'; '.join(told)}.",
    )


def e18() -> Erratum:
    mmi = published_accuracies()["table 3", "MMI"].values()
    sizes = [size for size in range(150, 1001) if all(nearest_share(value, size) for value in mmi)]
    frames = [round(value / 100 * 624) for value in mmi]
    return Erratum(
        "E18",
        f"{LIU}, 5.3 and table 3, MMI",
        "predictions of whole sequences, by the highest average score of three images",
        "accuracies per image: of 624",
        0.0 if 208 in sizes else 1.0,
        0.0 if sizes == [624] else 1.0,
        f"{listed(mmi)} % are {listed(frames)} of 624; no other number of images from 150 to 1,000 gives all four.",
    )


def nearest_share(percentage: float, size: int) -> bool:
    """Whether some whole number of `size` rounds to a percentage of two digits."""
    return round(100 * round(percentage / 100 * size) / size, 2) == percentage


def e16() -> Erratum:
    with_query, without = 12 * (6 + 6), 12 * (1 + 6 + 6)
    return Erratum(
        "E16",
        f"{LIU}, section 3 and 5.2, images of a batch",
        "for a query the other 6 images with its expression are selected, 12 x (6 + 6) = 144 images in all; X queries take X "
        "passes through the network",
        "the query is one of its 6 positives; 12 queries take 144 passes",
        without / with_query - 1,
        0.0,
        f"with 6 others beside the query a batch would have 12 x 13 = {without} images; 144 for 12 queries are "
        f"{with_query // 12} passes for each.",
    )


# --- the tables of the AMTC3L paper -----------------------------------------------------------------------------------------

BASELINE = (0.85, 0.60, 0.57, 0.94, 0.82, 0.74, 0.86)
MS_NSS = (0.85, 0.64, 0.59, 0.95, 0.87, 0.81, 0.84)
NS_NSS = (0.86, 0.66, 0.62, 0.96, 0.82, 0.78, 0.86)
MM_NSS = (0.87, 0.66, 0.64, 0.95, 0.89, 0.80, 0.87)


def overall(recalls: tuple[float, ...]) -> float:
    """Accuracy on RAF-DB's test set, in percent."""
    return 100 * sum(recall * count for recall, count in zip(recalls, RAFDB_TEST, strict=True)) / sum(RAFDB_TEST)


def allowed(recalls: tuple[float, ...], *, cut: bool) -> tuple[float, float] | None:
    """The lowest and highest accuracy in percent, in whole test images, whose recalls are these once rounded, or cut off.

    None where a class has no number of images with such a recall.
    """
    least, most = 0, 0
    for recall, total in zip(recalls, RAFDB_TEST, strict=True):
        digits = round(100 * recall)
        shown = [(100 * n if cut else 100 * n + total / 2) // total for n in range(total + 1)]
        fits = [n for n, percentage in enumerate(shown) if percentage == digits]
        if not fits:
            return None
        least, most = least + fits[0], most + fits[-1]
    return 100 * least / sum(RAFDB_TEST), 100 * most / sum(RAFDB_TEST)


def shares(percentages: Iterable[float], *, cut: bool) -> list[float]:
    """Those of two digits that are a whole number of RAF-DB's test images, once rounded, or cut off."""
    total = sum(RAFDB_TEST)
    found = {10_000 * n // total if cut else round(10_000 * n / total) for n in range(total + 1)}
    return [value for value in percentages if round(100 * value) in found]


def e9() -> Erratum:
    accuracies = published_accuracies()["table II", "RAF-DB"]
    ranges = {name: allowed(row, cut=True) for name, row in {"MS-NSS": MS_NSS, "NS-NSS": NS_NSS, "MM-NSS": MM_NSS}.items()}
    own = {pipeline: [accuracies[f"pipeline {pipeline} {name}"] for name in ranges] for pipeline in "ab"}
    outside = {
        pipeline: sum(max(low - value, value - high, 0.0) for value, (low, high) in zip(values, ranges.values(), strict=True))
        for pipeline, values in own.items()
    }
    rounded, cut = (shares(accuracies.values(), cut=how) for how in (False, True))
    neither = [value for value in accuracies.values() if value not in rounded + cut]
    told = ", ".join(f"{name} {low:.2f} to {high:.2f}" for name, (low, high) in ranges.items())
    return Erratum(
        "E9",
        f"{RAJOLI}, tables I and II",
        "the recalls of table I beside the accuracies of pipeline b (AMTC3L) in table II",
        "recalls of pipeline a (TC3L), cut off after two digits: the one reading in which all rows agree with table II",
        outside["b"] / 100,
        outside["a"] / 100 + (allowed(BASELINE, cut=False) is not None),
        f"on RAF-DB's 3,068 test images the recalls, cut off, allow in whole images {told} %: pipeline a has "
        f"{listed(own['a'])}, all inside; pipeline b {listed(own['b'])}, MS-NSS outside. The baseline's recall of fear, 0.60 "
        f"of 74 images, exists only cut off ({math.ceil(0.60 * 74)}/74). Of table II, {listed(cut)} are shares of 3,068 only "
        f"if cut off, {listed(rounded)} only if rounded, {listed(neither)} in neither way.",
    )


ERRATA = (e4, e8, e9, e13, e16, e17, e18)
