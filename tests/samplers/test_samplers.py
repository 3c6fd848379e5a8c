import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fercore import samplers
from fercore.checks import nan_passes
from fercore.samplers import MisclassificationRecord, mm_nss, ms_nss, nearest_by_loop, nearest_by_sorting, ns_nss
from tests.oracles import batches, peak_memory, random_batch, searched, squared


def slow_ms(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    n, columns = torch.empty_like(x), c.T.tolist()
    for i, (row, label) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        others = [k for k in range(len(c)) if k != label]
        for j, value in enumerate(row):
            distances = [abs(value - center) for center in columns[j]]
            n[i, j] = c[min(others, key=distances.__getitem__), j]  # min keeps the first
    return n


def slow_ns(predictions: Tensor, y: Tensor, c: Tensor, s: Tensor) -> Tensor:
    chosen = []
    for prediction, label in zip(predictions.tolist(), y.tolist(), strict=True):
        others = [k for k in range(len(c)) if k != label]
        if prediction != label:
            chosen.append(prediction)
        elif any(s[label, k] > 0 for k in others):
            chosen.append(max(others, key=lambda k: float(s[label, k])))
        else:
            chosen.append(min(others, key=lambda k: squared(c[label], c[k])))
    return c[chosen]


@st.composite
def predicted(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """x, predictions, labels, centers and S; some rows of S are empty, and its diagonal is not."""
    x, y, c = draw(batches(least_classes=2))
    k = len(c)
    predictions = draw(st.lists(st.integers(0, k - 1), min_size=len(x), max_size=len(x)))
    rows = draw(st.lists(st.lists(st.integers(0, 2), min_size=k, max_size=k) | st.just([0] * k), min_size=k, max_size=k))
    return x, torch.tensor(predictions), y, c, torch.tensor(rows) + 9 * torch.eye(k, dtype=torch.long)


# --- MS-NSS -----------------------------------------------------------------------------------------------------------


@searched
@given(batches(least_classes=2))
def test_ms_equals_the_loop(batch):
    x, y, c = batch
    expected = slow_ms(x, y, c)
    assert torch.equal(ms_nss(x, y, c), expected)
    assert torch.equal(nearest_by_loop(x, y, c), expected)


@searched
@given(batches(least_classes=2))
def test_ms_by_sorting_equals_the_loop(batch):
    """Away from where rounding makes unequal distances equal; there sorting takes the center that is nearest in truth."""
    x, y, c = (value.clamp(-2e4, 2e4) if value.is_floating_point() else value for value in batch)
    x, c = (x * 4).round() / 4, (c * 4).round() / 4
    assert torch.equal(nearest_by_sorting(x, y, c), slow_ms(x, y, c))


@pytest.mark.parametrize("seed", range(20))
def test_both_ways_agree_on_many_classes(seed):
    generator = torch.Generator().manual_seed(seed)
    x, y, c = random_batch(40, 50, 7, seed=seed)
    for grid in (0, 2, 8):  # on a grid of halves and eighths ties and equal centers abound
        a, b = (x, c) if grid == 0 else ((x * grid).round() / grid, (c * grid).round() / grid)
        a = torch.where(torch.rand(a.shape, generator=generator) < 0.2, b[y], a)  # some on the own center
        assert torch.equal(nearest_by_sorting(a, y, b), nearest_by_loop(a, y, b))
        assert torch.equal(ms_nss(a, y, b), slow_ms(a, y, b))


def test_dimensions_are_sorted_in_parts(monkeypatch):
    x, y, c = random_batch(9, 40, 7)
    monkeypatch.setattr(samplers, "SORTED_AT_ONCE", 90)  # two dimensions at a time
    assert torch.equal(ms_nss(x, y, c), slow_ms(x, y, c))


def test_ms_by_hand():
    centers = torch.tensor([[0.0, 0.0], [1.0, 5.0], [-1.0, 3.0]])
    x = torch.tensor([[0.0, 4.0], [1.0, 0.0]])
    # sample 0, class 0: a tie of 1 and -1 goes to class 1, a tie of 5 and 3 too; sample 1, class 1: 0 and 0
    assert ms_nss(x, torch.tensor([0, 1]), centers).tolist() == [[1, 5], [0, 0]]


@pytest.mark.parametrize("way", [nearest_by_loop, nearest_by_sorting])
def test_equal_centers_and_the_own_center(way):
    x, y = torch.tensor([[1.0], [1.0]]), torch.tensor([1, 0])
    assert way(x, y, torch.tensor([[1.0], [1.0], [3.0]])).tolist() == [[1], [1]]  # another class has the own center
    assert way(x, y, torch.tensor([[0.0], [2.0], [2.0]])).tolist() == [[0], [2]]
    # class 3, which has class 0's own center, ties with class 2
    assert way(x[:1], torch.tensor([0]), torch.tensor([[0.0], [9.0], [2.0], [0.0]])).item() == 2


@pytest.mark.parametrize("way", [nearest_by_loop, nearest_by_sorting])
@pytest.mark.parametrize("side", [-100.0, 100.0])
def test_beyond_all_centers(way, side):
    centers = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]])
    own = 0 if side < 0 else 3
    wanted = -1 if side < 0 else 1
    assert way(torch.tensor([[side]]), torch.tensor([own]), centers).item() == wanted
    assert way(torch.tensor([[side]]), torch.tensor([1 if side < 0 else 2]), centers).item() == 2 * wanted


