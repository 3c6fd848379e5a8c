"""What a method costs: parameters, and the memory that a training step holds. Counted, so the same on any machine."""

from dataclasses import dataclass

import torch
from torch import nn

from fercore.config import RunConfig
from fercore.data import Images
from fercore.expected import keeping
from fercore.methods import find_method
from fercore.models.build import build_model, output_shapes
from fercore.train import Training, make_batches, seed_everything


@dataclass(frozen=True)
class Cost:
    """What `cost_of` counts.

    Attributes:
        network: parameters that are used at test time.
        training_only: what training has beside them, thrown away afterwards: parameters, and centers, which no gradient moves.
        held: bytes that a step keeps for its backward pass, without the weights.
    """

    network: int
    training_only: int
    held: int


def cost_of(config: RunConfig, num_classes: int) -> Cost:
    """Build the network of a run on faces and do one step with noise for images: nothing is read, nothing is trained."""
    seed_everything(config.seed)
    model = build_model(config, num_classes)
    features, dim = output_shapes(model, config)
    objective = find_method(config.method).objective(config, num_classes, dim, features)
    return Cost(count_numbers(model), count_numbers(objective), held_by_step(config, model, objective, num_classes))


def count_numbers(module: nn.Module) -> int:
    """Parameters, and centers."""
    centers = getattr(module, "centers", None)
    return sum(weight.numel() for weight in module.parameters()) + (0 if centers is None else centers.numel())


def held_by_step(config: RunConfig, model: nn.Module, objective: nn.Module, num_classes: int) -> int:
    """Bytes of all tensors, each storage once, that autograd saves in one step on noise."""
    labels = torch.arange(2 * config.batch_size) % num_classes
    faces = Images(torch.empty(0), labels, identities=torch.arange(len(labels)) // num_classes)
    batch = make_batches(objective, config, 0, faces)[0]
    model.to(memory_format=torch.channels_last)
    images = torch.randn(len(batch.positions), 3, config.crop, config.crop).to(memory_format=torch.channels_last)
    weights = (weight for module in (model, objective) for weight in module.parameters())
    (loss, _), held = keeping(lambda: Training(model, objective)(images, labels[batch.positions], batch, 1.0), weights)
    return held if loss.requires_grad else 0
