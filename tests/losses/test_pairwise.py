import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytorch_metric_learning.losses import ContrastiveLoss, TripletMarginLoss
from torch import Tensor

from fercore.checks import nan_passes
from fercore.losses import (
    center_loss,
    contrastive_loss,
    coupled_clusters_loss,
    distances,
    island_center_gradient,
    island_loss,
    locality_preserving_loss,
    lossless_triplet_loss,
    separate_loss,
    triplet_center_loss,
    triplet_loss,
)
from tests.oracles import batches, close, finite_gradients, largest, random_batch, searched, sigmoid, squared

# --- slow loops -------------------------------------------------------------------------------------------------------


def unit(row: Tensor) -> list[float]:
    length = max(1e-12, math.sqrt(math.fsum(float(v) ** 2 for v in row)))
    return [float(v) / length for v in row]


def cosine(a: Tensor, b: Tensor) -> float:
    return math.fsum(p * q for p, q in zip(unit(a), unit(b), strict=True))


def unit_distance(a: Tensor, b: Tensor) -> float:
    return math.sqrt(math.fsum((p - q) ** 2 for p, q in zip(unit(a), unit(b), strict=True)))


def mean_positive(values: list[float]) -> float:
    kept = [value for value in values if value > 0]
    return math.fsum(kept) / len(kept) if kept else 0.0


def slow_contrastive(x: Tensor, y: Tensor, pos_margin: float = 0.0, neg_margin: float = 1.0) -> float:
    pairs = [(i, j, unit_distance(x[i], x[j])) for i in range(len(x)) for j in range(len(x)) if i != j]
    near = [max(0.0, d - pos_margin) for i, j, d in pairs if y[i] == y[j]]
    far = [max(0.0, neg_margin - d) for i, j, d in pairs if y[i] != y[j]]
    return mean_positive(near) + mean_positive(far)


def triplets(y: Tensor) -> list[tuple[int, int, int]]:
    m = range(len(y))
    return [(a, p, n) for a in m for p in m for n in m if a != p and y[a] == y[p] and y[a] != y[n]]


def slow_triplet(x: Tensor, y: Tensor, margin: float = 0.05) -> float:
    return mean_positive([unit_distance(x[a], x[p]) - unit_distance(x[a], x[n]) + margin for a, p, n in triplets(y)])


def slow_lossless(x: Tensor, y: Tensor) -> float:
    def share(i: int, j: int) -> float:
        return min(1.0, math.fsum((sigmoid(a) - sigmoid(b)) ** 2 for a, b in zip(x[i], x[j], strict=True)) / x.shape[1])

    terms = [-math.log((1 - share(a, p)) + 1e-8) - math.log(share(a, n) + 1e-8) for a, p, n in triplets(y)]
    return math.fsum(terms) / max(1, len(terms))


def slow_coupled_clusters(x: Tensor, y: Tensor, margin: float = 1.0) -> float:
    total = 0.0
    for i in range(len(x)):
        members = x[y == y[i]]
        mean = sum(members) / len(members)
        strangers = [squared(x[j], mean) for j in range(len(x)) if y[j] != y[i]]
        total += max(0.0, squared(x[i], mean) + margin - min(strangers)) if strangers else 0.0
    return total / (2 * len(x))


def slow_triplet_center(x: Tensor, y: Tensor, c: Tensor, margin: float = 5.0) -> float:
    total = 0.0
    for i in range(len(x)):
        others = [squared(x[i], c[k]) / 2 for k in range(len(c)) if k != y[i]]
        total += max(0.0, squared(x[i], c[y[i]]) / 2 + margin - min(others)) if others else 0.0
    return total / len(x)


def slow_pairs(c: Tensor) -> list[float]:
    return [1 + cosine(c[j], c[k]) for j in range(len(c)) for k in range(len(c)) if j != k]


def slow_separate(x: Tensor, y: Tensor, c: Tensor) -> float:
    within = math.fsum(1 - cosine(x[i], c[y[i]]) for i in range(len(x))) / len(x)
    return within + math.fsum(slow_pairs(c)) / max(1, len(slow_pairs(c)))


def slow_means(x: Tensor, y: Tensor, neighbors: int) -> Tensor:
    """The mean of the nearest others of each sample's class; the sample itself where it has none."""
    means = x.clone()
    for i in range(len(x)):
        others = [j for j in range(len(x)) if j != i and y[j] == y[i]]
        nearest = sorted(others, key=lambda j: squared(x[i], x[j]))[:neighbors]
        if nearest:
            means[i] = sum(x[j] for j in nearest) / len(nearest)
    return means


def slow_locality(x: Tensor, y: Tensor, neighbors: int) -> float:
    return math.fsum(squared(a, b) for a, b in zip(x, slow_means(x, y, neighbors), strict=True)) / (2 * len(x))


# --- values -----------------------------------------------------------------------------------------------------------


