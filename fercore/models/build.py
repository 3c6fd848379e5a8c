"""The network that a config describes: a trunk for its data, and a head for its method."""

from typing import Any

import torch
from torch import nn

from fercore.models.fernet import FERNet, stem_for
from fercore.models.heads import AMTC3LHead, TwoBranchHead
from fercore.models.layers import Network
from fercore.models.lenets import LeNetsPP
from fercore.models.own import OwnTrunk

MNIST_SIDE = 28
PLANE = 2  # the dimensions of a digit's embedding, whatever the head: one can look at them


def build_model(config: Any, num_classes: int) -> nn.Module:
    """LeNets++ for the digits, FERNet for faces, with fresh weights; `config.head` in place of their own last layers.

    Args:
        config: a RunConfig, of which `width`, `head` and, for faces, `trunk` and `crop` are read; for digits `lenets`.
        num_classes: K.

    Returns:
        A module with `features`, images to the trunk's last map [m, C, H, W], and `head`, that map to (embeddings [m, D],
        logits [m, K]); called, it does both.
    """
    if config.trunk is None:
        model = LeNetsPP(num_classes, width=config.width, normalized=config.lenets == "normalized")
    else:
        trunk = OwnTrunk(config.trunk, config.crop) if ":" in config.trunk else config.trunk
        model = FERNet(num_classes, trunk=trunk, width=config.width, stem=stem_for(config.crop))
    if config.head is None:
        return model
    shape, _ = output_shapes(model, config)
    return HeadedNet(model.trunk, build_head(config, num_classes, shape))


def build_head(config: Any, num_classes: int, shape: tuple[int, int, int]) -> nn.Module:
    """The head that `config.head` names, on feature maps of `shape` [C, H, W].

    AMTC3L's reduces the channels by two and by two again, as 2048 -> 1024 -> 512 on ResNet-50. The branches have
    `TwoBranchHead`'s own sizes, times `width`. On digits the embedding has two dimensions.
    """
    channels, digits = shape[0], config.trunk is None
    if config.head == "amtc3l":
        dim = PLANE if digits else max(2, channels // 4)
        return AMTC3LHead(num_classes, channels=channels, hidden=max(2, channels // 2), dim=dim)
    shared, branch, dim = (max(4, round(size * config.width)) for size in (1024, 512, 256))
    if digits and config.head == "one-branch":
        branch = PLANE
    return TwoBranchHead(
        num_classes,
        branches=1 if config.head == "one-branch" else 2,
        in_features=torch.Size(shape).numel(),
        shared=shared,
        branch=branch,
        dim=PLANE if digits else dim,
    )


class HeadedNet(Network):
    """A trunk and another head than its own."""

    def __init__(self, trunk: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.trunk, self.head = trunk, head


def input_shape(config: Any) -> tuple[int, int, int]:
    """[C, H, W] of what the network of a run sees."""
    return (3, config.crop, config.crop) if config.crop else (1, MNIST_SIDE, MNIST_SIDE)


@torch.no_grad()
def output_shapes(model: nn.Module, config: Any) -> tuple[tuple[int, int, int], int]:
    """(C, H, W) of the feature map and D of the embedding, by a look at one black image; the model is on the CPU."""
    training = model.training
    model.eval()  # nothing is counted into running statistics
    features = model.features(torch.zeros(1, *input_shape(config)))
    embeddings, _ = model.head(features)
    model.train(training)
    return tuple(features.shape[1:]), embeddings.shape[1]
