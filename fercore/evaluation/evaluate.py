"""What a network answers on a split: embeddings, logits, and the validation row of an epoch."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fercore.checks import at_least_float32
from fercore.config import RunConfig
from fercore.data import Splits
from fercore.data.augment import center_crop, normalize
from fercore.data.store import StoredImages
from fercore.evaluation.metrics import confusion_matrix, summarize
from fercore.methods.batches import make_batches
from fercore.methods.objectives import Step
from fercore.parallel.distributed import gather, share
from fercore.tuples import TupleBatch

EVAL_BATCH = 250  # of more the maps leave a core's cache
EVAL_PIXELS = 2_000_000  # of a batch without gradients: 246 crops of 90 px, 39 of 224


def look(model: nn.Module, objective: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
    """Embeddings [m, D] and logits [m, K] of normalized images, and attention [m, D] where the method has it."""
    features = model.features(images)
    attention = objective.attend(features)
    return model.head(features) if attention is None else (*model.head(features), attention)


def make_step(outputs: Sequence[Tensor], labels: Tensor, batch: TupleBatch, progress: float) -> Step:
    """What `look` saw, in float32 for the losses."""
    embeddings, logits, *attention = (at_least_float32(values) for values in outputs)
    return Step(embeddings, logits, labels, progress, attention[0] if attention else None, batch)


@torch.no_grad()
def evaluate(
    model: nn.Module,
    images: Tensor | StoredImages,
    data: Splits,
    crop: int | None,
    objective: nn.Module | None = None,
    rows: slice = slice(None),
) -> tuple[Tensor, ...]:
    """Embeddings [N, D] and logits [N, K] of uint8 images, faces cropped at their center; float32 on the model's device.

    With an objective that has attention, attention [N, D] is the third. `rows` says which images, all if left out; they are
    read a batch at a time.
    """
    device = next(model.parameters()).device
    size = max(1, min(EVAL_BATCH, EVAL_PIXELS // (crop or images.shape[-1]) ** 2))
    first, last, _ = rows.indices(len(images))
    model.eval()
    outputs = []
    for start in range(first, last, size):
        batch = images[start : min(start + size, last)].to(device)
        views = normalize(batch if crop is None else center_crop(batch, crop), data.mean, data.std)
        outputs.append(look(model, objective, views) if objective else model(views))
    model.train()
    return tuple(at_least_float32(torch.cat(kind)) for kind in zip(*outputs, strict=True))


def evaluate_together(model: nn.Module, images: Tensor | StoredImages, *rest: Any) -> tuple[Tensor, ...]:
    """`evaluate`, where each process takes its share of the images and all get all outputs."""
    found = evaluate(model, images, *rest, rows=share(len(images)))
    return tuple(gather(outputs, len(images)) for outputs in found)


@torch.no_grad()
def validate(model: nn.Module, objective: nn.Module, data: Splits, config: RunConfig) -> dict[str, float]:
    """Loss, accuracy and balanced accuracy on the validation split, and what attention there is.

    A loss of relations between a batch's images is taken in batches like the training's, the same after every epoch.
    """
    objective.eval()
    labels = data.val.labels
    outputs = evaluate_together(model, data.val.images, data, config.crop, objective)
    batches = [TupleBatch(torch.arange(len(labels)), [])]
    if not objective.samplewise:
        batches = make_batches(objective, config, 0, data.val)
    losses = []
    for batch in batches:
        chosen = batch.positions.to(labels.device)
        losses.append(objective(make_step([values[chosen] for values in outputs], labels[chosen], batch, progress=1.0)))
    objective.train()
    row = {"val_loss": torch.stack(losses).mean().item()}
    confusion = confusion_matrix(outputs[1].argmax(dim=1), labels, data.num_classes).cpu().numpy()
    row |= {f"val_{name}": value for name, value in summarize(confusion).items()}
    if len(outputs) > 2:
        spread, mean = torch.std_mean(outputs[2])
        row |= {"attention_mean": mean.item(), "attention_spread": spread.item()}
    return row


def finite_or_none(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None
