"""What a finished training keeps: test metrics, and the arrays that figures need."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fercore.config import RunConfig
from fercore.data import Splits, parse_name
from fercore.evaluation.evaluate import evaluate_together
from fercore.evaluation.metrics import confusion_matrix, recalls, summarize, vote

KEPT_DIMENSIONS = 24  # of the test embeddings in a result
SNAPSHOT_PER_CLASS = 100  # training images whose embeddings are kept after every epoch
FLOAT16_MAX = 6e4
BY_HIGHEST = ("ckplus",)  # sets whose sequences the (N+M) paper (5.3) calls by the surest frame; others by the mean


def test_once(
    model: nn.Module, weights: dict[str, dict[str, Tensor]], data: Splits, config: RunConfig
) -> tuple[dict[str, dict[str, Any]], dict[str, np.ndarray]]:
    """Test metrics under each of the named weights, and the last ones' arrays for figures. The model keeps the last ones."""
    test, before = {}, None
    for name, state in weights.items():
        if before is None or any(not torch.equal(state[key], before[key]) for key in state):  # the last epoch may be the best
            model.load_state_dict(state)
            embeddings, logits = evaluate_together(model, data.test.images, data, config.crop)
        before = state
        predictions = logits.argmax(dim=1)
        confusion = confusion_matrix(predictions, data.test.labels, data.num_classes).cpu().numpy()
        test[name] = summarize(confusion) | {"recall": recalls(confusion).tolist(), "confusion": confusion.tolist()}
        if data.test.sequences is not None:
            by = "amax" if parse_name(config.data)[0] in BY_HIGHEST else "mean"
            votes = vote(logits, data.test.labels, data.test.sequences, by=by)
            voted = confusion_matrix(*votes, data.num_classes).cpu().numpy()
            test[name] |= {"sequence_accuracy": summarize(voted)["accuracy"], "sequence_confusion": voted.tolist()}
    arrays = {"test_embeddings": compact(principal(embeddings))}
    arrays["test_labels"] = class_numbers(data.test.labels)
    arrays["test_predictions"] = class_numbers(predictions)
    if data.copies is not None and data.copies.any():
        arrays["test_duplicates"] = data.copies
    return test, arrays


def principal(embeddings: Tensor) -> Tensor:
    """[N, D] embeddings; of a large D the first KEPT_DIMENSIONS principal coordinates, [N, KEPT_DIMENSIONS].

    A shipped run must stay small. Distances within these are nearly those of all: K classes lie along about K directions.
    """
    if embeddings.shape[1] <= KEPT_DIMENSIONS:
        return embeddings
    centered = (embeddings - embeddings.mean(dim=0)).double().cpu()
    directions = torch.linalg.eigh(centered.T @ centered).eigenvectors.flip(1)
    return centered @ directions[:, :KEPT_DIMENSIONS]


def class_numbers(labels: Tensor) -> np.ndarray:
    """The smallest integers that hold them: SimFER has hundreds of identities."""
    return labels.cpu().numpy().astype(np.uint8 if labels.max() < 256 else np.uint16)


def first_of_each(labels: Tensor, count: int = SNAPSHOT_PER_CLASS) -> Tensor:
    """Positions of the first `count` images of each class, class by class."""
    return torch.cat([(labels == k).nonzero()[:count, 0] for k in labels.unique()])


def take_snapshot(model: nn.Module, objective: nn.Module, data: Splits, positions: Tensor) -> dict[str, Tensor]:
    """Where the snapshot images and the centers lie after an epoch; the plane is for digits, which are not cropped."""
    embeddings, _ = evaluate_together(model, data.train.read(positions), data, None)
    snapshot = {"embeddings": embeddings.cpu()}
    if hasattr(objective, "centers"):
        snapshot["centers"] = objective.centers.cpu().clone()
    return snapshot


def collect_snapshots(snapshots: list[dict[str, Tensor]], labels: Tensor) -> dict[str, np.ndarray]:
    """snapshot_embeddings [epochs, S, D], snapshot_labels [S] and, where the method has centers, centers [epochs, K, D]."""
    arrays = {
        "snapshot_embeddings": compact(torch.stack([s["embeddings"] for s in snapshots])),
        "snapshot_labels": labels.cpu().numpy().astype(np.uint8),
    }
    if "centers" in snapshots[0]:
        arrays["centers"] = torch.stack([s["centers"] for s in snapshots]).numpy()
    return arrays


def compact(values: Tensor) -> np.ndarray:
    """float16 where the values fit, float32 otherwise: a figure needs three digits."""
    values = values.cpu()
    return (values.half() if values.abs().max() < FLOAT16_MAX else values.float()).numpy()


def cpu_copy(model: nn.Module) -> dict[str, Tensor]:
    return {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in model.state_dict().items()
    }
