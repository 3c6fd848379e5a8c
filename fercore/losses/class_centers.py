"""Class centers: the state that center loss, DDA, DACL and (A)MTC3L share, and the step that moves it."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fercore.checks import check_attention, check_choice, check_embeddings, check_like, check_real, promoted
from fercore.choices import INITS
from fercore.parallel.sums import all_reduce, world_size


class FullPrecision(nn.Module):
    """A module whose buffers stay float32 when the model around it is turned to half precision, by `.half()` or `.to`.

    Half precision would lose them: a step below a thousandth of a center rounds to none, and a count ends at 2,048.
    """

    def _apply(self, function: Callable[[Tensor], Tensor], recurse: bool = True) -> "FullPrecision":
        before = dict(self.named_buffers(recurse=False))
        super()._apply(function, recurse)
        for name, buffer in self.named_buffers(recurse=False):
            if buffer.element_size() < 4:
                self.register_buffer(name, before[name].to(buffer.device))
        return self


class ClassCenters(FullPrecision):
    """One center for each class, kept as a buffer: saved with the model, moved by `.to(device)`, never by an optimizer.

    Args:
        num_classes: K.
        dim: D, the embedding's size.
        alpha: the step size of `update`, in (0, 1]; 0.5 in Wen et al. (2016) and in the thesis.
        init: "he" draws from N(0, 2/D), He et al.'s rule for a [K, D] tensor with fan-in D. "released" draws from
            N(0, 2/K): the authors' DDA code calls the initializer on the transposed tensor. The text of the thesis
            says "randomly initialized according to the He method" and not which.
        across_processes: with torch.distributed, `update` adds up what all processes see, each of them a share. False
            where each sees the whole batch, as `fercore.train` shows it.

    Attributes:
        centers: c, [K, D], float32 also in a model of half precision.

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
        check_real("alpha", alpha)
        if not 0 < alpha <= 1:
            raise ValueError(f"alpha must lie in (0, 1], got {alpha}")
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

        A batch that holds a value that is not finite is refused, as by the losses; where those are not asked (on a GPU, in
        `fercore.train`) it moves no center, as GradScaler skips the optimizer's step: it would make all of them NaN.

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
            check_like("gradient", gradient, self.centers)
            gradient = gradient.to(step)
            step = step + (all_reduce(gradient) / world_size() if self.across_processes else gradient)
        self.centers -= self.alpha * torch.where(step.isfinite().all(), step, 0)

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
    if attention is None:
        attention = torch.ones_like(embeddings)
    check_attention(attention, embeddings)
    x, c, a = promoted(embeddings.detach(), centers.detach(), attention.detach())
    member = F.one_hot(labels.long(), len(centers)).to(x)  # [m, K]: summing by a matrix product is deterministic
    with torch.autocast(x.device.type, enabled=False):
        pulls = (member.T @ a) * c - member.T @ (a * x)
    counts = member.sum(dim=0)
    if across_processes:
        pulls, counts = all_reduce(pulls), all_reduce(counts)
    return pulls / (1 + counts)[:, None]
