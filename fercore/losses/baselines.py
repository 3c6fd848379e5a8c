"""The losses that the four papers compare with or build on, each under its own paper's formula.

Sums over a batch are means here, as in every loss of this package, so that a weight does not depend on the batch size.
A batch that holds no pair or triplet for a loss gives 0, with zero gradients.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from fercore.losses.center import center_loss
from fercore.losses.checks import at_least_float32, check_embeddings, check_number, check_rows
from fercore.losses.dda import squared_distances
from fercore.losses.tc3l import EPSILON

SHORTEST = 1e-12  # a center at the origin has no direction; F.normalize divides by this much at least


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


def triplet_center_loss(embeddings: Tensor, labels: Tensor, centers: Tensor, *, margin: float = 5.0) -> Tensor:
    r"""The own center is to be nearer than the nearest other one (TCL; He et al. 2018).

    .. math:: L = \frac{1}{m} \sum_{i=1}^m \max\bigl(0, D(x_i, c_{y_i}) + \text{margin} - \min_{k \ne y_i} D(x_i, c_k)\bigr),
              \quad D(x, c) = \tfrac12 \lVert x - c \rVert^2

    Args:
        embeddings: x, [m, D], floating point; half precision is computed in float32.
        labels: y, [m], integers in 0..K-1.
        centers: c, [K, D]. With one class the loss is 0.
        margin: 5 as in the paper.

    Returns:
        The scalar loss.

    Raises:
        ValueError: the shapes do not fit, the batch is empty, a label has no center, or the margin is negative or not finite.
        TypeError: embeddings are not floating point or labels not integers.
    """
    check_embeddings(embeddings, labels, centers)
    check_number("margin", margin, least=0)
    distances = squared_distances(at_least_float32(embeddings), at_least_float32(centers)) / 2
    own = F.one_hot(labels.long(), len(centers)).bool()
    nearest = distances.masked_fill(own, torch.inf).amin(dim=1)
    return (distances.gather(1, labels.long()[:, None])[:, 0] + margin - nearest).clamp(min=0).mean()


def island_loss(embeddings: Tensor, labels: Tensor, centers: Tensor, *, weight: float = 10.0) -> Tensor:
    r"""Center loss, and the centers' directions pushed apart (Cai et al. 2018).

    .. math:: L = L_C + \lambda_1 \sum_j \sum_{k \ne j} \bigl(\cos(c_j, c_k) + 1\bigr)

    The second term knows the centers alone: it acts through `island_center_gradient`, in `ClassCenters.update`.

    Args:
        embeddings, labels, centers: as `triplet_center_loss`.
        weight: lambda_1, 10 as in the paper.

    Returns, Raises: as `triplet_center_loss`.
    """
    check_number("weight", weight, least=0)
    own = center_loss(embeddings, labels, centers)
    return own + weight * ((1 + cosines(centers)) * other_pairs(centers)).sum()


def island_center_gradient(centers: Tensor, *, weight: float = 10.0) -> Tensor:
    r"""What the island loss adds to the center step, as its authors have it (Cai et al. 2018).

    .. math:: \frac{\lambda_1}{K - 1} \sum_{k \ne j} \Bigl(\frac{c_k}{\lVert c_k\rVert \lVert c_j\rVert}
              - \frac{c_k \cdot c_j}{\lVert c_k\rVert \lVert c_j\rVert^3} c_j\Bigr)

    It is the second term's gradient with each pair counted once and a mean over the K - 1 others.

    Args:
        centers: c, [K, D].
        weight: lambda_1. With weight = 2 / K it is the gradient of `separate_loss`'s second part.

    Returns:
        [K, D], detached; 0 where there is one class.

    Raises:
        ValueError, TypeError: centers are not [K, D] floating point, or the weight is negative or not finite.
    """
    check_rows("centers", centers, least=1)
    check_number("weight", weight, least=0)
    with torch.no_grad(), torch.autocast(centers.device.type, enabled=False):
        c = at_least_float32(centers)
        lengths = c.norm(dim=1, keepdim=True).clamp(min=SHORTEST)
        unit, others = c / lengths, other_pairs(c)
        sums = others @ unit - (others * (unit @ unit.T)).sum(dim=1, keepdim=True) * unit
        return weight * sums / lengths / max(1, len(c) - 1)


def separate_loss(embeddings: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    r"""The cosine version of center and island loss (Li et al. 2019).

    .. math:: L = \frac{1}{m} \sum_{i=1}^m \bigl(1 - \cos(x_i, c_{y_i})\bigr)
                + \frac{1}{K (K - 1)} \sum_j \sum_{k \ne j} \bigl(1 + \cos(c_j, c_k)\bigr)

    Written after the thesis's words on it (section 2): two cosine parts of equal scale, so that no weight stands between
    them.

    Args, Returns, Raises: as `triplet_center_loss`, but for the margin.
    """
    check_embeddings(embeddings, labels, centers)
    x, c = at_least_float32(embeddings), at_least_float32(centers)
    within = 1 - F.cosine_similarity(x, c[labels.long()], dim=1, eps=SHORTEST)
    between = ((1 + cosines(c)) * other_pairs(c)).sum() / max(1, len(c) * (len(c) - 1))
    return within.mean() + between


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


# --- what they share --------------------------------------------------------------------------------------------------


def unit_distances(embeddings: Tensor) -> Tensor:
    """[m, m] Euclidean distances of the normalized embeddings, with zero gradients between coincident ones."""
    unit = F.normalize(at_least_float32(embeddings), dim=1)
    return torch.cdist(unit, unit, compute_mode="donot_use_mm_for_euclid_dist")


def pairs(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Two masks [m, m]: pairs of one class without a sample and itself, and pairs of two classes."""
    same = labels[:, None] == labels[None]
    return same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device), ~same


def mean_of_nonzero(values: Tensor) -> Tensor:
    """The mean of those above 0; 0 where there is none."""
    return values.sum() / (values > 0).sum().clamp(min=1)


def cosines(centers: Tensor) -> Tensor:
    """[K, K] cosines between centers."""
    with torch.autocast(centers.device.type, enabled=False):
        unit = F.normalize(at_least_float32(centers), dim=1, eps=SHORTEST)
        return unit @ unit.T


def other_pairs(centers: Tensor) -> Tensor:
    """[K, K]: 1 for pairs j != k, 0 else; a factor, for choosing by a mask would make a GPU wait for the number chosen."""
    return 1 - torch.eye(len(centers)).to(centers)
