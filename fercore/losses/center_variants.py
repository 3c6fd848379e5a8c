"""The losses of class centers that the papers discuss beside their own."""

import torch
import torch.nn.functional as F
from torch import Tensor

from fercore.checks import check_embeddings, check_fit, check_number, check_rows, finite, promoted
from fercore.losses.center import center_loss
from fercore.losses.distances import nearness

SHORTEST = 1e-12  # a center at the origin has no direction; F.normalize divides by this much at least


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
    x, c = promoted(embeddings, centers)
    near, own = nearness(x, c), labels.long()[:, None]
    nearest = near.scatter(1, own, -torch.inf).amax(dim=1, keepdim=True)
    return ((nearest - near.gather(1, own)) / 2 + margin).clamp(min=0).mean().to(x)


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
    _, c = promoted(embeddings, centers)
    return finite(own + weight * ((1 + cosines(c)) * other_pairs(c)).sum(), centers=centers)


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
        (c,) = promoted(centers)
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
    check_fit(embeddings, labels, centers)
    x, c = promoted(embeddings, centers)
    within = 1 - F.cosine_similarity(x, c.index_select(0, labels.long()), dim=1, eps=SHORTEST)
    between = ((1 + cosines(c)) * other_pairs(c)).sum() / max(1, len(c) * (len(c) - 1))
    return finite(within.mean() + between, embeddings=embeddings, centers=centers)


def cosines(centers: Tensor) -> Tensor:
    """[K, K] cosines between centers."""
    with torch.autocast(centers.device.type, enabled=False):
        unit = F.normalize(centers, dim=1, eps=SHORTEST)
        return unit @ unit.T


def other_pairs(centers: Tensor) -> Tensor:
    """[K, K]: 1 for pairs j != k, 0 else; a factor, for choosing by a mask would make a GPU wait for the number chosen."""
    return 1 - torch.eye(len(centers)).to(centers)
