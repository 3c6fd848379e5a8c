"""Methods: the table of all of them, their objectives, and the batches they see."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # PyTorch is imported by who builds: a config and its errors do without
    from torch import nn

    from fercore.methods.objectives import Softmax


def build(config: Any, num_classes: int) -> "tuple[nn.Module, Softmax]":
    """The network and the objective of a run, with fresh weights: the one place that makes them.

    Both come from PyTorch's generator, the network first.

    Args:
        config: a RunConfig.
        num_classes: K.
    """
    from fercore.methods.objectives import make_objective
    from fercore.models.build import build_model, output_shapes

    model = build_model(config, num_classes)
    features, dim = output_shapes(model, config)
    return model, make_objective(config, num_classes, dim, features)
