import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fercore.checks import nan_passes
from fercore.losses import LearnedReference, n_plus_m_tuplet_loss, n_plus_one_tuplet_loss
from fercore.mining import mine_positives
from tests.oracles import close, finite_gradients, largest, matrices, searched, squared


def slow_n_plus_one(query: Tensor, positive: Tensor, negatives: Tensor, tau: float) -> float:
    exponents = [0.0] + [squared(query, positive) + tau - squared(query, row) for row in negatives]
    top = max(exponents)
    return top + math.log(math.fsum(math.exp(value - top) for value in exponents))


def slow_n_plus_m(positives: Tensor, negatives: Tensor, reference: float, tau: float, mine: bool) -> float:
    keep = mine_positives(positives, negatives)[0].tolist() if mine else [True] * len(positives)
    kept = [row for row, stays in zip(positives, keep, strict=True) if stays]
    center = sum(kept) / len(kept)
    inside = [max(0.0, squared(row, center) - reference + tau / 2) for row in kept]
    outside = [max(0.0, reference + tau / 2 - squared(row, center)) for row in negatives]
    return math.fsum(inside) / len(inside) + (math.fsum(outside) / len(outside) if outside else 0.0)


def slow_h(f: Tensor, c: Tensor, a: Tensor, b: Tensor, q: Tensor, bias: float) -> float:
    """(7), entry by entry."""
    dim = range(len(f))
    terms = [float(f[i] * a[i, j] * f[j] + c[i] * a[i, j] * c[j]) / 2 + float(f[i] * b[i, j] * c[j]) for i in dim for j in dim]
    return math.fsum(terms) + math.fsum(float(q[i] * (f[i] + c[i])) for i in dim) + bias


def slow_learned(positives: Tensor, negatives: Tensor, reference: LearnedReference, tau: float, mine: bool) -> float:
    keep = mine_positives(positives, negatives)[0] if mine else torch.ones(len(positives), dtype=torch.bool)
    center = positives[keep].mean(dim=0)
    total = 0.0
    for label, rows in ((-1, positives[keep]), (1, negatives)):
        for row in rows:
            total += max(0.0, label * slow_h(row, center, *matrices_of(reference)) + tau / 2)
    return total / (int(keep.sum()) + len(negatives))


def matrices_of(reference: LearnedReference) -> tuple[Tensor, Tensor, Tensor, float]:
    """A, B, q and b of (7)."""
    sign = {"metric": -1, "literal": 1}[reference.sign]
    a, b = sign * reference.factor_a.T @ reference.factor_a, reference.factor_b.T @ reference.factor_b
    return a.detach(), b.detach(), reference.q.detach(), reference.b.item()


def random_reference(dim: int, sign: str, seed: int = 3) -> LearnedReference:
    generator = torch.Generator().manual_seed(seed)
    reference = LearnedReference(dim, sign=sign).double()
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return reference


