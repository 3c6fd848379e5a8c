"""Which images a step sees, and how: functions of seed, epoch and step alone."""

from typing import Any

import torch
from torch import Tensor, nn

from fercore.data.augment import augment
from fercore.tuples import TupleBatch

SEEDS_APART = 1_000_003  # more than a training has steps: no two seeds meet in a generator


def generator_of(seed: int, number: int) -> torch.Generator:
    """Random numbers on the CPU from the run's seed and the number of an epoch or a step alone, whatever was drawn before."""
    return torch.Generator().manual_seed(SEEDS_APART * seed + number)


def make_batches(objective: nn.Module, config: Any, epoch: int, split: Any) -> list[TupleBatch]:
    """An epoch's batches: the method's own tuples, or a random order of the images, from config and epoch alone.

    Args:
        objective: of `fercore.methods.objectives`.
        config: a RunConfig.
        epoch: 0, 1, ...
        split: `fercore.data.Images`, of which labels, identities and length are read.
    """
    tuples = objective.tuples(split.labels, split.identities, epoch)
    return tuples or [TupleBatch(positions, []) for positions in epoch_batches(config, epoch, len(split))]


def epoch_labels(seed: int, epoch: int, split: Any) -> Tensor:
    """The labels [N] that an epoch learns: the split's own, or drawn anew from its votes, by seed and epoch alone.

    As Barsoum et al. (2016) have it, who call it probabilistic label drawing. Tuples are chosen by the split's own labels.
    """
    if split.votes is None:
        return split.labels
    counted_down = generator_of(seed, -1 - epoch)  # no step and no epoch draws from there
    return torch.multinomial(split.votes.cpu(), 1, generator=counted_down)[:, 0].to(split.labels.device)


def epoch_order(seed: int, epoch: int, size: int) -> Tensor:
    """The order of an epoch's images, from seed and epoch alone."""
    return torch.randperm(size, generator=generator_of(seed, epoch))


def epoch_batches(config: Any, epoch: int, size: int) -> tuple[Tensor, ...]:
    """Positions of an epoch's batches. For faces a last batch of one image is left out: batch normalization would divide
    by the spread of one. The order is another in each epoch, and so is the image that waits.
    """
    batches = epoch_order(config.seed, epoch, size).split(config.batch_size)
    alone = config.crop is not None and len(batches) > 1 and len(batches[-1]) == 1
    return batches[:-1] if alone else batches


def training_views(config: Any, images: Tensor, step: int, *, total: int | None = None, own: slice = slice(None)) -> Tensor:
    """What the network sees of a batch at `step`: random views of faces, drawn from seed and step alone; digits as they are.

    Of a batch of `total` images, `images` may be the `own` ones alone: they are seen as they would be in the whole.
    """
    if config.crop is None:
        return images
    options = {"erasing": config.erasing, "generator": generator_of(config.seed, step), "total": total, "own": own}
    return augment(images, config.augment, config.crop, **options)
