"""Discriminant distribution-agnostic loss (DDA; thesis, chapter 3, equations 3.5 to 3.10)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from fercore.checks import check_choice, check_embeddings, check_fit, finite, promoted
from fercore.choices import NORMALIZATIONS
from fercore.losses.distances import nearness


def dda_loss(embeddings: Tensor, labels: Tensor, centers: Tensor, *, normalization: str = "paper") -> Tensor:
    r"""Cross entropy of a softmax over negative squared distances to all class centers, halved.

    .. math:: L_{DDA} = -\frac{1}{2m} \sum_{i=1}^m \log p_{i,y_i}, \qquad
              p_{ik} = \frac{e^{-\lVert x_i - c_k \rVert^2}}{\sum_l e^{-\lVert x_i - c_l \rVert^2}}   \qquad (3.5)

    p is the posterior of a mixture of K Gaussians with equal priors and variance 1/2: no class count enters.

    For float32 embeddings the value has float32's accuracy, and the gradient is off by no more than rounding every number in
    x and c once more would move it, also where two centers lie close together and all others far away (`nearness`).

    Args:
        embeddings: x, [m, D], floating point; half precision is computed in float32.
        labels: y, [m], integers in 0..K-1.
        centers: c, [K, D].
        normalization: "paper" divides the sum by 2m as printed; "released" by 2m^2, as the authors' code does
            (the mean of `nll_loss`, divided by m once more). There m is the batch of one process: in a
            loop where each process sees a share, this form, unlike the printed one, depends on how a batch is divided
            (`fercore.train` shows every process the whole batch).

    Returns:
        The scalar loss; 0 when there is one class.

    Raises:
        ValueError: the shapes do not fit, the batch is empty, a label has no center, or normalization is unknown.
        TypeError: embeddings are not floating point or labels not integers.

    Example:
        >>> import torch
        >>> dda_loss(torch.zeros(1, 2), torch.tensor([0]), torch.tensor([[0.0, 1.0], [1.0, 0.0]]))  # log(2) / 2
        tensor(0.3466)
    """
    check_fit(embeddings, labels, centers)
    x, c = promoted(embeddings, centers)
    factor = extra_factor(len(x), normalization) / 2
    loss = (factor * F.cross_entropy(nearness(x, c), labels.long())).to(x)
    return finite(loss, embeddings=embeddings, centers=centers)


def dda_center_gradient(embeddings: Tensor, labels: Tensor, centers: Tensor, *, normalization: str = "paper") -> Tensor:
    r"""The gradient of the DDA loss with respect to the centers, which (3.10) adds to the center step.

    .. math:: \frac{\partial L_{DDA}}{\partial c_k} = \frac{1}{m} \sum_{i=1}^m (\delta_{k,y_i} - p_{ik}) (c_k - x_i)

    This is the right gradient; (3.10) prints c_{y_i} for c_k, an erratum that chapter 02 shows by finite differences.

    Args, Raises: as `dda_loss`.

    Returns:
        [K, D], detached.
    """
    check_embeddings(embeddings, labels, centers)
    x, c = promoted(embeddings.detach(), centers.detach())
    posterior = nearness(x, c).softmax(dim=1)
    weight = (F.one_hot(labels.long(), len(c)) - posterior).to(x)
    with torch.autocast(x.device.type, enabled=False):
        gradient = (weight.sum(dim=0)[:, None] * c - weight.T @ x) / len(x)
    return gradient * extra_factor(len(x), normalization)


def extra_factor(batch_size: int, normalization: str) -> float:
    """What the released code multiplies the printed loss with: 1/m; the paper's text: 1."""
    check_choice("normalization", normalization, NORMALIZATIONS)
    return 1 / batch_size if normalization == "released" else 1.0
