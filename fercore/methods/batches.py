"""Which images a step sees, and how: functions of seed, epoch and step alone."""

import torch
from torch import Tensor, nn

from fercore.config import RunConfig
from fercore.data import Images
from fercore.data.augment import augment
from fercore.tuples import TupleBatch


def make_batches(objective: nn.Module, config: RunConfig, epoch: int, split: Images) -> list[TupleBatch]:
    """An epoch's batches: the method's own tuples, or a random order of the images, from config and epoch alone."""
    tuples = objective.tuples(split.labels, split.identities, epoch)
    return tuples or [TupleBatch(positions, []) for positions in epoch_batches(config, epoch, len(split))]


def epoch_order(seed: int, epoch: int, size: int) -> Tensor:
    """The order of an epoch's images, from seed and epoch alone."""
    generator = torch.Generator().manual_seed(1_000_003 * seed + epoch)
    return torch.randperm(size, generator=generator)


def epoch_batches(config: RunConfig, epoch: int, size: int) -> tuple[Tensor, ...]:
    """Positions of an epoch's batches. For faces a last batch of one image is left out: batch normalization would divide
    by the spread of one. The order is another in each epoch, and so is the image that waits.
    """
    batches = epoch_order(config.seed, epoch, size).split(config.batch_size)
    alone = config.crop is not None and len(batches) > 1 and len(batches[-1]) == 1
    return batches[:-1] if alone else batches


def training_views(
    config: RunConfig, images: Tensor, step: int, *, total: int | None = None, own: slice = slice(None)
) -> Tensor:
    """What the network sees of a batch at `step`: random views of faces, drawn from seed and step alone; digits as they are.

    Of a batch of `total` images, `images` may be the `own` ones alone: they are seen as they would be in the whole.
    """
    if config.crop is None:
        return images
    generator = torch.Generator().manual_seed(1_000_003 * config.seed + step)
    options = {"erasing": config.erasing, "generator": generator, "total": total, "own": own}
    return augment(images, config.augment, config.crop, **options)