@searched
@given(batches())
def test_pair_losses_equal_the_loops(batch):
    x, y, _ = batch
    # coincident directions are 1e-16 apart by rounding or not at all, and a mean over what is not 0 sees the difference:
    # both sides count a pair only from 1e-9 on
    close(contrastive_loss(x, y, pos_margin=1e-9), slow_contrastive(x, y, 1e-9))
    close(triplet_loss(x, y), slow_triplet(x, y))
    torch.testing.assert_close(lossless_triplet_loss(x, y).item(), slow_lossless(x, y), rtol=1e-6, atol=1e-6)


@searched
@given(batches(), st.sampled_from([0.0, 1.0, 5.0]))
def test_cluster_losses_equal_the_loops(batch, margin):
    x, y, c = batch
    close(coupled_clusters_loss(x, y, margin=margin), slow_coupled_clusters(x, y, margin), scale=largest(x))
    close(triplet_center_loss(x, y, c, margin=margin), slow_triplet_center(x, y, c, margin), scale=largest(x, c))


@searched
@given(batches())
def test_cosine_losses_equal_the_loops(batch):
    x, y, c = batch
    expected = float(center_loss(x, y, c)) + 10 * math.fsum(slow_pairs(c))
    close(island_loss(x, y, c), expected)
    close(separate_loss(x, y, c), slow_separate(x, y, c))


@pytest.mark.parametrize("neighbors", [1, 2, 20])
@pytest.mark.parametrize("seed", range(5))
def test_locality_preserving_equals_the_loop(neighbors, seed):
    x, y, _ = random_batch(14, 3, 4, seed=seed)
    close(locality_preserving_loss(x, y, neighbors=neighbors), slow_locality(x, y, neighbors))


@searched
@given(batches())
def test_locality_preserving_with_all_neighbors_on_hard_inputs(batch):
    x, y, _ = batch
    close(locality_preserving_loss(x, y, neighbors=20), slow_locality(x, y, 20), scale=largest(x))


def test_of_equally_near_neighbors_the_first_counts():
    x = torch.tensor([[0.0], [1.0], [-1.0], [1.0]])
    y = torch.zeros(4, dtype=torch.long)
    # 0 -> 1; 1 -> 3 and 3 -> 1 at no distance; -1 -> 0
    assert locality_preserving_loss(x, y, neighbors=1).item() == pytest.approx((1 + 0 + 1 + 0) / 8)


def test_lossless_triplet_to_the_last_digits():
    x, y, _ = random_batch(8, 3, 4)
    close(lossless_triplet_loss(x, y), slow_lossless(x, y))


def test_lossless_triplet_of_the_farthest_is_a_number(monkeypatch):
    """In float32, as on Apple's GPUs, rounding takes the largest distance of some sizes above the 1 of the logarithm."""
    monkeypatch.setattr(distances, "wide_type", lambda x: x.dtype)
    y = torch.tensor([0, 0, 1])
    for size in range(1, 600):
        x = 20 * torch.tensor([[1.0], [-1.0], [1.0]]).expand(3, size)
        assert lossless_triplet_loss(x, y).isfinite(), size


# --- pytorch-metric-learning ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (contrastive_loss, ContrastiveLoss()),
        (lambda x, y: contrastive_loss(x, y, pos_margin=0.3, neg_margin=1.5), ContrastiveLoss(0.3, 1.5)),
        (triplet_loss, TripletMarginLoss()),
        (lambda x, y: triplet_loss(x, y, margin=0.8), TripletMarginLoss(margin=0.8)),
    ],
)
def test_equal_to_pytorch_metric_learning(ours, theirs, seed):
    x, y, _ = random_batch(16, 4, 5, seed=seed)
    x.requires_grad_()
    found, expected = ours(x, y), theirs(x, y)
    close(found.detach(), expected.detach())
    close(torch.autograd.grad(found, x)[0], torch.autograd.grad(expected, x)[0])


# --- gradients --------------------------------------------------------------------------------------------------------

LOSSES = {
    "contrastive": lambda x, y, c: contrastive_loss(x, y, pos_margin=0.1),
    "triplet": lambda x, y, c: triplet_loss(x, y, margin=0.5),
    "lossless triplet": lambda x, y, c: lossless_triplet_loss(x, y),
    "coupled clusters": lambda x, y, c: coupled_clusters_loss(x, y),
    "triplet center": triplet_center_loss,
    "island": island_loss,
    "separate": separate_loss,
    "locality preserving": lambda x, y, c: locality_preserving_loss(x, y, neighbors=2),
}


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "locality preserving"])
def test_gradcheck(loss):
    x, y, c = random_batch(7, 3, 4)
    assert torch.autograd.gradcheck(lambda x, c: LOSSES[loss](x, y, c), (x.requires_grad_(), c.requires_grad_()))


def test_the_neighbors_mean_is_a_constant():
    x, y, _ = random_batch(7, 3, 4)
    expected = (x - slow_means(x, y, 2)) / len(x)
    close(torch.autograd.grad(locality_preserving_loss(x.requires_grad_(), y, neighbors=2), x)[0], expected)


