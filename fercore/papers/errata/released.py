"""Text against the code that its author released, and what neither says."""

import math

import torch

from fercore.losses import ClassCenters, center_step, dda_center_gradient, dda_loss
from fercore.models.layers import PRELU_SLOPE
from fercore.models.lenets import LeNetsPP
from fercore.papers.errata.entry import THESIS, Erratum, error
from fercore.papers.errata.formulas import M, batch

GAMMA = 5.0


def d1() -> Erratum:
    x, y, c, _ = (part.repeat(M, 1) if part.ndim == 2 and len(part) == M else part for part in batch())
    y = y.repeat(M)
    ratio = (dda_loss(x, y, c, normalization="released") / dda_loss(x, y, c)).item()
    return Erratum(
        "D1",
        f"{THESIS}, (3.5), against its code: the scale of the DDA loss",
        r"$\frac1{2m}$",
        r"both: `normalization=paper` is the print; `released` divides by $2m^2$, as the code does",
        1 - ratio,
        0.0,
        f"at m = {len(x)} the code's loss is {ratio:.4f} of the printed one: with gamma 5 the mean log-likelihood weighs "
        f"{5 / 2:.1f} in print and {5 / 2 * ratio:.3f} in the code.",
    )


def d2() -> Erratum:
    he, released = (ClassCenters(7, 512, init=init).centers.std().item() for init in ("he", "released"))
    return Erratum(
        "D2",
        f"{THESIS}, 3.2.3, against its code: where the centers start",
        r"“randomly initialized according to the He method”: $\sigma=\sqrt{2/D}$ of a [K, D] tensor",
        r"both: `center_init=he` is that; `released` has $\sigma=\sqrt{2/K}$, the code's transposed tensor",
        released / he - 1,
        0.0,
        f"with K = 7 and D = 512 the centers' spread is {he:.1g} against {released:.1g}.",
    )


def d3() -> Erratum:
    x, c = torch.ones(1, 2, dtype=torch.float64), torch.zeros(2, 2, dtype=torch.float64)
    moved = -0.5 * center_step(x, torch.tensor([0]), c)[0, 0].item()
    return Erratum(
        "D3",
        f"{THESIS}, (4.14): epsilon",
        r"$\epsilon+\sum_i\delta_{y_ij}$, without a value",
        "1, as in the code and in (3.10)",
        abs(0.5 - moved) / moved,
        0.0,
        f"a class with one image in the batch, alpha = 0.5: its center moves {moved:.2f} of the way with 1, and 0.50 with a "
        "small epsilon.",
    )


def d4() -> Erratum:
    at_224, at_90 = 512 * 7 * 7, 512 * 3 * 3
    return Erratum(
        "D4",
        f"{THESIS}, 4.3.1, against its code: the attention network's input",
        f"a feature map of 512 x 7 x 7 = {at_224:,} numbers, and the code takes no other: faces of 224 px",
        "any size; the layers shrink with the map",
        at_224 / at_90 - 1,
        0.0,
        f"the thesis's own RAF-DB crops of 90 px (3.3.2) leave 512 x 3 x 3 = {at_90:,} numbers, which the code refuses.",
    )


def d5() -> Erratum:
    x, y, c, _ = batch()
    centers = c.clone().requires_grad_()
    (moved,) = torch.autograd.grad(GAMMA * dda_loss(x, y, centers), centers)  # the code's optimizer of centers takes this
    ours = dda_center_gradient(x, y, c)
    return Erratum(
        "D5",
        f"{THESIS}, (3.10), against its code: the DDA part of the center step",
        r"$\Delta c_k+\partial L_{DDA}/\partial c_k$, without $\gamma$",
        r"both: `center_step=eq3.10` is the print; `released` has $\gamma\,\partial L_{DDA}/\partial c_k$, which automatic "
        "differentiation of the joint loss gives the code",
        error(moved, ours),
        error(moved, GAMMA * ours),
        f"at gamma {GAMMA:g} the code's DDA part is {(moved.norm() / ours.norm()).item():.3f} times the printed one.",
    )


class SavesANumber(torch.autograd.Function):
    """What the released center loss does with the batch size."""

    @staticmethod
    def forward(context, x: torch.Tensor, batch_size: int) -> torch.Tensor:
        context.save_for_backward(x, batch_size)
        return x.sum() / batch_size


def d6() -> Erratum:
    try:
        SavesANumber.apply(torch.ones(1, requires_grad=True), 1)
        refused = "nothing"
    except TypeError as wrong:
        refused = type(wrong).__name__
    return Erratum(
        "D6",
        f"{THESIS}, 3.2.3, against its code: whether it runs",
        "the loss, released as loss.py alone",
        "`dda_loss`, `center_step`",
        float(refused == "TypeError"),
        0.0,
        f"its center loss hands the batch size, a number, to save_for_backward, which takes tensors alone: {refused}. The code "
        "that it comes from and the code of DACL hand over a tensor.",
    )


def d7() -> Erratum:
    he, default = math.sqrt(2 / (1 + PRELU_SLOPE**2)), math.sqrt(1 / 3)  # times 1/sqrt(inputs of a weight)
    return Erratum(
        "D7",
        f"{THESIS}, 3.3.1: where the recipe comes from, and how the network starts",
        "batch 128, 100 epochs, rate 0.001 divided by 1.25 every 20, momentum 0.9, weight decay 5e-4; no word on the start",
        "He et al.'s rule for PReLU, for centers too, and every layer with a bias, 0 at the start",
        he / default - 1,
        0.0,
        f"each of these numbers, the decay as {1 / 1.25:.1f}, is that of the center-loss example that the released code "
        "names as its source (MNIST_center_loss_pytorch), which starts by PyTorch's default, weights of "
        f"{default / he:.2f} times He's, with centers from N(0, 1), and whose last layer has no bias.",
    )


def d8() -> Erratum:
    networks = [LeNetsPP(width=1 / 32, normalized=normalized) for normalized in (False, True)]
    plain, published = (sum("BatchNorm" in type(part).__name__ for part in network.modules()) for network in networks)
    return Erratum(
        "D8",
        f"{THESIS}, 3.3.1, against its author's own network: LeNets++",
        "LeNets++, whose layers are named without a normalization",
        "both: the words, and `lenets=normalized`, the network that its author published for MNIST (lsoftmax-pytorch)",
        float(published - plain > 0),
        0.0,
        f"the published network has {published} batch normalizations, one of them in place of the last PReLU; the words name "
        f"{plain}.",
    )


ERRATA = (d1, d2, d3, d4, d5, d6, d7, d8)
