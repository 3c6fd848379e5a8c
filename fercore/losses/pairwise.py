"""The losses that the four papers compare with or build on, each under its own paper's formula.

Sums over a batch are means here, as in every loss of this package, so that a weight does not depend on the batch size.
A batch that holds no pair or triplet for a loss gives 0, with zero gradients.
"""

import torch
from torch import Tensor

from fercore.checks import at_least_float32, check_embeddings, check_number
from fercore.losses.distances import squared_distances, unit_distances
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
    distances = unit_distances(embeddings)
    positive, negative = pairs(labels)
    near, far = (distances - pos_margin).clamp(min=0), (neg_margin - distances).clamp(min=0)
    return mean_of_nonzero(torch.where(positive, near, 0)) + mean_of_nonzero(torch.where(negative, far, 0))


def triplet_loss(embeddings: Tensor, labels: Tensor, *, margin: float = 0.05) -> Tensor:
    r"""The negative is to be farther than the positive by a margin, in every triplet of the batch (Schroff et al. 2015).

    .. math:: L = \operatorname{mean}^+ \max(0, d_{ap} - d_{an} + \text{margin})

    d is the Euclidean distance of normalized embeddings; the mean is over triplets that violate the margin. The same as
    pytorch-metric-learning's TripletMarginLoss, whose default the margin is. It takes m^3 numbers: 8 MB for a batch of 128.

    Args, Returns, Raises: as `contrastive_loss`.
    """
    check_embeddings(embeddings, labels)
    check_number("margin", margin, least=0)
    distances = unit_distances(embeddings)
    positive, negative = pairs(labels)
    violations = (distances[:, :, None] - distances[:, None, :] + margin).clamp(min=0)
    return mean_of_nonzero(torch.where(positive[:, :, None] & negative[:, None, :], violations, 0))


def lossless_triplet_loss(embeddings: Tensor, labels: Tensor) -> Tensor:
    r"""Triplets on sigmoids, under logarithms, that never stop to contribute (Arsenault 2018).

    .. math:: L = \operatorname{mean}_{a,p,n} -\ln\Bigl(1 - \frac{d_{ap}}{D} + \epsilon\Bigr)
                  - \ln\Bigl(\frac{d_{an}}{D} + \epsilon\Bigr), \quad d_{ij} = \lVert\sigma(x_i) - \sigma(x_j)\rVert^2

    The mean is over all triplets of the batch; TC3L puts class centers in the place of p and n.

    Args, Returns, Raises: as `contrastive_loss`.
    """
    check_embeddings(embeddings, labels)
    s = torch.sigmoid(at_least_float32(embeddings))
    share = (squared_distances(s, s) / s.shape[1]).clamp(max=1)  # rounding may take it above the 1 of the logarithm
    positive, negative = (mask.to(s) for mask in pairs(labels))
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
    x = at_least_float32(embeddings)
    same = labels[:, None] == labels[None]
    with torch.autocast(x.device.type, enabled=False):
        means = same.to(x) @ x / same.sum(dim=1, keepdim=True)  # [m, D]: row i is the mean of i's class
    distances = squared_distances(means, x)
    nearest = distances.masked_fill(same, torch.inf).amin(dim=1)
    return (distances.diagonal() + margin - nearest).clamp(min=0).mean() / 2


def locality_preserving_loss(embeddings: Tensor, labels: Tensor, *, neighbors: int = 20) -> Tensor:
    r"""Each sample is drawn to the mean of its nearest neighbors of the same class (DLP-CNN; Li et al. 2017).

    .. math:: L = \frac{1}{2m} \sum_{i=1}^m \Bigl\lVert x_i - \frac1k \sum_{x \in N_k(x_i)} x \Bigr\rVert^2

    The neighbors are those in the batch; of equally near ones, the first. A class with fewer than k others uses them all,
    and a sample alone of its class adds 0. The mean is a constant of the step: dL/dx_i = (x_i - mean) / m.

    Args:
        embeddings, labels: as `contrastive_loss`.
        neighbors: k, 20 in the paper.

    Returns, Raises: as `contrastive_loss`.
    """
    check_embeddings(embeddings, labels)
    check_number("neighbors", neighbors, least=1)
    x = at_least_float32(embeddings)
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        positive, _ = pairs(labels)
        order = squared_distances(x, x).masked_fill(~positive, torch.inf).argsort(dim=1, stable=True)
        ranks = order.argsort(dim=1)  # ranks[i, j]: how many samples are nearer to i than j is
        chosen = (positive & (ranks < neighbors)).to(x)
        counts = chosen.sum(dim=1, keepdim=True)
        means = torch.where(counts > 0, chosen @ x / counts.clamp(min=1), x)
    return (x - means).square().sum(dim=1).mean() / 2


def pairs(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Two masks [m, m]: pairs of one class without a sample and itself, and pairs of two classes."""
    same = labels[:, None] == labels[None]
    return same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device), ~same


def mean_of_nonzero(values: Tensor) -> Tensor:
    """The mean of those above 0; 0 where there is none."""
    return values.sum() / (values > 0).sum().clamp(min=1)