@pytest.mark.parametrize("num_classes", [3, 40])
def test_ms_knows_no_negative_for_what_is_not_finite(num_classes):
    x, y, c = random_batch(5, num_classes, 2)
    x[0, 0], x[1, 1], x[2, 0] = math.nan, math.inf, -math.inf
    with nan_passes():
        found = ms_nss(x, y, c)
    assert torch.equal(found.isnan(), ~x.isfinite())


@pytest.mark.parametrize("dtypes", [(torch.float32, torch.float64), (torch.float64, torch.float32)])
@pytest.mark.parametrize("num_classes", [3, 40])
def test_ms_mixes_dtypes(dtypes, num_classes):
    x, y, c = random_batch(5, num_classes, 2)
    x, c = x.to(dtypes[0]), c.to(dtypes[1])
    assert torch.equal(ms_nss(x, y, c), slow_ms(x.double(), y, c.double()))
    assert ms_nss(x.bfloat16(), y, c.float()).dtype == torch.float32


def test_ms_at_ten_thousand_classes_takes_little_memory():
    """256 x 10,000 x 512 numbers are 5 GB."""
    x, y, c = (value.float() if value.is_floating_point() else value for value in random_batch(256, 10_000, 512))
    found, peak = peak_memory(lambda: ms_nss(x, y, c))
    assert 0 < peak < 64e6
    assert torch.equal(found[:2], slow_ms_by_rows(x[:2], y[:2], c))


def slow_ms_by_rows(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    distances = (x[:, None] - c[None]).abs()
    distances[range(len(x)), y] = torch.inf
    return c.gather(0, distances.min(dim=1).indices)


# --- NS-NSS and MM-NSS ------------------------------------------------------------------------------------------------


@searched
@given(predicted())
def test_ns_equals_the_loop(case):
    _, predictions, y, c, s = case
    assert torch.equal(ns_nss(predictions, y, c, s), slow_ns(predictions, y, c, s))


@searched
@given(predicted())
def test_mm_takes_the_ns_rule_where_wrong_and_the_ms_rule_where_right(case):
    x, predictions, y, c, s = case
    expected = torch.where((predictions == y)[:, None], slow_ms(x, y, c), slow_ns(predictions, y, c, s))
    assert torch.equal(mm_nss(x, predictions, y, c), expected)
    assert torch.equal(mm_nss(x, predictions, y, c, s), expected)  # as the paper has it; the matrix is not read


@searched
@given(predicted())
def test_the_own_class_never_serves(case):
    """With centers that no two classes share, the class of a negative can be told by its coordinates."""
    x, predictions, y, c, s = case
    c = torch.arange(c.numel(), dtype=torch.float64).reshape(c.shape) * 0.37
    for n in (ms_nss(x, y, c), ns_nss(predictions, y, c, s), mm_nss(x, predictions, y, c, s)):
        assert not (n == c[y]).any()


def test_ns_does_not_read_the_diagonal_and_takes_the_first_of_equals():
    c = torch.tensor([[0.0], [10.0], [1.0], [20.0]])
    s = torch.tensor([[99, 0, 0, 0], [5, 0, 7, 7], [0, 0, 0, 0], [0, 0, 0, 0]])
    right = torch.tensor([0, 1, 2, 3])
    # row 0 is empty but for its diagonal: nearest center, 1; row 1: classes 2 and 3 tie; rows 2 and 3: nearest
    assert ns_nss(right, right, c, s)[:, 0].tolist() == [1, 1, 0, 10]


@pytest.mark.parametrize("count", [0.01, 1.0])
def test_a_single_mistake_counts_even_when_it_has_faded(count):
    c, s, zero = torch.tensor([[0.0], [1.0], [20.0]]), torch.zeros(3, 3), torch.tensor([0])
    s[0, 2] = count
    assert ns_nss(zero, zero, c, s).item() == 20


def test_of_two_nearest_centers_the_first_class_serves():
    c = torch.tensor([[1.0], [0.0], [-1.0]])
    one = torch.tensor([1])
    assert ns_nss(one, one, c, torch.zeros(3, 3)).item() == 1


def test_negatives_have_no_gradient():
    x, y, c = random_batch(5, 3, 2)
    x.requires_grad_()
    c.requires_grad_()
    s = torch.zeros(3, 3)
    for n in (ms_nss(x, y, c), ns_nss(y, y, c, s), mm_nss(x, y, y, c, s)):
        assert not n.requires_grad


# --- the record -------------------------------------------------------------------------------------------------------

FIRST = torch.tensor([1, 1, 0, 2]), torch.tensor([0, 0, 0, 1])
SECOND = torch.tensor([1, 1, 2]), torch.tensor([0, 1, 1])


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        ("running", [[0, 3, 0], [0, 0, 2], [0, 0, 0]]),
        ("batch", [[0, 1, 0], [0, 0, 1], [0, 0, 0]]),
        ("decay", [[0, 2.5, 0], [0, 0, 1.75], [0, 0, 0]]),
    ],
)
def test_the_record_counts_mistakes(memory, expected):
    record = MisclassificationRecord(3, memory=memory, decay=0.75)
    record.update(*FIRST)
    assert record.matrix.tolist() == [[0, 2, 0], [0, 0, 1], [0, 0, 0]]
    record.update(*SECOND)
    assert record.matrix.tolist() == expected