@st.composite
def tuples(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    m, n, dim = draw(st.integers(1, 5)), draw(st.integers(0, 4)), draw(st.integers(1, 3))
    return draw(matrices(m, dim)), draw(matrices(n, dim))


def random_tuple(m: int, n: int, dim: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(m + n, dim, generator=generator, dtype=torch.float64)
    return rows[:m], rows[m:]


# --- (N+1) ------------------------------------------------------------------------------------------------------------


@searched
@given(tuples(), st.sampled_from([0.0, 0.5, 2.0, -1.0]))
def test_n_plus_one_equals_the_loop(tuple_, tau):
    positives, negatives = tuple_
    query, positive = positives[0], positives[-1]
    expected = slow_n_plus_one(query, positive, negatives, tau)
    close(n_plus_one_tuplet_loss(query, positive, negatives, tau=tau), expected, scale=largest(positives, negatives))
    query.requires_grad_()
    assert finite_gradients(n_plus_one_tuplet_loss(query, positive, negatives, tau=tau), query)


def test_n_plus_one_without_negatives_is_zero():
    assert n_plus_one_tuplet_loss(torch.ones(2), torch.zeros(2), torch.zeros(0, 2), tau=1.0).item() == 0


def test_n_plus_one_gradcheck():
    positives, negatives = random_tuple(2, 3, 4)
    inputs = [value.clone().requires_grad_() for value in (positives[0], positives[1], negatives)]
    assert torch.autograd.gradcheck(lambda q, p, n: n_plus_one_tuplet_loss(q, p, n, tau=0.5), inputs)


# --- (N+M), constant reference ----------------------------------------------------------------------------------------


@searched
@given(tuples(), st.sampled_from([0.0, 0.5, 4.0]), st.sampled_from([0.0, 1.0, 2.0]), st.booleans())
def test_n_plus_m_equals_the_loop(tuple_, reference, tau, mine):
    positives, negatives = tuple_
    expected = slow_n_plus_m(positives, negatives, reference, tau, mine)
    found = n_plus_m_tuplet_loss(positives, negatives, reference=reference, tau=tau, mine=mine)
    close(found, expected, scale=largest(positives, negatives))
    positives.requires_grad_()
    assert finite_gradients(n_plus_m_tuplet_loss(positives, negatives, reference=reference, tau=tau, mine=mine), positives)


def test_n_plus_m_by_hand():
    positives, negatives = torch.tensor([[0.0], [2.0], [10.0]]), torch.tensor([[9.0], [2.0]])
    # c+ = 4: the nearest negative is 2 away, the positives 4, 2 and 6: the second stays, c+ = 2
    found = n_plus_m_tuplet_loss(positives, negatives, reference=1.0, tau=1.0)
    assert found.item() == pytest.approx(0 + (0 + 1.5) / 2)
    # all stay: c+ = 4, squared distances 16, 4, 36 and 25, 4
    found = n_plus_m_tuplet_loss(positives, negatives, reference=5.0, tau=2.0, mine=False)
    assert found.item() == pytest.approx((12 + 0 + 32) / 3 + (0 + 2) / 2)


def test_without_negatives_the_positives_alone_count():
    positives, _ = random_tuple(4, 0, 3)
    expected = slow_n_plus_m(positives, torch.zeros(0, 3, dtype=torch.float64), 0.5, 2.0, True)
    assert expected > 0
    close(n_plus_m_tuplet_loss(positives, positives[:0], reference=0.5, tau=2.0), expected)


@pytest.mark.parametrize("mine", [True, False])
def test_n_plus_m_gradcheck(mine):
    inputs = [value.clone().requires_grad_() for value in random_tuple(4, 3, 3)]
    assert torch.autograd.gradcheck(lambda p, n: n_plus_m_tuplet_loss(p, n, reference=1.0, tau=1.0, mine=mine), inputs)


# --- (N+M), learned reference -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", ["metric", "literal"])
def test_the_learned_reference_is_the_quadratic_form(sign):
    reference = random_reference(3, sign)
    positives, _ = random_tuple(5, 0, 3)
    found = reference(positives, positives[0])
    assert found.shape == (5,)
    expected = [slow_h(row, positives[0], *matrices_of(reference)) for row in positives]
    close(found, torch.tensor(expected, dtype=torch.float64))


@searched
@given(tuples(), st.sampled_from(["metric", "literal"]), st.sampled_from([1.0, 2.0]), st.booleans())
def test_the_learned_loss_equals_the_loop(tuple_, sign, tau, mine):
    positives, negatives = tuple_
    reference = random_reference(positives.shape[1], sign)
    expected = slow_learned(positives, negatives, reference, tau, mine)
    found = n_plus_m_tuplet_loss(positives, negatives, reference=reference, tau=tau, mine=mine)
    close(found, expected, scale=10 * largest(positives, negatives))
    positives.requires_grad_()
    found = n_plus_m_tuplet_loss(positives, negatives, reference=reference, tau=tau, mine=mine)
    assert finite_gradients(found, positives, *reference.parameters())


@pytest.mark.parametrize("distance", [0.5, 2.0, 7.0])
def test_a_constant_reference_is_the_metric_one_built_for_it(distance):
    """E7: only A = -L_A'L_A with B = +L_B'L_B contains T - |f - c|^2."""
    positives, negatives = random_tuple(4, 4, 3)
    metric = LearnedReference(3, distance=distance).double()
    with torch.no_grad():
        metric.factor_a.copy_(torch.eye(3, dtype=torch.float64) * 2**0.5)  # the initial ones are float32's roots of 2
        metric.factor_b.copy_(metric.factor_a)
    center = positives.mean(dim=0)
    for rows in (positives, negatives):
        close(metric(rows, center), torch.tensor([distance - squared(row, center) for row in rows], dtype=torch.float64))
    # (10) is one mean over N + M*, (3) the sum of two means: with N = M* it is half of it
    constant = n_plus_m_tuplet_loss(positives, negatives, reference=distance, tau=2.0, mine=False)
    learned = n_plus_m_tuplet_loss(positives, negatives, reference=metric, tau=2.0, mine=False)
    assert constant > 0
    close(2 * learned.detach(), constant)


def test_a_new_reference_is_the_constant_one():
    positives, negatives = (rows.float() for rows in random_tuple(4, 4, 3))
    constant = n_plus_m_tuplet_loss(positives, negatives, reference=3.0, mine=False).item()
    learned = n_plus_m_tuplet_loss(positives, negatives, reference=LearnedReference(3, distance=3.0), mine=False).item()
    assert 2 * learned == pytest.approx(constant, rel=1e-5)


@pytest.mark.parametrize("sign", ["metric", "literal"])
def test_learned_gradcheck(sign):
    reference = random_reference(3, sign)
    positives, negatives = (value.clone().requires_grad_() for value in random_tuple(4, 3, 3))
    parameters = {name: value.detach().clone().requires_grad_() for name, value in reference.named_parameters()}

    def h(rows: Tensor, center: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(reference, dict(zip(parameters, values, strict=True)), (rows, center))

    assert torch.autograd.gradcheck(h, (positives, negatives[0].detach().requires_grad_(), *parameters.values()))
    loss = lambda p, n: n_plus_m_tuplet_loss(p, n, reference=reference)  # noqa: E731
    assert torch.autograd.gradcheck(loss, (positives, negatives))


# --- dtypes and errors ------------------------------------------------------------------------------------------------

LOSSES = {
    "n+1": lambda p, n: n_plus_one_tuplet_loss(p[0], p[1], n, tau=1.0),
    "n+m": lambda p, n: n_plus_m_tuplet_loss(p, n, reference=1.0, tau=1.0),
    "learned": lambda p, n: n_plus_m_tuplet_loss(p, n, reference=LearnedReference(p.shape[1], distance=1.0)),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_autocast_and_half_precision(loss):
    positives, negatives = (rows.float() for rows in random_tuple(6, 6, 16))
    expected = LOSSES[loss](positives, negatives).item()
    with torch.autocast("cpu", torch.bfloat16):
        assert LOSSES[loss](positives, negatives).item() == pytest.approx(expected, rel=1e-3)
    half = LOSSES[loss](positives.bfloat16(), negatives.bfloat16())
    assert half.dtype == torch.float32
    assert half.item() == LOSSES[loss](positives.bfloat16().float(), negatives.bfloat16().float()).item()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("which", [0, 1])
def test_nan_is_refused_and_within_a_training_comes_out_as_nan(loss, which):
    rows = random_tuple(4, 3, 2)
    rows[which][0, 0] = math.nan
    with pytest.raises(ValueError, match=r"^(query|positives|negatives) must be finite, got NaN or infinity in 1 of[^\n]+$"):
        LOSSES[loss](rows[0].float(), rows[1].float())
    with nan_passes():
        assert LOSSES[loss](rows[0].float(), rows[1].float()).isnan()


ROWS = torch.zeros(4, 3)


@pytest.mark.parametrize(
    ("positives", "negatives", "options", "kind", "name"),
    [
        (ROWS[:0], ROWS, {}, ValueError, "positives"),
        (ROWS[0], ROWS, {}, ValueError, "positives"),
        (ROWS.long(), ROWS, {}, TypeError, "positives"),
        (ROWS, ROWS[:, :2], {}, ValueError, "negatives"),
        (ROWS, ROWS, {"tau": math.inf}, ValueError, "tau"),
        (ROWS, ROWS, {"reference": math.nan}, ValueError, "reference"),
        (ROWS, ROWS, {"reference": LearnedReference(2)}, ValueError, "embeddings"),
    ],
)
def test_wrong_arguments_are_named(positives, negatives, options, kind, name):
    with pytest.raises(kind, match=rf"^{name} [^\n]+$"):
        n_plus_m_tuplet_loss(positives, negatives, **({"reference": 1.0} | options))


def test_wrong_arguments_of_the_others_are_named():
    with pytest.raises(ValueError, match=r"^query and positive must both have shape \[D\], got \[3\] and \[2\]$"):
        n_plus_one_tuplet_loss(ROWS[0], ROWS[0, :2], ROWS, tau=1.0)
    with pytest.raises(ValueError, match=r"^negatives [^\n]+$"):
        n_plus_one_tuplet_loss(ROWS[0], ROWS[0], ROWS[0], tau=1.0)
    with pytest.raises(ValueError, match=r"^sign must be one of metric, literal, got 'x'$"):
        LearnedReference(3, sign="x")
    with pytest.raises(ValueError, match=r"^center must have shape \[3\], got \[2\]$"):
        LearnedReference(3)(ROWS, ROWS[0, :2])
    with pytest.raises(ValueError, match=r"^dim [^\n]+$"):
        LearnedReference(0)
