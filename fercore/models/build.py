"""The network that a config describes."""

from typing import Any

from torch import nn

from fercore.models.lenets import LeNetsPP
from fercore.models.resnet import FERNet, stem_for


def build_model(config: Any, num_classes: int) -> nn.Module:
    """LeNets++ for the digits, FERNet for faces, with fresh weights.

    Args:
        config: a RunConfig, of which `width` and, for faces, `trunk` and `crop` are read.
        num_classes: K.

    Returns:
        A module that maps images to (embeddings [m, D], logits [m, K]); D is `classify.in_features`.
    """
    if config.trunk is None:
        return LeNetsPP(num_classes, width=config.width)
    return FERNet(num_classes, trunk=config.trunk, width=config.width, stem=stem_for(config.crop))
