"""The published gains, and what their test sets allow to say of them."""

import pandas as pd

from fercore.evaluation.stats import disagreement_bounds, independent_disagreement, largest_chance_gain, mcnemar_p
from fercore.papers.published import FACE, TEST_IMAGES, published_accuracies
from fercore.papers.report import baseline_of

# Beside the gain over its softmax or first row, what a row claims over the next simpler method: (table, row, than).
CLAIMS = (
    ("table 3.3", "DDA", "center loss"),
    ("table 3.4", "DDA", "center loss"),
    ("table 4.1", f"DACL{FACE}", f"center loss{FACE}"),
    ("table 4.1", f"DACL{FACE}", f"DDA{FACE}"),
    ("table 4.2", f"DACL{FACE}", f"center loss{FACE}"),
    ("table 4.2", f"DACL{FACE}", f"DDA{FACE}"),
    ("table 4.2", f"DACL{FACE}", f"g-DACL{FACE}"),
    *(("table II", f"pipeline b {sampler}", f"pipeline a {sampler}") for sampler in ("MS-NSS", "NS-NSS", "MM-NSS")),
    ("table 3", "2B(N+M)Softmax", "1B(N+M)Softmax"),
    ("table 5", "2B(N+M)Softmax", "1B(N+M)Softmax"),
)
DETECTABLE, CHANCE, UNDECIDED = "detectable", "could be chance", "cannot be decided"
SIGNIFICANT = 0.05


def published_gains(faces: float, digits: float) -> pd.DataFrame:
    """Every gain in accuracy that the papers report over a row of their own, judged on the size of its test set.

    Args:
        faces, digits: the disagreement of two networks divided by what independent errors would give
            (`stats.independence`), for sets of faces and for W-MNIST.

    Columns: table, data, row, than, images (of the test set), points, gain (in images), likely and independent (the largest
    gain in points that is still chance, at this independence and with independent errors), p best, p likely, p independent
    (McNemar's test at the fewest disagreements that the gain allows, at this independence, and with independent errors),
    verdict (see `judge`).
    """
    rows = []
    for (table, data), accuracies in published_accuracies().items():
        pairs = [(row, baseline_of(dict.fromkeys(accuracies), row)) for row in accuracies]
        pairs += [(row, than) for item, row, than in CLAIMS if item == table]
        for row, than in pairs:
            if row != than:
                share = digits if data == "W-MNIST" else faces
                gain = judge(accuracies[row], accuracies[than], TEST_IMAGES[data], share)
                rows.append({"table": table, "data": data, "row": row, "than": than} | gain)
    return pd.DataFrame(rows)


def judge(accuracy: float, baseline: float, images: int, independence: float) -> dict[str, float | str]:
    """One gain; the printed accuracies are taken for the nearest whole number of images.

    The verdict hangs on how many images exactly one of the two networks gets right, which no table says. "detectable": even
    networks with independent errors would rarely differ so far by chance. "could be chance": at the given independence,
    networks that are equally good often do. "cannot be decided": rare at that independence, but not with independent errors.

    Args:
        accuracy, baseline: in percent.
        images: of the test set.
        independence: of the two networks' answers, see `stats.independence`.
    """
    ours, theirs = round(accuracy / 100 * images), round(baseline / 100 * images)
    gain = ours - theirs
    least, most = disagreement_bounds(ours, theirs, images)
    independent = images * independent_disagreement(ours / images, theirs / images)
    counts = {
        "best": least,
        "likely": like(gain, min(max(independence * independent, least), most)),
        "independent": like(gain, independent),
    }
    p = {f"p {name}": mcnemar_p(gain, count) for name, count in counts.items()}
    detectable, chance = p["p independent"] < SIGNIFICANT, p["p likely"] >= SIGNIFICANT
    return {
        "images": images,
        "points": accuracy - baseline,
        "gain": gain,
        "likely": 100 * largest_chance_gain(counts["likely"]) / images,
        "independent": 100 * largest_chance_gain(counts["independent"]) / images,
        **p,
        "verdict": DETECTABLE if detectable else CHANCE if chance else UNDECIDED,
    }


def like(gain: int, disagreement: float) -> int:
    """The whole number nearest to `disagreement` that is as odd or even as the gain."""
    return abs(gain) + 2 * round((disagreement - abs(gain)) / 2)
