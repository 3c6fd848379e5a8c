"""What the papers print wrong: each formula computed as printed and as right, and the number that tells them apart.

`python -m fercore errata --write ERRATA.md` writes the list; a test holds the file to it. Derivatives are checked by finite
differences in float64, counts by arithmetic. Numbers are rounded so that every machine gets the same.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fercore.data.releases import EXPECTED
from fercore.losses import ClassCenters, LearnedReference, center_step, dda_loss, sparse_center_loss

THESIS, LIU, RAJOLI = "Farzaneh's thesis", "(N+M)-tuplet paper", "AMTC3L paper"
RAFDB_TEST = EXPECTED["rafdb"][0]["test"]  # surprise, fear, disgust, happiness, sadness, anger, neutral: 3,068


@dataclass(frozen=True)
class Erratum:
    """One entry.

    Attributes:
        key: "E1" to "E9" for errors in print, "D1" to "D4" where text and released code disagree or the text is silent.
        where: paper, and equation, table or section.
        printed, right: both versions, in Markdown.
        printed_error, right_error: how far each is from what was computed, relative to it.
        shown: what was computed, in a sentence with rounded numbers.
    """

    key: str
    where: str
    printed: str
    right: str
    printed_error: float
    right_error: float
    shown: str


def errata() -> list[Erratum]:
    """All of them, computed now."""
    return [make() for make in (e1, e2, e3, e4, e5, e6, e7, e8, e9, d1, d2, d3, d4)]


def to_markdown() -> str:
    """ERRATA.md."""
    lines = ["# Errata of the papers", "", "Made by `python -m fercore errata --write ERRATA.md`; do not edit.", ""]
    lines += [
        "E: an error in print. D: text and released code disagree, or the text does not say. Derivatives are held against",
        "finite differences in float64, on 8 random embeddings of 3 dimensions and 4 centers; an error is a relative one.",
        "",
    ]
    for entry in errata():
        lines += [f"## {entry.key}: {entry.where}", "", f"- As printed: {entry.printed}", f"- Here: {entry.right}"]
        lines += [f"- Shown by: {entry.shown}", ""]
    return "\n".join(lines)


# --- derivatives ----------------------------------------------------------------------------------------------------------

M, K, D = 8, 4, 3


def batch() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x [M, D], y [M], c [K, D] and the posteriors' part delta - p [M, K] of (3.8), in float64."""
    generator = torch.Generator().manual_seed(0)
    x, c = (torch.randn(n, D, generator=generator, dtype=torch.float64) for n in (M, K))
    y = torch.arange(M) % K
    posterior = (-(x[:, None] - c[None]).square().sum(dim=2)).softmax(dim=1)
    return x, y, c, F.one_hot(y, K).double() - posterior


def finite_differences(function: Callable[[Tensor], Tensor], at: Tensor, step: float = 1e-6) -> Tensor:
    """The gradient of a scalar function at `at`, in its shape."""
    gradient = torch.zeros_like(at)
    for index in range(at.numel()):
        shift = torch.zeros_like(at)
        shift.view(-1)[index] = step
        gradient.view(-1)[index] = (function(at + shift) - function(at - shift)) / (2 * step)
    return gradient


def error(found: Tensor, true: Tensor) -> float:
    return ((found - true).norm() / true.norm()).item()


def whole_percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def compared(printed: float, right: float) -> str:
    return f"the printed formula is off by {whole_percent(printed)}, the right one by {whole_percent(right)}."


def e1() -> Erratum:
    x, y, c, weight = batch()
    true = finite_differences(lambda moved: dda_loss(moved, y, c), x)
    printed = error(weight[range(M), y][:, None] * (x - c[y]) / M, true)
    right = error((weight[:, :, None] * (x[:, None] - c[None])).sum(dim=1) / M, true)
    return Erratum(
        "E1",
        f"{THESIS}, (3.8), gradient of the DDA loss by a feature",
        r"$\frac1m(\delta_{ij}-p_{C_j})(x_i-c_{y_i})$, the own center alone",
        r"$\frac1m\sum_k(\delta_{k,y_i}-p_{ik})(x_i-c_k)$",
        printed,
        right,
        compared(printed, right),
    )


def e2() -> Erratum:
    x, y, c, weight = batch()
    true = finite_differences(lambda moved: dda_loss(x, y, moved), c)
    printed = error((weight[:, :, None] * (c[y] - x)[:, None]).sum(dim=0) / M, true)
    right = error((weight[:, :, None] * (c[None] - x[:, None])).sum(dim=0) / M, true)
    return Erratum(
        "E2",
        f"{THESIS}, (3.10), gradient of the DDA loss by a center",
        r"$\frac1m\sum_i(\delta_{ij}-p_{C_j})(c_{y_i}-x_i)$",
        r"$\frac1m\sum_i(\delta_{k,y_i}-p_{ik})(c_k-x_i)$",
        printed,
        right,
        compared(printed, right),
    )


