"""Class centers: the state that center loss, DDA, DACL and (A)MTC3L share, and the step that moves it."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fercore.checks import at_least_float32, check_attention, check_choice, check_embeddings
from fercore.choices import INITS
from fercore.parallel.sums import all_reduce, world_size


class ClassCenters(nn.Module):
    """One center for each class, kept as a buffer: saved with the model, moved by `.to(device)`, never by an optimizer.

    Args:
        num_classes: K.
        dim: D, the embedding's size.
        alpha: the step size of `update`, 0.5 in Wen et al. (2016) and in the thesis.
        init: "he" draws from N(0, 2/D), He et al.'s rule for a [K, D] tensor with fan-in D. "released" draws from
            N(0, 2/K): the authors' DDA code calls the initializer on the transposed tensor. The text of the thesis
            says "randomly initialized according to the He method" and not which.
        across_processes: with torch.distributed, `update` adds up what all processes see, each of them a share. False
            where each sees the whole batch, as `fercore.train` shows it.

    Attributes:
        centers: c, [K, D], float32.

    Example:
        >>> centers = ClassCenters(num_classes=10, dim=2)
        >>> centers.update(torch.zeros(4, 2), torch.tensor([0, 0, 1, 2]))
        >>> centers.centers.shape
        torch.Size([10, 2])
    """

    centers: Tensor

    def __init__(
        self, num_classes: int, dim: int, *, alpha: float = 0.5, init: str = "he", across_processes: bool = True
    ) -> None:
        super().__init__()
        if num_classes < 1 or dim < 1:
            raise ValueError(f"num_classes and dim must be at least 1, got {num_classes} and {dim}")
        check_choice("init", init, INITS)
        self.alpha, self.across_processes = alpha, across_processes
        fan_in = dim if init == "he" else num_classes
        self.register_buffer("centers", torch.randn(num_classes, dim) * math.sqrt(2 / fan_in))

    @torch.no_grad()
    def update(
        self, embeddings: Tensor, labels: Tensor, attention: Tensor | None = None, *, gradient: Tensor | None = None
    ) -> None:
        """Move the centers one step: c <- c - alpha * (delta + gradient), with `center_step`'s delta.

        Call it after the optimizer's step, with the embeddings of the forward pass. It is no gradient step on the
        joint loss: neither lambda nor the loss's scale nor the learning rate enters.

        Args:
            embeddings: x, [m, D].
            labels: y, [m], integers in 0..K-1.
            attention: a, [m, D], for the sparse center loss; None weighs every dimension by 1.
            gradient: [K, D], added to delta: DDA's `dda_center_gradient`, by (3.10).

        With torch.distributed initialized, class sums and counts are those of all processes together (and `gradient`
        their mean), so that N processes with batch b move the centers as one with batch N*b does.
        """
        step = center_step(embeddings, labels, self.centers, attention, across_processes=self.across_processes)
        if gradient is not None:
            gradient = gradient.to(step)
            step = step + (all_reduce(gradient) / world_size() if self.across_processes else gradient)
        self.centers -= self.alpha * step

    def extra_repr(self) -> str:
        return f"num_classes={len(self.centers)}, dim={self.centers.shape[1]}, alpha={self.alpha}"


def center_step(
    embeddings: Tensor,
    labels: Tensor,
    centers: Tensor,
    attention: Tensor | None = None,
    *,
    across_processes: bool = True,
) -> Tensor:
    r"""The averaged pull of a batch on each center (Wen et al. 2016; thesis, equations 3.10 and 4.14).

    .. math:: \Delta c_k = \frac{\sum_{i: y_i = k} a_i \odot (c_k - x_i)}{1 + n_k}

    Args:
        embeddings: x, [m, D].
        labels: y, [m], integers in 0..K-1.
        centers: c, [K, D].
        attention: a, [m, D], or None for 1.
        across_processes: the sums are those of all processes, where torch.distributed is initialized.

    Returns:
        delta, [K, D]; exactly 0 for a class that is absent from the batch.

    Raises:
        ValueError, TypeError: as `center_loss`; attention must have the embeddings' shape and lie in [0, 1].
    """
    check_embeddings(embeddings, labels, centers)
    if attention is not None:
        check_attention(attention, embeddings)
    x = at_least_float32(embeddings.detach()).to(centers)
    a = torch.ones_like(x) if attention is None else attention.detach().to(x)
    member = F.one_hot(labels.long(), len(centers)).to(x)  # [m, K]: summing by a matrix product is deterministic
    with torch.autocast(x.device.type, enabled=False):
        pulls = (member.T @ a) * centers - member.T @ (a * x)
    counts = member.sum(dim=0)
    if across_processes:
        pulls, counts = all_reduce(pulls), all_reduce(counts)
    return pulls / (1 + counts)[:, None]
