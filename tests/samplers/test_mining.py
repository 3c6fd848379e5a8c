import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fercore.mining import mean_of, mine_positives
from tests.oracles import close, largest, matrices, searched, squared


def slow(positives: Tensor, negatives: Tensor) -> list[int]:
    """The positions that algorithm 1 keeps."""
    everything = list(range(len(positives)))
    if len(negatives) == 0:
        return everything
    center = positives.mean(dim=0)
    distances = [squared(row, center) for row in positives]
    nearest = min(squared(row, center) for row in negatives)
    kept = [i for i in everything if not distances[i] > nearest * (1 + 1e-5)]
    return kept or [next(i for i in everything if distances[i] <= min(distances) * (1 + 1e-5))]


@st.composite
def tuples(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    m, n, dim = draw(st.integers(1, 5)), draw(st.integers(0, 4)), draw(st.integers(1, 3))
    return draw(matrices(m, dim)), draw(matrices(n, dim))


@searched
@given(tuples())
def test_equals_the_loop(tuple_):
    positives, negatives = tuple_
    keep, center = mine_positives(positives, negatives)
    kept = slow(positives, negatives)
    assert keep.nonzero()[:, 0].tolist() == kept
    close(center, sum(positives[i] for i in kept) / len(kept), scale=largest(positives))


def points(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


@pytest.mark.parametrize(
    ("positives", "negatives", "kept"),
    [
        (points(0, 2, 10), points(9), [0, 1]),  # c+ = 4: 4, 2, 6 against 5
        (points(-1, 1), points(1), [0, 1]),  # a tie with the nearest negative is kept: strict >
        (points(-1, 1), points(0.5), [0]),  # every positive is too far: the first of the two nearest stays
        (points(-3, 1, 2), points(0), [1]),  # every positive is too far: the nearest stays, not the first
        (points(7), points(7), [0]),  # one positive is its own center
        (points(7), points(9), [0]),
        (points(0, 100), points(), [0, 1]),  # no negative: keep all
        (points(3, 3, 3), points(3), [0, 1, 2]),  # all coincide
    ],
)
def test_by_hand(positives, negatives, kept):
    keep, center = mine_positives(positives, negatives)
    assert keep.nonzero()[:, 0].tolist() == kept
    close(center, positives[kept].mean(dim=0))


@pytest.mark.parametrize("size", [2, 3, 5, 7])
@pytest.mark.parametrize("seed", range(5))
def test_of_positives_at_one_distance_the_first_stays_in_every_precision(size, seed):
    """The corners of a regular polygon, moved, turned and stretched at random: rounding makes their distances differ."""
    dice = torch.Generator().manual_seed(seed)
    angles = 2 * torch.pi * (torch.arange(size) / size + torch.rand(1, generator=dice)).double()
    middle, radius = torch.randn(2, generator=dice).double(), 0.1 + torch.rand(1, generator=dice).double()
    positives = middle + radius * torch.stack([angles.cos(), angles.sin()], dim=1)
    inside, outside = middle[None], middle - 2 * radius * torch.eye(2).double()
    for dtype in (torch.float32, torch.float64):
        kept = [mine_positives(positives.to(dtype), negatives.to(dtype))[0].tolist() for negatives in (inside, outside)]
        assert kept == [[True] + [False] * (size - 1), [True] * size]
        mirrored = mine_positives(positives.to(dtype), (2 * middle - positives[:1]).to(dtype))[0]
        assert mirrored.all()  # a tie with the nearest negative


def test_what_rounding_can_tell_apart_is_no_tie():
    assert mine_positives(points(-1, 1.001), points(0))[0].tolist() == [True, False]
    assert mine_positives(points(-1, 0, 1), points(0.999))[0].tolist() == [False, True, False]


def test_distances_are_those_of_the_first_center():
    positives, negatives = points(0, 1, 8), points(-1)  # seen from the last center, 0.5, the first two would not stay
    assert mine_positives(positives, negatives)[0].tolist() == [True, True, False]


def test_autocast_does_not_round_the_mean():
    rows, keep = torch.tensor([[1.0009765625], [5.0], [1.0009765625]]), torch.tensor([True, False, True])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(mean_of(rows, keep), rows[0])


def test_only_the_kept_positives_have_a_gradient():
    positives = points(0, 1, 8).requires_grad_()
    _, center = mine_positives(positives, points(-1))
    close(torch.autograd.grad(center.sum(), positives)[0], points(0.5, 0.5, 0))


@pytest.mark.parametrize(
    ("positives", "negatives", "kind", "name"),
    [
        (torch.zeros(0, 3), torch.zeros(2, 3), ValueError, "positives"),
        (torch.zeros(3), torch.zeros(2, 3), ValueError, "positives"),
        (torch.zeros(2, 3).long(), torch.zeros(2, 3), TypeError, "positives"),
        (torch.zeros(2, 3), torch.zeros(2, 4), ValueError, "negatives"),
        (torch.zeros(2, 3), torch.zeros(2, 3).int(), TypeError, "negatives"),
    ],
)
def test_wrong_arguments_are_named(positives, negatives, kind, name):
    with pytest.raises(kind, match=rf"^{name} [^\n]+$"):
        mine_positives(positives, negatives)
