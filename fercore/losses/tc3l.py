"""Triplet loss-less center loss and its adaptive margin (TC3L, AMTC3L; Rajoli et al. 2023), a reconstruction.

The formulas are missing from the paper's text: equations 3 to 5 are rebuilt from the words around them and from Arsenault
(2018), whose loss the paper names. Both losses take the negative prototype n from `fercore.samplers`.
"""

from torch import Tensor

from fercore.checks import check_attention, check_choice, check_embeddings, check_like, check_number, promoted
from fercore.choices import FORMS, MARGIN_GRADIENTS, REDUCTIONS

EPSILON = 1e-8  # Arsenault's own: it bounds the logarithm at -ln(1e-8) = 18.4


def tc3l_loss(
    embeddings: Tensor,
    labels: Tensor,
    centers: Tensor,
    negatives: Tensor,
    *,
    margin: float | None = None,
    dim_reduction: str = "mean",
    form: str = "hinge",
) -> Tensor:
    r"""Triplet loss on sigmoids: the own center is the positive, the sampler's prototype the negative.

    .. math:: L = \frac{1}{m} \sum_{i=1}^m \frac{1}{D} \max\Bigl(0, \sum_{j=1}^D (u_{ij} - v_{ij}) + \text{margin}\Bigr),
              \quad u_{ij} = (\sigma(x_{ij}) - \sigma(c_{y_i j}))^2, \quad v_{ij} = (\sigma(x_{ij}) - \sigma(n_{ij}))^2

    u and v lie in [0, 1): with margin D no sample is ever clipped, which is what "loss-less" means.

    Args:
        embeddings: x, [m, D], floating point, not rectified; half precision is computed in float32.
        labels: y, [m], integers in 0..K-1.
        centers: c, [K, D], moved by `ClassCenters.update`.
        negatives: n, [m, D], a constant of the step.
        margin: None means D, the loss-less one.
        dim_reduction: "mean" divides a sample's term by D, so that the loss's weight does not depend on the size of the
            embedding; "sum" does not.
        form: "hinge" is the paper's. "log" is Arsenault's: with d_p = sum_j u_ij and d_n = sum_j v_ij,
            -ln(1 - d_p/D + eps) - ln(d_n/D + eps); it has no margin, and D is in it already.

    Returns:
        The scalar loss.

    Raises:
        ValueError: the shapes do not fit, the batch is empty, a label has no center, an option is unknown, the margin is
            negative or not finite, or the log form is given a margin or a sum.
        TypeError: embeddings or negatives are not floating point or labels not integers.

    Example:
        >>> import torch
        >>> x = torch.zeros(1, 2)
        >>> tc3l_loss(x, torch.tensor([0]), torch.zeros(2, 2), torch.zeros(1, 2))  # u = v = 0: the margin alone
        tensor(1.)
    """
    check_choice("dim_reduction", dim_reduction, REDUCTIONS)
    check_choice("form", form, FORMS)
    if form == "log" and (margin is not None or dim_reduction != "mean"):
        raise ValueError("form 'log' has no margin, and dim_reduction 'mean' alone: leave both as they are")
    check_embeddings(embeddings, labels, centers)
    check_like("negatives", negatives, embeddings)
    x, c, n = promoted(embeddings, centers, negatives)
    s, p, n = x.sigmoid(), c.index_select(0, labels.long()).sigmoid(), n.sigmoid()
    if form == "log":
        u, v = (s - p).square(), (s - n).square()
        return (-(1 - u.mean(dim=1) + EPSILON).log() - (v.mean(dim=1) + EPSILON).log()).mean()
    dim = x.shape[1]
    if margin is None:
        margin = dim
    check_number("margin", margin, least=0)
    loss = (nearer(s, p, n).sum(dim=1) + margin).clamp(min=0).mean()
    return loss / dim if dim_reduction == "mean" else loss


def amtc3l_loss(
    embeddings: Tensor,
    labels: Tensor,
    centers: Tensor,
    negatives: Tensor,
    attention: Tensor,
    *,
    margin_grad: str = "detached",
    dim_reduction: str = "mean",
) -> Tensor:
    r"""TC3L with a weight for each dimension, and the sum of a sample's weights as its margin.

    .. math:: L = \frac{1}{m} \sum_{i=1}^m \frac{1}{D} \max\Bigl(0, \sum_{j=1}^D a_{ij} (u_{ij} - v_{ij}) + m_i\Bigr),
              \quad m_i = \sum_{j=1}^D a_{ij}

    A sample's term is sum_j a_ij (1 + u_ij - v_ij) >= 0: it always contributes, and "the number of features multiplied by
    zero makes the margin vary sample by sample". With a = 1 it is TC3L with margin D.

    Args:
        embeddings, labels, centers, negatives, dim_reduction: as `tc3l_loss`.
        attention: a, [m, D], in [0, 1].
        margin_grad: "detached" takes m_i as a number: a rises where the negative is farther than the own center, and
            falls where it is nearer. "attached" sends a gradient through m_i as well; then dL/da ~ 1 + u - v > 0
            everywhere, and a collapses to 0. The value is the same.

    Returns:
        The scalar loss.

    Raises:
        ValueError, TypeError: as `tc3l_loss`; attention must have the embeddings' shape and lie in [0, 1].

    Example:
        >>> import torch
        >>> x, a = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])
        >>> amtc3l_loss(x, torch.tensor([0]), torch.zeros(2, 2), torch.zeros(1, 2), a)
        tensor(0.5000)
    """
    check_choice("margin_grad", margin_grad, MARGIN_GRADIENTS)
    check_choice("dim_reduction", dim_reduction, REDUCTIONS)
    check_embeddings(embeddings, labels, centers)
    check_like("negatives", negatives, embeddings)
    check_attention(attention, embeddings)
    x, c, n, a = promoted(embeddings, centers, negatives, attention)
    s, p, n = x.sigmoid(), c.index_select(0, labels.long()).sigmoid(), n.sigmoid()
    margin = a if margin_grad == "attached" else a.detach()
    loss = ((a * nearer(s, p, n)).sum(dim=1) + margin.sum(dim=1)).clamp(min=0).mean()
    return loss / x.shape[1] if dim_reduction == "mean" else loss


def nearer(s: Tensor, p: Tensor, n: Tensor) -> Tensor:
    """u - v = (s - p)^2 - (s - n)^2, [m, D], as a product: quicker, and without the rounding of the squares."""
    return (n - p) * (2 * s - p - n)
