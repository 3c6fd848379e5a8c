"""The losses that the four papers compare with or build on, each under its own paper's formula.

Sums over a batch are means here, as in every loss of this package, so that a weight does not depend on the batch size.
A batch that holds no pair or triplet for a loss gives 0, with zero gradients.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from fercore.checks import check_embeddings, check_number, promoted
from fercore.losses.distances import nearness, squared_distances_among, unit_distances, wide_type
from fercore.losses.tc3l import EPSILON


def contrastive_loss(embeddings: Tensor, labels: Tensor, *, pos_margin: float = 0.0, neg_margin: float = 1.0) -> Tensor:
    r"""Pulls pairs of one class together and pushes pairs of two classes apart (Hadsell et al. 2006).

    .. math:: L = \operatorname{mean}^+ \max(0, d_{ij} - m_+) + \operatorname{mean}^+ \max(0, m_- - d_{ij})

    d is the Euclidean distance of normalized embeddings; the first mean is over pairs of one class, the second over the
    others, both over what is not 0 alone. The same as pytorch-metric-learning's ContrastiveLoss, whose defaults these are.

    Args:
        embeddings: x, [m, D], floating point; half precision is computed in float32.
        labels: y, [m], integers.
        pos_margin: the distance that a pair of one class may keep.
        neg_margin: the distance that other pairs should have; 2 is the most there can be.

    Returns:
        The scalar loss.

    Raises:
        ValueError: the shapes do not fit, the batch is empty, or a margin is negative or not finite.
        TypeError: embeddings are not floating point or labels not integers.
    """
    check_embeddings(embeddings, labels)
    check_number("pos_margin", pos_margin, least=0)
    check_number("neg_margin", neg_margin, least=0)
    distances = unit_distances(*promoted(embeddings))
    positive, negative = pairs(labels)
    near, far = (distances - pos_margin).clamp(min=0), (neg_margin - distances).clamp(min=0)
    return mean_of_nonzero(near * positive) + mean_of_nonzero(far * negative)


def triplet_loss(embeddings: Tensor, labels: Tensor, *, margin: float = 0.05) -> Tensor:
    r"""The negative is to be farther than the positive by a margin, in every triplet of the batch (Schroff et al. 2015).

    .. math:: L = \operatorname{mean}^+ \max(0, d_{ap} - d_{an} + \text{margin})

    d is the Euclidean distance of normalized embeddings; the mean is over triplets that violate the margin. The same as
    pytorch-metric-learning's TripletMarginLoss, whose default the margin is. The m^3 triplets are never listed: of an anchor's
    sorted negatives those that violate a positive's margin are the first, and a cumulative sum has their distances.

    Args, Returns, Raises: as `contrastive_loss`.
    """
    check_embeddings(embeddings, labels)
    check_number("margin", margin, least=0)
    distances = unit_distances(*promoted(embeddings))
    wide = distances.to(wide_type(distances))  # what is left of two long sums is to have float32's digits
    positive, negative = pairs(labels)
    reach, far = wide + margin, wide.masked_fill(~negative, torch.inf).sort(dim=1).values
    counts = torch.searchsorted(far.detach(), reach.detach()) * positive  # [m, m]: negatives that violate a and p's margin
    sums = F.pad(far.masked_fill(far.isinf(), 0).cumsum(dim=1), (1, 0))
    violations = counts * reach - sums.gather(1, counts)
    return (violations.sum() / counts.sum().clamp(min=1)).to(distances)


def lossless_triplet_loss(embeddings: Tensor, labels: Tensor) -> Tensor:
    r"""Triplets on sigmoids, under logarithms, that never stop to contribute (Arsenault 2018).

    .. math:: L = \operatorname{mean}_{a,p,n} -\ln\Bigl(1 - \frac{d_{ap}}{D} + \epsilon\Bigr)
                  - \ln\Bigl(\frac{d_{an}}{D} + \epsilon\Bigr), \quad d_{ij} = \lVert\sigma(x_i) - \sigma(x_j)\rVert^2

    The mean is over all triplets of the batch; TC3L puts class centers in the place of p and n.

    Args, Returns, Raises: as `contrastive_loss`.
    """
    check_embeddings(embeddings, labels)
    (x,) = promoted(embeddings)
    # rounding may take it above the 1 of the logarithm
    share = (squared_distances_among(x.sigmoid()) / x.shape[1]).clamp(max=1)
    positive, negative = (mask.to(x) for mask in pairs(labels))
    of_positives = (positive * -(1 - share + EPSILON).log()).sum(dim=1)
    of_negatives = (negative * -(share + EPSILON).log()).sum(dim=1)
    positives, negatives = positive.sum(dim=1), negative.sum(dim=1)
    triplets = (positives * negatives).sum().clamp(min=1)
    return (of_positives * negatives + of_negatives * positives).sum() / triplets


def coupled_clusters_loss(embeddings: Tensor, labels: Tensor, *, margin: float = 1.0) -> Tensor:
    r"""Each sample is to be nearer to its class's mean than the nearest stranger (CCL; Liu et al. 2016).

    .. math:: L = \frac{1}{2m} \sum_{i=1}^m \max\bigl(0, \lVert x_i - \bar x_{y_i} \rVert^2 + \text{margin}
                  - \min_{j: y_j \ne y_i} \lVert x_j - \bar x_{y_i} \rVert^2\bigr)

    The mean is that of the class's samples in the batch: each class is the positive set once, all others its negatives.

    Args:
        embeddings, labels: as `contrastive_loss`.
        margin: in units of a squared distance; 1.0 is this project's choice.

    Returns, Raises: as `contrastive_loss`.
    """
    check_embeddings(embeddings, labels)
    check_number("margin", margin, least=0)
    (x,) = promoted(embeddings)
    same = ~pairs(labels)[1]
    with torch.autocast(x.device.type, enabled=False):
        means = same.to(x) @ x / same.sum(dim=1, keepdim=True)  # [m, D]: row i is the mean of i's class
    near = nearness(means, x)
    nearest = near.masked_fill(same, -torch.inf).amax(dim=1)
    return ((nearest - near.diagonal() + margin).clamp(min=0).mean() / 2).to(x)


def locality_preserving_loss(embeddings: Tensor, labels: Tensor, *, neighbors: int = 20) -> Tensor:
    r"""Each sample is drawn to the mean of its nearest neighbors of the same class (DLP-CNN; Li et al. 2017).

    .. math:: L = \frac{1}{2m} \sum_{i=1}^m \Bigl\lVert x_i - \frac1k \sum_{x \in N_k(x_i)} x \Bigr\rVert^2

    The neighbors are those in the batch; of equally near ones (as float32 numbers), the first. A class with fewer than k
    others uses them all, and a sample alone of its class adds 0. The mean is a constant of the step: dL/dx_i is
    (x_i - mean) / m.

    Args:
        embeddings, labels: as `contrastive_loss`.
        neighbors: k, 20 in the paper.

    Returns, Raises: as `contrastive_loss`.
    """
    check_embeddings(embeddings, labels)
    check_number("neighbors", neighbors, least=1)
    (x,) = promoted(embeddings)
    with torch.no_grad():
        positive, _ = pairs(labels)
        nearest = first_nearest(squared_distances_among(x).masked_fill(~positive, torch.inf), min(neighbors, len(x)))
        chosen = positive.gather(1, nearest).to(x)
        counts = chosen.sum(dim=1, keepdim=True)
        sums = F.embedding_bag(nearest, x, per_sample_weights=chosen, mode="sum")  # no [m, k, D] tensor
        means = torch.where(counts > 0, sums / counts.clamp(min=1), x)
    return (x - means).square().sum(dim=1).mean() / 2


def first_nearest(distances: Tensor, k: int) -> Tensor:
    """[m, k]: the columns of each row's k smallest, and of equal ones (as float32 numbers) the first.

    `topk` promises no order among equals. The bits of a float32 that is not negative have its order: with the column's
    number below them, no two are equal.
    """
    bits = distances.float().view(torch.int32).long()
    columns = torch.arange(len(distances), device=distances.device)
    return ((bits << 32) + columns).topk(k, dim=1, largest=False).indices


def pairs(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Two masks [m, m]: pairs of one class without a sample and itself, and pairs of two classes."""
    labels = labels.long()  # not every type of integers can be compared
    same = labels[:, None] == labels
    return same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device), ~same


def mean_of_nonzero(values: Tensor) -> Tensor:
    """The mean of those above 0; 0 where there is none."""
    return values.sum() / (values > 0).sum().clamp(min=1)