def test_the_record_is_saved_with_the_model():
    first, second = MisclassificationRecord(3), MisclassificationRecord(3)
    first.update(*FIRST)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.matrix, second.matrix)
    assert not list(first.parameters())


def test_autocast_does_not_round_the_record():
    record = MisclassificationRecord(2)
    with torch.autocast("cpu", torch.bfloat16):
        record.update(torch.ones(301, dtype=torch.long), torch.zeros(301, dtype=torch.long))
    assert record.matrix[0, 1].item() == 301


# --- errors -----------------------------------------------------------------------------------------------------------

X, Y, C, S = torch.zeros(4, 3), torch.zeros(4, dtype=torch.long), torch.zeros(5, 3), torch.zeros(5, 5)


@pytest.mark.parametrize(
    ("sampler", "arguments", "kind", "name"),
    [
        (ms_nss, (X[:0], Y[:0], C), ValueError, "embeddings"),
        (ms_nss, (X.long(), Y, C), TypeError, "embeddings"),
        (ms_nss, (X, Y + 5, C), ValueError, "labels"),
        (ms_nss, (X, Y, C[:, :2]), ValueError, "centers"),
        (ms_nss, (X, Y, C[:1]), ValueError, "centers"),
        (ns_nss, (Y, Y[:0], C, S), ValueError, "labels"),
        (ns_nss, (Y[:3], Y, C, S), ValueError, "predictions"),
        (ns_nss, (Y + 5, Y, C, S), ValueError, "predictions"),
        (ns_nss, (X, Y, C, S), ValueError, "predictions"),
        (ns_nss, (Y.float(), Y, C, S), TypeError, "predictions"),
        (ns_nss, (Y, Y - 1, C, S), ValueError, "labels"),
        (ns_nss, (Y, Y, C[:1], S[:1, :1]), ValueError, "centers"),
        (ns_nss, (Y, Y, C, S[:4]), ValueError, "misclassified"),
        (ns_nss, (Y, Y, C, S - 1), ValueError, "misclassified"),
        (ns_nss, (Y, Y, C, S * math.nan), ValueError, "misclassified"),
        (mm_nss, (X, Y, Y, C, S[:4]), ValueError, "misclassified"),
        (mm_nss, (X[:3], Y, Y, C, S), ValueError, "labels"),
        (MisclassificationRecord(3).update, (Y + 3, Y), ValueError, "predictions"),
        (MisclassificationRecord(3).update, (Y, Y.bool()), TypeError, "labels"),
    ],
)
def test_wrong_arguments_are_named(sampler, arguments, kind, name):
    with pytest.raises(kind, match=rf"^{name} [^\n]+$"):
        sampler(*arguments)


@pytest.mark.parametrize(
    ("options", "name"), [({"num_classes": 1}, "num_classes"), ({"memory": "x"}, "memory"), ({"decay": 1.0}, "decay")]
)
def test_the_record_refuses_wrong_options(options, name):
    with pytest.raises(ValueError, match=rf"^{name} must [^\n]+$"):
        MisclassificationRecord(**({"num_classes": 3} | options))
