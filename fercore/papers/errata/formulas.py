"""Formulas: derivatives against finite differences, and terms that cannot be what the text says they are."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fercore.losses import LearnedReference, center_loss, dda_loss, n_plus_m_tuplet_loss, sparse_center_loss
from fercore.papers.errata.entry import LIU, RAJOLI, THESIS, Erratum, compared, error, whole_percent

M, K, D = 8, 4, 3
LAMBDA = 0.01  # of the thesis


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
    released = finite_differences(lambda moved: dda_loss(moved, y, c, normalization="released"), x).matmul(along).sum()
    printed, right = error(each.mean(), gained), error(each.sum(), gained)
    return Erratum(
        "E3",
        f"{THESIS}, Algorithm 2, line 3, and Algorithm 3, lines 10 to 12",
        r"$\frac1m\sum_i\partial L/\partial x_i$, of losses that are means over the batch already",
        r"$\sum_i\partial L/\partial x_i$",
        printed,
        right,
        f"all features moved alike: the printed mean is {each.mean().item() / gained.item():.3f} of what the loss gains, 1/m "
        f"at m = {M}; the sum is all of it. Of DDA's loss alone the printed line is the gradient of what the released code "
        f"computes (D1), off by {whole_percent(error(each.mean(), released))}.",
    )


def e5() -> Erratum:
    x, y, c, _ = batch()
    a = attention()
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


def attention() -> Tensor:
    """a [M, D] in (0.1, 0.9)."""
    return 0.1 + 0.8 * torch.rand(M, D, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def e10() -> Erratum:
    x, y, c, _ = batch()
    a = attention()
    true = finite_differences(lambda moved: LAMBDA * sparse_center_loss(x, y, c, moved), a)
    alone = (x - c[y]).square() / (2 * M)
    printed, right = error(alone, true), error(LAMBDA * alone, true)
    return Erratum(
        "E10",
        f"{THESIS}, Algorithm 3, lines 10 and 11",
        r"$\frac{\partial a_i}{\partial\theta_A}\frac{\partial L_{SC}}{\partial a_i}$, without $\lambda$; in line 10 the "
        r"$\lambda$-term lacks $\partial x_i/\partial\theta_P$",
        r"$\lambda\frac{\partial a_i}{\partial\theta_A}\frac{\partial L_{SC}}{\partial a_i}$, as (4.11) has it; both terms of "
        "line 10 in one bracket",
        printed,
        right,
        f"at lambda = {LAMBDA} the attention network would learn {(alone.norm() / true.norm()).item():.0f} times as fast as "
        f"(4.11) says (apart from E3's second 1/m); with lambda the gradient is off by {whole_percent(right)}.",
    )


def e11() -> Erratum:
    x, y, c, _ = batch()
    ratio = {a: (sparse_center_loss(x, y, c, torch.full_like(x, a)) / center_loss(x, y, c)).item() for a in (0.5, 1.0)}
    return Erratum(
        "E11",
        f"{THESIS}, below (4.4)",
        r"the sparse center loss is center loss if $a_{i1}=\dots=a_{id}$",
        r"if they are all 1",
        abs(ratio[0.5] - 1),
        abs(ratio[1.0] - 1),
        f"with all weights 0.5 it is {ratio[0.5]:.2f} of center loss, with all weights 1 it is {ratio[1.0]:.2f}.",
    )


def e12() -> Erratum:
    x, y, c, _ = batch()
    logits = x @ c.T
    each = -logits.log_softmax(dim=1)
    true = F.cross_entropy(logits, y)
    printed = ((y + 1)[:, None] * each).sum() / M  # y_i is a class number, 1 to K
    right = (F.one_hot(y, K) * each).sum() / M
    many = (M * true / true).item()
    return Erratum(
        "E12",
        f"{THESIS}, (1.7), (3.2) and (4.2)",
        r"(1.7): $\sum_i L(f(x_i),y_i)=-\frac1m\sum_i\sum_k y_{ik}\log\hat y_{ik}$; (3.2), (4.2): $y_i\log p(y=j|x_i)$",
        r"$\frac1m\sum_i$ on both sides; $y_{ij}$, 1 for the own class and 0 else",
        error(printed, true),
        error(right, true),
        f"at m = {M} the two sides of (1.7) differ by a factor of {many:.0f}; with class numbers for y the cross entropy is "
        f"off by {whole_percent(error(printed, true))}, with y of each class by {whole_percent(error(right, true))}.",
    )


def e14() -> Erratum:
    generator = torch.Generator().manual_seed(0)
    positives, negatives = (torch.randn(3, D, generator=generator, dtype=torch.float64) for _ in range(2))
    reference, center = LearnedReference(D, distance=1.0).double(), positives.mean(dim=0)
    with torch.no_grad():
        ours = n_plus_m_tuplet_loss(positives, negatives, reference=reference, mine=False)
        terms = [(1 + sign * reference(rows, center)).clamp(min=0) for sign, rows in ((-1, positives), (1, negatives))]
    apart, together = sum(part.mean() for part in terms), torch.cat(terms).mean()
    return Erratum(
        "E14",
        f"{LIU}, (9) and (10)",
        r"(10), (9) simplified: $\frac1{N+M^*}\sum_k$ in place of $\frac1{M^*}\sum_i+\frac1N\sum_j$",
        "two losses: (10) where T is learned, as the text trains; (3), whose means are those of (9), where T is a constant",
        error(apart, ours),
        error(together, ours),
        f"three positives and three negatives: (9), its sign mended (E6), is {(apart / together).item():.2f} times (10). And "
        "the fewer positives mining leaves, the less they count in (10): where one is left beside six negatives, for a "
        "seventh, and in (9) for half.",
    )


def e15() -> Erratum:
    near, far, threshold, tau = (torch.tensor(value, dtype=torch.float64) for value in (1.0, 2.0, 1.5, 2.0))
    true = (near + tau - far).exp()  # (1)
    pull = (near - threshold + tau / 2).exp()
    printed, right = (pull * (threshold + tau / 2 + sign * far).exp() for sign in (1, -1))
    return Erratum(
        "E15",
        f"{LIU}, below (2)",
        r"the negatives' factor $\exp(T+\frac\tau2+D(f,f_j^-))$",
        r"$\exp(T+\frac\tau2-D(f,f_j^-))$, as in (2)",
        error(printed, true),
        error(right, true),
        f"at distances 1 and 2, T = 1.5, tau = 2: the product is {right.item():.2f}, as (1) has it; with the text's sign "
        f"{printed.item():.2f}, and it grows as the negative leaves.",
    )


def e19() -> Erratum:
    inputs = 8
    possible = [outputs for outputs in range(1, 2 * inputs + 1) if outputs % inputs == 0]
    pointwise = nn.Conv2d(inputs, inputs // 2, 1).weight.shape[0]
    return Erratum(
        "E19",
        f"{RAJOLI}, III and III-B",
        "two depth-wise convolutions that reduce the channels, and one that maps the pooled embedding to the scores",
        "1 x 1 convolutions, which mix channels",
        min(possible) / pointwise - 1,
        0.0,
        f"a depth-wise convolution of {inputs} channels has {', '.join(map(str, possible))} or more outputs, never fewer than "
        f"its inputs; one of 1 x 1 has any number, {pointwise} too.",
    )


def e20() -> Erratum:
    generator = torch.Generator().manual_seed(0)
    x, own, other = (torch.randn(10_000, D, generator=generator, dtype=torch.float64).mul(3).sigmoid() for _ in range(3))
    a = 0.1 + 0.8 * torch.rand(10_000, D, generator=generator, dtype=torch.float64)
    term = (a * ((x - own).square() - (x - other).square())).sum(dim=1) + a.sum(dim=1)
    least = (term / a.sum(dim=1)).min().item()
    return Erratum(
        "E20",
        f"{RAJOLI}, III-A1",
        "a sample close to its prototype and far from the most negative one contributes nothing; and: with (4) and (5) every "
        "sample contributes in all circumstances",
        r"the second: a term is $\sum_j a_{ij}(1+u_{ij}-v_{ij})$ with $v_{ij}<1$",
        1.0,
        float((term <= 0).double().mean()),
        f"of 10,000 random samples {int((term <= 0).sum())} have a term of 0; the smallest is {least:.2f} of its margin.",
    )


ERRATA = (e1, e2, e3, e5, e6, e7, e10, e11, e12, e14, e15, e19, e20)
