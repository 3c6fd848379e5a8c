"""Center loss (Wen et al. 2016; thesis, equation 3.3)."""

from torch import Tensor

from fercore.losses.checks import at_least_float32, check_embeddings


def center_loss(embeddings: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    r"""Half the mean squared distance between each embedding and the center of its own class.

    .. math:: L_C = \frac{1}{2m} \sum_{i=1}^m \lVert x_i - c_{y_i} \rVert_2^2

    Args:
        embeddings: x, [m, D], floating point; half precision is computed in float32.
        labels: y, [m], integers in 0..K-1.
        centers: c, [K, D]. They are moved by `ClassCenters.update`, not by this loss's gradient.

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
    check_embeddings(embeddings, labels, centers)
    x, c = at_least_float32(embeddings), at_least_float32(centers)
    return (x - c[labels.long()]).square().sum(dim=1).mean() / 2
