"""(N+1)-tuplet and (N+M)-tuplet clusters loss (Liu et al. 2017, equations 1 to 10)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fercore.checks import check_choice, check_finite, check_floating, check_like, check_number, check_rows, promoted
from fercore.mining import choose, mean_of

SIGNS = ("metric", "literal")


def n_plus_one_tuplet_loss(query: Tensor, positive: Tensor, negatives: Tensor, *, tau: float) -> Tensor:
    r"""One positive against N negatives, all seen from the query.

    .. math:: L = \log\Bigl(1 + \sum_{j=1}^N \exp\bigl(D(f, f^+) + \tau - D(f, f^-_j)\bigr)\Bigr), \quad
              D(f_1, f_2) = \lVert f_1 - f_2 \rVert^2   \qquad (1)

    Args:
        query: f, [D], floating point; half precision is computed in float32.
        positive: f+, [D], of the query's expression.
        negatives: f-, [N, D]; without any, the loss is 0.
        tau: the margin.

    Returns:
        The scalar loss of one tuple.

    Raises:
        ValueError: the shapes do not fit, or tau is not finite.
        TypeError: an embedding is not floating point.

    Example:
        >>> import torch
        >>> n_plus_one_tuplet_loss(torch.zeros(2), torch.zeros(2), torch.ones(1, 2), tau=2.0)  # log(1 + exp(0 + 2 - 2))
        tensor(0.6931)
    """
    check_number("tau", tau)
    for name, row in (("query", query), ("positive", positive)):
        check_floating(name, row)
        check_finite(name, row)
    if query.ndim != 1 or positive.shape != query.shape:
        raise ValueError(f"query and positive must both have shape [D], got {list(query.shape)} and {list(positive.shape)}")
    check_rows("negatives", negatives, len(query))
    f, f_plus, f_minus = promoted(query, positive, negatives)
    exponents = (f - f_plus).square().sum() + tau - (f - f_minus).square().sum(dim=1)
    return F.pad(exponents, (1, 0)).logsumexp(dim=0)  # exp(0) is the 1


def n_plus_m_tuplet_loss(
    positives: Tensor, negatives: Tensor, *, reference: "float | LearnedReference", tau: float = 2.0, mine: bool = True
) -> Tensor:
    r"""M positives inside, and N negatives outside, a sphere around the center of the mined positives.

    With a constant reference distance T, each of the two sums is a mean:

    .. math:: L = \frac{1}{M^*} \sum_{i=1}^{M^*} \max\bigl(0, D(f^+_i, c^+) - T + \tfrac{\tau}{2}\bigr)
                + \frac{1}{N} \sum_{j=1}^N \max\bigl(0, T + \tfrac{\tau}{2} - D(f^-_j, c^+)\bigr)   \qquad (3)

    With a learned one, H = T - D, and one mean is taken over all, as printed (l = -1 for a positive, +1 for a negative):

    .. math:: L = \frac{1}{N + M^*} \sum_{k=1}^{N + M^*} \max\bigl(0, l_k H(f_k, c^+) + \tfrac{\tau}{2}\bigr)   \qquad (10)

    (9) prints +H for the positives too, erratum E6.

    Args:
        positives: f+, [M, D] with M >= 1, floating point; the query is one of them. Half precision is computed in float32.
        negatives: f-, [N, D]; without any, the negatives' term is 0 and all positives are kept.
        reference: T as a number, a squared distance; or a `LearnedReference`.
        tau: the margin between the two spheres. 2 is the 1 of (10); another one only scales what is learned.
        mine: drop the positives that `mine_positives` drops; False keeps all.

    Returns:
        The scalar loss of one tuple.

    Raises:
        ValueError: the shapes do not fit, there is no positive, or tau or the reference is not finite.
        TypeError: positives or negatives are not floating point.

    Example:
        >>> import torch
        >>> n_plus_m_tuplet_loss(torch.zeros(2, 2), torch.ones(1, 2), reference=1.5, tau=1.0)  # max(0, 1.5 + 0.5 - 2)
        tensor(0.)
    """
    check_number("tau", tau)
    check_rows("positives", positives, least=1)
    check_rows("negatives", negatives, positives.shape[1])
    f_plus, f_minus = promoted(positives, negatives)
    keep = choose(f_plus.detach(), f_minus.detach() if mine else f_minus[:0])  # against no negative all are kept
    center = mean_of(f_plus, keep)
    if isinstance(reference, LearnedReference):
        inside, outside = reference(f_plus, center), reference(f_minus, center)
    else:
        check_number("reference", reference)
        inside, outside = (reference - (rows - center).square().sum(dim=1) for rows in (f_plus, f_minus))
    of_positives = torch.where(keep, (tau / 2 - inside).clamp(min=0), 0).sum()
    of_negatives = (tau / 2 + outside).clamp(min=0).sum()
    if isinstance(reference, LearnedReference):
        return (of_positives + of_negatives) / (keep.sum() + len(f_minus))
    return of_positives / keep.sum() + of_negatives / max(1, len(f_minus))


class LearnedReference(nn.Module):
    r"""H = T - D, reference distance minus squared distance, with T and D's metric learned together.

    .. math:: H(f, c) = \tfrac12 f^T A f + \tfrac12 c^T A c + f^T B c + q^T (f + c) + b   \qquad (7)

    It starts as the constant T = `distance` with the Euclidean metric (with sign "metric").

    Args:
        dim: D, the embedding's size.
        distance: the T it starts from; 2.0 leaves the positives a sphere of radius 1 at tau = 2.
        sign: "metric" takes A = -L_A'L_A and B = L_B'L_B, the one choice that contains (3) with a constant T:
            `-|f - c|^2 = -f'f - c'c + 2 f'c` needs A = -2I and B = 2I. "literal" takes A = +L_A'L_A as (8) prints it:
            erratum E7.

    Shapes:
        embeddings f [n, D], center c [D] -> H [n], in float32 at least.
    """

    def __init__(self, dim: int, *, distance: float = 2.0, sign: str = "metric") -> None:
        super().__init__()
        if dim < 1:
            raise ValueError(f"dim must be at least 1, got {dim}")
        check_number("distance", distance)
        check_choice("sign", sign, SIGNS)
        self.sign = sign
        self.factor_a = nn.Parameter(torch.eye(dim) * 2**0.5)  # L_A
        self.factor_b = nn.Parameter(torch.eye(dim) * 2**0.5)  # L_B
        self.q = nn.Parameter(torch.zeros(dim))
        self.b = nn.Parameter(torch.tensor(float(distance)))

    def forward(self, embeddings: Tensor, center: Tensor) -> Tensor:
        check_rows("embeddings", embeddings, len(self.q))
        check_like("center", center, self.q)
        with torch.autocast(embeddings.device.type, enabled=False):
            f, c, l_a, l_b, q = promoted(embeddings, center, self.factor_a, self.factor_b, self.q)
            a = -1 if self.sign == "metric" else 1
            squares = (f @ l_a.T).square().sum(dim=1) + (l_a @ c).square().sum()
            return a * squares / 2 + (f @ l_b.T) @ (l_b @ c) + (f + c) @ q + self.b

    def extra_repr(self) -> str:
        return f"dim={len(self.q)}, sign={self.sign}"