@searched
@given(batches())
def test_gradients_are_finite(batch):
    x, y, c = batch
    x.requires_grad_()
    c.requires_grad_()
    for name, loss in LOSSES.items():
        assert finite_gradients(loss(x, y, c), x, c), name


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_for_coincident_and_saturated_points(loss, dtype):
    y = torch.tensor([0, 0, 1, 1])
    for x in (torch.zeros(4, 3), torch.ones(4, 3), torch.tensor([200.0, -200, 200, -200])[:, None].expand(4, 3)):
        x, c = x.to(dtype).clone().requires_grad_(), torch.zeros(2, 3, dtype=dtype, requires_grad=True)
        assert finite_gradients(LOSSES[loss](x, y, c), x, c)


@pytest.mark.parametrize("num_classes", [1, 2, 5])
def test_the_island_step_is_the_gradient_of_the_pairs(num_classes):
    x, y, c = random_batch(6, num_classes, 3)
    c.requires_grad_()
    pairs = island_loss(x, y, c, weight=10.0) - island_loss(x, y, c, weight=0.0)
    (gradient,) = torch.autograd.grad(pairs, c)
    found = island_center_gradient(c)
    assert not found.requires_grad
    close(found, gradient / (2 * max(1, num_classes - 1)))  # each pair once, and a mean over the others


def test_the_separate_loss_moves_centers_by_the_island_step():
    x, y, c = random_batch(6, 5, 3)
    c.requires_grad_()
    within = (1 - torch.nn.functional.cosine_similarity(x, c[y])).mean()
    (gradient,) = torch.autograd.grad(separate_loss(x, y, c) - within, c)
    close(island_center_gradient(c, weight=2 / 5), gradient)


# --- corner cases, dtypes, errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["contrastive", "triplet", "lossless triplet", "coupled clusters", "triplet center"])
def test_one_sample_of_one_class_costs_nothing(loss):
    x = torch.ones(1, 2, requires_grad=True)
    found = LOSSES[loss](x, torch.tensor([0]), torch.zeros(1, 2))
    assert found.item() == 0
    assert torch.autograd.grad(found, x)[0].tolist() == [[0, 0]]


@pytest.mark.parametrize("loss", LOSSES)
def test_autocast_and_half_precision(loss):
    x, y, c = (value.float() if value.is_floating_point() else value for value in random_batch(32, 7, 16))
    expected = LOSSES[loss](x, y, c).item()
    with torch.autocast("cpu", torch.bfloat16):
        assert LOSSES[loss](x, y, c).item() == pytest.approx(expected, rel=1e-3)
    half = LOSSES[loss](x.bfloat16(), y, c)
    assert half.dtype == torch.float32
    assert half.item() == LOSSES[loss](x.bfloat16().float(), y, c).item()


@pytest.mark.parametrize("loss", LOSSES)
def test_nan_is_refused_and_within_a_training_comes_out_as_nan(loss):
    x, _, c = random_batch(6, 3, 2)
    x[0, 0] = math.nan
    with pytest.raises(ValueError, match=r"^embeddings must be finite, got NaN or infinity in 1 of[^\n]+$"):
        LOSSES[loss](x, torch.tensor([0, 0, 1, 1, 2, 2]), c)
    with nan_passes():
        assert LOSSES[loss](x, torch.tensor([0, 0, 1, 1, 2, 2]), c).isnan()


X, Y, C = torch.zeros(4, 3), torch.zeros(4, dtype=torch.long), torch.zeros(5, 3)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("arguments", "kind", "name"),
    [
        ((X[:0], Y[:0], C), ValueError, "embeddings"),
        ((X.long(), Y, C), TypeError, "embeddings"),
        ((X, Y[:3], C), ValueError, "labels"),
        ((X, Y.float(), C), TypeError, "labels"),
    ],
)
def test_wrong_arguments_are_named(loss, arguments, kind, name):
    with pytest.raises(kind, match=rf"^{name} [^\n]+$"):
        LOSSES[loss](*arguments)


@pytest.mark.parametrize("loss", [triplet_center_loss, island_loss, separate_loss])
def test_wrong_centers_are_named(loss):
    with pytest.raises(ValueError, match=r"^centers [^\n]+$"):
        loss(X, Y, C[:, :2])
    with pytest.raises(ValueError, match=r"^labels must lie in 0..4[^\n]+$"):
        loss(X, Y + 5, C)


@pytest.mark.parametrize(
    ("loss", "option", "value"),
    [
        (lambda **own: contrastive_loss(X, Y, **own), "pos_margin", -1.0),
        (lambda **own: contrastive_loss(X, Y, **own), "neg_margin", math.nan),
        (lambda **own: triplet_loss(X, Y, **own), "margin", math.inf),
        (lambda **own: coupled_clusters_loss(X, Y, **own), "margin", -1.0),
        (lambda **own: triplet_center_loss(X, Y, C, **own), "margin", -1.0),
        (lambda **own: island_loss(X, Y, C, **own), "weight", -1.0),
        (lambda **own: island_center_gradient(C, **own), "weight", math.nan),
        (lambda **own: locality_preserving_loss(X, Y, **own), "neighbors", 0),
    ],
)
def test_wrong_options_are_named(loss, option, value):
    with pytest.raises(ValueError, match=rf"^{option} must be [^\n]+$"):
        loss(**{option: value})
