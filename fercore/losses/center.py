"""Center loss (Wen et al. 2016; thesis, equation 3.3), and sparse center loss (DACL and g-DACL; thesis, 4.4)."""

import torch.nn.functional as F
from torch import Tensor

from fercore.checks import check_attention, check_fit, finite, promoted


def center_loss(embeddings: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    r"""Half the mean squared distance between each embedding and the center of its own class.

    .. math:: L_C = \frac{1}{2m} \sum_{i=1}^m \lVert x_i - c_{y_i} \rVert_2^2

    Args:
        embeddings: x, [m, D], floating point; half precision is computed in float32.
        labels: y, [m], integers in 0..K-1.
        centers: c, [K, D]. They are moved by `ClassCenters.update`, not by this loss's gradient. Classes that the batch lacks
            are not looked at.

    Returns:
        The scalar loss.

    Raises:
        ValueError: the shapes do not fit, the batch is empty, or a label has no center.
        TypeError: embeddings are not floating point or labels not integers.

    Example:
        >>> import torch
        >>> center_loss(torch.tensor([[3.0, 4.0]]), torch.tensor([0]), torch.zeros(1, 2))
        tensor(12.5000)
    """
    check_fit(embeddings, labels, centers)
    x, c = promoted(embeddings, centers)
    loss = F.mse_loss(x, c.index_select(0, labels.long()), reduction="sum") / (2 * len(x))
    return finite(loss, embeddings=embeddings, centers=centers)


def sparse_center_loss(embeddings: Tensor, labels: Tensor, centers: Tensor, attention: Tensor) -> Tensor:
    r"""Center loss in which every dimension of every sample has a weight of its own.

    .. math:: L_{SC} = \frac{1}{2m} \sum_{i=1}^m \sum_{j=1}^D a_{ij} (x_{ij} - c_{y_i j})^2   \qquad (4.4)

    With a = 1 it is the center loss. Its gradient with respect to a, (x - c)^2 / 2m, is never negative: nothing in this
    loss alone keeps a from falling to 0. (4.13) prints a factor a too many there, erratum E5.

    Args:
        embeddings: x, [m, D], floating point; half precision is computed in float32.
        labels: y, [m], integers in 0..K-1.
        centers: c, [K, D]. They are moved by `ClassCenters.update` with the same attention, by (4.14).
        attention: a, [m, D], in [0, 1]. Its gradient flows on into the attention network.

    Returns:
        The scalar loss.

    Raises:
        ValueError: the shapes do not fit, the batch is empty, a label has no center, or attention leaves [0, 1].
        TypeError: embeddings or attention are not floating point or labels not integers.

    Example:
        >>> import torch
        >>> x, c, a = torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2), torch.tensor([[1.0, 0.5]])
        >>> sparse_center_loss(x, torch.tensor([0]), c, a)  # (9 + 16 / 2) / 2
        tensor(8.5000)
    """
    check_fit(embeddings, labels, centers)
    check_attention(attention, embeddings)
    x, c, a = promoted(embeddings, centers, attention)
    loss = (a * (x - c.index_select(0, labels.long())).square()).sum() / (2 * len(x))
    return finite(loss, embeddings=embeddings, centers=centers)