def e3() -> Erratum:
    x, y, c, _ = batch()
    along = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    gained = finite_differences(lambda t: dda_loss(x + t * along, y, c), torch.zeros(1, dtype=torch.float64))
    each = finite_differences(lambda moved: dda_loss(moved, y, c), x) @ along
    printed, right = error(each.mean(), gained), error(each.sum(), gained)
    return Erratum(
        "E3",
        f"{THESIS}, Algorithm 2, line 3",
        r"$\frac1m\sum_i\partial L/\partial x_i$, of losses that are means over the batch already",
        r"$\sum_i\partial L/\partial x_i$",
        printed,
        right,
        f"all features moved alike: the printed mean is {each.mean().item() / gained.item():.3f} of what the loss gains, 1/m "
        f"at m = {M}; the sum is all of it.",
    )


def e5() -> Erratum:
    x, y, c, _ = batch()
    a = 0.1 + 0.8 * torch.rand(M, D, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    true = finite_differences(lambda moved: sparse_center_loss(x, y, c, moved), a)
    correct = (x - c[y]).square() / (2 * M)
    printed, right = error(a * correct, true), error(correct, true)
    return Erratum(
        "E5",
        f"{THESIS}, (4.13), gradient of the sparse center loss by the attention",
        r"$\frac1{2m}a_i\odot\lVert x_i-c_{y_i}\rVert^2$",
        r"$\frac1{2m}(x_{ij}-c_{y_ij})^2$ for each dimension, without $a$",
        printed,
        right,
        compared(printed, right),
    )


def e6() -> Erratum:
    positives = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    reference, center = LearnedReference(2, distance=1.0).double(), torch.zeros(2, dtype=torch.float64)
    with torch.no_grad():

        def term(sign: int, scale: Tensor) -> Tensor:
            return (1 + sign * reference(scale * positives, center)).clamp(min=0).mean()

        one = torch.ones(1, dtype=torch.float64)
        printed, right = (finite_differences(lambda s, sign=sign: term(sign, s), one).item() for sign in (1, -1))
    true = 2.0  # the term of (3), max(0, D - T + tau/2), with D = scale^2: it grows by 2 at 1
    return Erratum(
        "E6",
        f"{LIU}, (9), sign of the positives' term",
        r"$\max(0, H+\tau/2)$ for positives and negatives alike, with $H=T-D$",
        r"$\max(0,-H+\tau/2)$ for positives, as (10) and (3) have it",
        abs(printed - true) / true,
        abs(right - true) / true,
        f"two positives at distance 1 from their center, moved outward: the printed term changes at the rate "
        f"{printed:+.2f}, so that leaving is rewarded; the right one at {right:+.2f}, as (3) does.",
    )


def e7() -> Erratum:
    generator = torch.Generator().manual_seed(0)
    f, c, step = (torch.randn(D, generator=generator, dtype=torch.float64) for _ in range(3))

    def curvature(sign: str) -> float:
        reference = LearnedReference(D, sign=sign).double()
        with torch.no_grad():
            before, here, after = (reference((f + t * step)[None], c).item() for t in (-1e-3, 0.0, 1e-3))
        return (before - 2 * here + after) / 1e-6 / step.square().sum().item()

    literal, metric = curvature("literal"), curvature("metric")
    return Erratum(
        "E7",
        f"{LIU}, (8), signs of A and B",
        r"$A=+L_A^TL_A$ and $B=+L_B^TL_B$ (the text wants A positive and B negative semi-definite)",
        r"$A=-L_A^TL_A$, $B=+L_B^TL_B$, the only signs that contain $T-\lVert f-c\rVert^2$",
        abs(literal + 2) / 2,
        abs(metric + 2) / 2 if abs(metric + 2) > 1e-6 else 0.0,
        f"the second derivative of H along f, with L = sqrt(2) I: that of T - |f - c|^2 is -2; the printed signs give "
        f"{literal:+.2f}, the others {metric:+.2f}.",
    )


# --- numbers in text and tables ---------------------------------------------------------------------------------------------


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


MMI_ROWS = (  # table 2, in percent
    (81.8, 3, 3, 1.5, 10.6, 0),
    (10.9, 71.9, 3.1, 4.7, 9.4, 6),
    (5.4, 8.9, 41.4, 7.1, 7.1, 30.4),
    (1.1, 3.6, 0, 92.9, 2.4, 0),
    (17.2, 7.8, 0, 1.6, 73.4, 0),
    (7.3, 0, 14.6, 0, 0, 79.6),
)
SFEW_DIAGONAL = (66.24, 4.35, 6.38, 87.67, 57.53, 40.35, 73.26)
SFEW_COUNTS = (77, 23, 47, 73, 73, 57, 86)  # of the validation set; 436 images, and every row of table 4 is in these units


def e8() -> Erratum:
    off = [total for total in map(sum, MMI_ROWS) if abs(total - 100) > 0.35]  # six roundings to 0.1 are at most 0.3
    implied = sum(share * count for share, count in zip(SFEW_DIAGONAL, SFEW_COUNTS, strict=True)) / sum(SFEW_COUNTS)
    return Erratum(
        "E8",
        f"{LIU}, section 5, counts and tables",
        "CK+ 921 images, MMI 624; the rows of table 2 (MMI) as percentages; 54.19 % on SFEW in table 5",
        f"327 x 3 = {327 * 3}, 213 x 3 = {213 * 3}; rows that sum to 100; {implied:.2f} % by table 4",
        abs(921 - 327 * 3) / (327 * 3),
        0.0,
        f"arithmetic: rows of table 2 sum to {', '.join(f'{total:g}' for total in off)} %; the diagonal of table 4 over the "
        f"{sum(SFEW_COUNTS)} validation images gives {implied:.2f} %.",
    )


BASELINE = (0.85, 0.60, 0.57, 0.94, 0.82, 0.74, 0.86)
MM_NSS = (0.87, 0.66, 0.64, 0.95, 0.89, 0.80, 0.87)


def overall(recalls: tuple[float, ...]) -> float:
    """Accuracy on RAF-DB's test set, in percent."""
    return 100 * sum(recall * count for recall, count in zip(recalls, RAFDB_TEST, strict=True)) / sum(RAFDB_TEST)


def e9() -> Erratum:
    highest = overall(MM_NSS) + 0.5
    return Erratum(
        "E9",
        f"{RAJOLI}, tables I and II",
        "the recalls of MM-NSS to two digits beside an accuracy of 88.90 %",
        "recalls cut off after two digits, not rounded",
        (88.90 - highest) / highest,
        0.0,
        f"if rounded, MM-NSS's recalls allow {overall(MM_NSS) - 0.5:.2f} to {highest:.2f} % on RAF-DB's 3,068 test images, "
        f"and if cut off {overall(MM_NSS):.2f} to {overall(MM_NSS) + 1:.2f} %. Softmax alone ({overall(BASELINE):.2f} %, "
        f"printed 85.78 %) would allow both.",
    )


# --- text against released code ---------------------------------------------------------------------------------------------


def d1() -> Erratum:
    x, y, c, _ = (part.repeat(M, 1) if part.ndim == 2 and len(part) == M else part for part in batch())
    y = y.repeat(M)
    ratio = (dda_loss(x, y, c, normalization="released") / dda_loss(x, y, c)).item()
    return Erratum(
        "D1",
        f"{THESIS}, (3.5), against its code: the scale of the DDA loss",
        r"$\frac1{2m}$",
        r"both: `normalization=paper` is the print; `released` divides by $2m^2$, as the code does",
        1 - ratio,
        0.0,
        f"at m = {len(x)} the code's loss is {ratio:.4f} of the printed one: with gamma 5 the mean log-likelihood weighs "
        f"{5 / 2:.1f} in print and {5 / 2 * ratio:.3f} in the code.",
    )


def d2() -> Erratum:
    he, released = (ClassCenters(7, 512, init=init).centers.std().item() for init in ("he", "released"))
    return Erratum(
        "D2",
        f"{THESIS}, 3.2.3, against its code: where the centers start",
        r"“randomly initialized according to the He method”: $\sigma=\sqrt{2/D}$ of a [K, D] tensor",
        r"both: `center_init=he` is that; `released` has $\sigma=\sqrt{2/K}$, the code's transposed tensor",
        released / he - 1,
        0.0,
        f"with K = 7 and D = 512 the centers' spread is {he:.1g} against {released:.1g}.",
    )


def d3() -> Erratum:
    x, c = torch.ones(1, 2, dtype=torch.float64), torch.zeros(2, 2, dtype=torch.float64)
    moved = -0.5 * center_step(x, torch.tensor([0]), c)[0, 0].item()
    return Erratum(
        "D3",
        f"{THESIS}, (4.14): epsilon",
        r"$\epsilon+\sum_i\delta_{y_ij}$, without a value",
        "1, as in the code and in (3.10)",
        abs(0.5 - moved) / moved,
        0.0,
        f"a class with one image in the batch, alpha = 0.5: its center moves {moved:.2f} of the way with 1, and 0.50 with a "
        "small epsilon.",
    )


def d4() -> Erratum:
    at_224, at_90 = 512 * 7 * 7, 512 * 3 * 3
    return Erratum(
        "D4",
        f"{THESIS}, 4.3.1, against its code: the attention network's input",
        f"a feature map of 512 x 7 x 7 = {at_224:,} numbers, and the code takes no other: faces of 224 px",
        "any size; the layers shrink with the map",
        at_224 / at_90 - 1,
        0.0,
        f"the thesis's own RAF-DB crops of 90 px (3.3.2) leave 512 x 3 x 3 = {at_90:,} numbers, which the code refuses.",
    )
