"""What is measured of predictions: everything follows from the confusion matrix."""

import numpy as np
import torch
from torch import Tensor


def confusion_matrix(predictions: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """[K, K] counts (int64): row the true class, column the predicted one."""
    index = labels.long() * num_classes + predictions.long()
    return torch.bincount(index, minlength=num_classes**2).reshape(num_classes, num_classes)


def recalls(confusion: np.ndarray) -> np.ndarray:
    """[K] share of each class that was recognized; NaN for a class without images."""
    confusion = np.asarray(confusion, dtype=float)
    with np.errstate(invalid="ignore"):
        return np.diag(confusion) / confusion.sum(axis=1)


def summarize(confusion: np.ndarray) -> dict[str, float]:
    """Accuracy, and balanced accuracy: the mean recall of the classes that occur (the thesis's "average accuracy")."""
    confusion = np.asarray(confusion)
    return {
        "accuracy": float(np.trace(confusion) / confusion.sum()),
        "balanced_accuracy": float(np.nanmean(recalls(confusion))),
    }


def vote(logits: Tensor, labels: Tensor, sequences: Tensor) -> tuple[Tensor, Tensor]:
    """(predictions [S], labels [S]) of S sequences: the class of the highest mean softmax over the frames of each.

    Args:
        logits: [N, K], of frames.
        labels: [N]; the frames of a sequence share one.
        sequences: [N], which sequence a frame is of.
    """
    _, number = sequences.unique(return_inverse=True)
    count = int(number.max()) + 1
    summed = torch.zeros(count, logits.shape[1], dtype=torch.float64, device=logits.device)
    summed.index_add_(0, number, logits.double().softmax(dim=1))
    truth = torch.zeros(count, dtype=torch.int64, device=logits.device).scatter_(0, number, labels.long())
    return summed.argmax(dim=1), truth


def class_geometry(embeddings: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """The layout of the classes in embedding space, from [N, D] embeddings and [N] labels.

    Returns:
        means [K, D]; radius [K], the root mean square distance of a class to its mean;
        gap [K], the distance from a class's mean to the nearest other mean.
    """
    embeddings = np.asarray(embeddings, dtype=float)
    classes = np.unique(labels)
    means = np.stack([embeddings[labels == k].mean(axis=0) for k in classes])
    radius = np.array(
        [np.sqrt(((embeddings[labels == k] - mean) ** 2).sum(axis=1).mean()) for k, mean in zip(classes, means, strict=True)]
    )
    distances = np.linalg.norm(means[:, None] - means[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return {"means": means, "radius": radius, "gap": distances.min(axis=1)}
