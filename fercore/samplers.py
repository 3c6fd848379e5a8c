"""Negative-sample selection for TC3L and AMTC3L (Rajoli et al. 2023): MS-NSS, NS-NSS, MM-NSS.

Each returns one negative prototype a sample, [m, D], without a gradient: the chosen center is a constant of the step.
A sample's own class never serves as its negative; of equally good classes the lowest index does.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from fercore.checks import (
    check_choice,
    check_classes,
    check_embeddings,
    check_finite,
    check_floating,
    check_range,
    check_tensor,
    is_readable,
    promoted,
)
from fercore.choices import MEMORIES
from fercore.losses.class_centers import FullPrecision
from fercore.losses.distances import squared_distances
from fercore.parallel.sums import all_reduce

LOOP_CLASSES = 16  # up to so many classes a pass for each is as fast as sorting them
SORTED_AT_ONCE = 2**19  # numbers: 10 MB with their positions, so that 10,000 classes of 512 dimensions stay below 20 MB


@torch.no_grad()
def ms_nss(embeddings: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    r"""Fully synthesized negatives: in every dimension the coordinate of the nearest other center.

    .. math:: n_{ij} = c_{k^* j}, \qquad k^* = \arg\min_{k \ne y_i} |x_{ij} - c_{kj}|

    Args:
        embeddings: x, [m, D], floating point.
        labels: y, [m], integers in 0..K-1.
        centers: c, [K, D] with K >= 2.

    Returns:
        n, [m, D]; NaN where x is not finite.

    Raises:
        ValueError: the shapes do not fit, the batch is empty, a label has no center, or there is one class alone.
        TypeError: embeddings are not floating point or labels not integers.

    Example:
        >>> centers = torch.tensor([[0.0, 0.0], [1.0, 9.0], [9.0, 1.0]])
        >>> ms_nss(torch.zeros(1, 2), torch.tensor([0]), centers)
        tensor([[1., 1.]])
    """
    check_negatives(embeddings, labels, centers)
    (x, c), y = promoted(embeddings, centers), labels.long()
    nearest = nearest_by_loop if len(c) <= LOOP_CLASSES else nearest_by_sorting
    return torch.where(x.isfinite(), nearest(x, y, c), torch.nan)


@torch.no_grad()
def ns_nss(predictions: Tensor, labels: Tensor, centers: Tensor, misclassified: Tensor) -> Tensor:
    r"""Negatives that the network itself names: the center of the class it took the sample, or its like, for.

    A wrong prediction gives the predicted class. A right one gives the class that most often defeated class y, the
    largest entry of row y of S; where that row is empty, the class whose center is nearest to the own one.

    Args:
        predictions: the predicted classes, [m], integers in 0..K-1.
        labels: y, [m], integers in 0..K-1.
        centers: c, [K, D] with K >= 2.
        misclassified: S, [K, K]: how often class (row) was taken for class (column); the diagonal is not read.

    Returns:
        n, [m, D].

    Raises:
        ValueError: the shapes do not fit, the batch is empty, a class is out of range, a count is negative or NaN, or
            there is one class alone.
        TypeError: predictions or labels are not integers.

    Example:
        >>> centers, record = torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([[0, 1, 3], [0, 0, 0], [0, 0, 0]])
        >>> predictions, labels = torch.tensor([1, 0, 1]), torch.tensor([0, 0, 1])
        >>> ns_nss(predictions, labels, centers, record)[:, 0]  # predicted; most frequent rival; nearest center
        tensor([1., 5., 0.])
    """
    check_predictions(predictions, labels, centers, misclassified)
    (c,), y, guess = promoted(centers), labels.long(), predictions.long()
    own = F.one_hot(y, len(c)).bool()
    counts = misclassified[y].to(c).masked_fill(own, -1)
    nearness = (-squared_distances(c[y], c)).masked_fill(own, -torch.inf)
    rival = torch.where(counts.amax(dim=1) > 0, lowest_argmax(counts), lowest_argmax(nearness))
    return c[torch.where(guess == y, rival, guess)]


@torch.no_grad()
def mm_nss(
    embeddings: Tensor, predictions: Tensor, labels: Tensor, centers: Tensor, misclassified: Tensor | None = None
) -> Tensor:
    """Semi-synthesized negatives: a wrong prediction gives the predicted class's center, a right one the MS negative.

    Args:
        embeddings: x, [m, D], floating point.
        predictions, labels, centers: as `ns_nss`.
        misclassified: S, which the paper's signature has and both rules that meet here do without; None, or checked alone.

    Returns:
        n, [m, D].

    Raises:
        ValueError, TypeError: as `ms_nss` and `ns_nss`.
    """
    check_predictions(predictions, labels, centers, misclassified)
    synthesized = ms_nss(embeddings, labels, centers)
    guess = predictions.long()
    return torch.where((guess == labels.long())[:, None], synthesized, centers.to(synthesized)[guess])


class MisclassificationRecord(FullPrecision):
    """The matrix S of NS-NSS: how often each class (row) was taken for each other (column). A buffer, saved with the model.

    Args:
        num_classes: K.
        memory: "running" counts from the start of the training. "batch" keeps the last batch alone, as the paper's "with
            that minibatch" can be read. "decay" fades what it has by `decay` at each update, so that S follows the network.
        decay: the factor of "decay"; 0.99 remembers about the last 100 batches.
        across_processes: with torch.distributed, `update` adds up what all processes see, each of them a share. False
            where each sees the whole batch, as `fercore.train` shows it.

    Attributes:
        matrix: S, [K, K], float32 also in a model of half precision, zeros on the diagonal.

    Example:
        >>> record = MisclassificationRecord(3)
        >>> record.update(torch.tensor([1, 0, 1]), torch.tensor([0, 0, 2]))
        >>> record.matrix.tolist()
        [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """

    matrix: Tensor

    def __init__(
        self, num_classes: int, *, memory: str = "running", decay: float = 0.99, across_processes: bool = True
    ) -> None:
        super().__init__()
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2, got {num_classes}")
        check_choice("memory", memory, MEMORIES)
        if not 0 < decay < 1:
            raise ValueError(f"decay must lie between 0 and 1, got {decay}")
        self.memory, self.across_processes = memory, across_processes
        self.keep = {"running": 1.0, "batch": 0.0, "decay": decay}[memory]
        self.register_buffer("matrix", torch.zeros(num_classes, num_classes))

    @torch.no_grad()
    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Add a batch's mistakes (of all processes together); before `ns_nss`, which then knows this batch too.

        Args:
            predictions, labels: [m], integers in 0..K-1.
        """
        num_classes = len(self.matrix)
        check_tensor("labels", labels)
        for name, classes in (("predictions", predictions), ("labels", labels)):
            check_classes(name, classes, len(labels))
            check_range(name, classes, num_classes)
        true, taken_for = (F.one_hot(classes.long(), num_classes).to(self.matrix) for classes in (labels, predictions))
        with torch.autocast(self.matrix.device.type, enabled=False):
            counts = (true.T @ taken_for).fill_diagonal_(0)  # a matrix product sums in a fixed order
        self.matrix.mul_(self.keep).add_(all_reduce(counts) if self.across_processes else counts)

    def extra_repr(self) -> str:
        return f"num_classes={len(self.matrix)}, memory={self.memory}"


# --- the nearest other center, dimension by dimension -----------------------------------------------------------------


def nearest_by_loop(x: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """[m, D]: one pass over the samples for each class, in m x D numbers; a later class must be strictly nearer."""
    best, negatives = torch.full_like(x, torch.inf), torch.full_like(x, torch.nan)
    for k, center in enumerate(centers):
        distance = (x - center).abs()
        nearer = (distance < best) & (labels != k)[:, None]
        best, negatives = torch.where(nearer, distance, best), torch.where(nearer, center, negatives)
    return negatives


def nearest_by_sorting(x: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """[m, D]: K log K for each dimension and log K for each sample, a few dimensions at a time.

    The same as the loop, but for embeddings so far out that rounding makes all centers equally distant: there the loop
    takes the lowest class, and this the center that is nearest in truth.
    """
    at_once = max(1, SORTED_AT_ONCE // len(centers))
    parts = zip(x.split(at_once, dim=1), centers.split(at_once, dim=1), strict=True)
    return torch.cat([nearest_sorted(a.T.contiguous(), labels, c.T.contiguous()).T for a, c in parts], dim=1)


def nearest_sorted(x: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """[d, m] from x [d, m] and centers [d, K]: of the sorted centers, the nearest two around x that are not the own one."""
    values, classes = centers.sort(dim=1, stable=True)  # equal centers stay in the order of their classes
    last = values.shape[1] - 1

    def is_own(position: Tensor) -> Tensor:
        return (classes.gather(1, position.clamp(0, last)) == labels).long()

    above = torch.searchsorted(values, x, right=True)
    below = above - 1
    below, above = below - is_own(below), above + is_own(above)
    low, high = values.gather(1, below.clamp(0, last)), values.gather(1, above.clamp(0, last))
    first_below = torch.searchsorted(values, low)  # the lowest class among centers equal to `low`, but for the own one
    first_below += is_own(first_below)
    lower_class = classes.gather(1, first_below.clamp(0, last)) < classes.gather(1, above.clamp(0, last))
    to_low, to_high = x - low, high - x
    low_wins = (to_low < to_high) | ((to_low == to_high) & lower_class)
    return torch.where((above > last) | ((below >= 0) & low_wins), low, high)


def lowest_argmax(values: Tensor) -> Tensor:
    """[m]: the first position of each row's maximum, which argmax does not promise; NaN counts as lowest."""
    values = torch.where(values.isnan(), -torch.inf, values)
    positions = torch.arange(values.shape[1], device=values.device)
    return torch.where(values == values.amax(dim=1, keepdim=True), positions, values.shape[1]).amin(dim=1)


# --- checks -----------------------------------------------------------------------------------------------------------


def check_negatives(embeddings: Tensor, labels: Tensor, centers: Tensor) -> None:
    """Raise ValueError or TypeError unless every sample can have a negative."""
    check_embeddings(embeddings, labels, centers)
    if len(centers) < 2:
        raise ValueError(f"centers must have shape [K, D] with K >= 2, or there is no negative, got {list(centers.shape)}")


def check_predictions(predictions: Tensor, labels: Tensor, centers: Tensor, misclassified: Tensor | None) -> None:
    """Raise ValueError or TypeError unless predictions [m], labels [m], centers [K, D] and S [K, K] fit each other."""
    check_floating("centers", centers)
    if centers.ndim != 2 or len(centers) < 2:
        raise ValueError(f"centers must have shape [K, D] with K >= 2, or there is no negative, got {list(centers.shape)}")
    check_finite("centers", centers)
    check_tensor("labels", labels)
    if labels.ndim != 1 or len(labels) == 0:
        raise ValueError(f"labels must have shape [m] with m >= 1, got {list(labels.shape)}")
    for name, classes in (("labels", labels), ("predictions", predictions)):
        check_classes(name, classes, len(labels))
        check_range(name, classes, len(centers))
    if misclassified is None:
        return
    check_tensor("misclassified", misclassified)
    if misclassified.shape != (len(centers), len(centers)):
        raise ValueError(f"misclassified must have shape {[len(centers)] * 2}, got {list(misclassified.shape)}")
    if is_readable(misclassified) and not bool(misclassified.double().min() >= 0):
        raise ValueError("misclassified must hold counts of 0 or more, got a negative one or NaN")
