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


def vote(logits: Tensor, labels: Tensor, sequences: Tensor, *, by: str = "mean") -> tuple[Tensor, Tensor]:
    """(predictions [S], labels [S]) of S sequences: the class of the highest softmax over the frames of each.

    Args:
        logits: [N, K], of frames.
        labels: [N]; the frames of a sequence share one.
        sequences: [N], which sequence a frame is of.
        by: "mean" of a class over the frames, or "amax", the highest of a single frame.
    """
    _, number = sequences.unique(return_inverse=True)
    count = int(number.max()) + 1
    score = torch.zeros(count, logits.shape[1], dtype=torch.float64, device=logits.device)
    probabilities = logits.double().softmax(dim=1)
    score.scatter_reduce_(0, number[:, None].expand_as(probabilities), probabilities, by, include_self=False)
    truth = torch.zeros(count, dtype=torch.int64, device=logits.device).scatter_(0, number, labels.long())
    return score.argmax(dim=1), truth


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How sure a network is against how often it is right, in bins of as many images each (Nguyen and O'Connor 2015).

    Args:
        probabilities: [N, K], whose rows sum to 1.
        labels: [N].
        bins: how many; N must be at least as many.

    Returns:
        [bins] mean confidence (the largest probability), [bins] accuracy, [bins] number of images; from unsure to sure.
    """
    confidence, right = probabilities.max(axis=1).astype(float), probabilities.argmax(axis=1) == labels
    parts = np.array_split(np.argsort(confidence, kind="stable"), bins)
    counts = np.array([len(part) for part in parts])
    if not counts.all():
        raise ValueError(f"{len(labels)} images cannot fill {bins} bins")
    return np.array([confidence[part].mean() for part in parts]), np.array([right[part].mean() for part in parts]), counts


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error: the mean gap between confidence and accuracy over the bins of `reliability`.

    A perfectly calibrated network does not get 0: in a bin of n images accuracy is off by chance. See `calibration_floor`.
    """
    confidence, accuracy, counts = reliability(probabilities, labels, bins)
    return float(np.average(np.abs(confidence - accuracy), weights=counts))


def calibration_floor(probabilities: np.ndarray, bins: int = 15, draws: int = 50) -> float:
    """What a network with these probabilities would get on average from `calibration_error`, were they all true.

    Labels are drawn from the probabilities themselves, `draws` times, with a fixed seed.
    """
    rng = np.random.default_rng(0)
    limits = np.cumsum(probabilities, axis=1, dtype=float)
    limits /= limits[:, -1:]  # float16 probabilities do not sum to 1
    drawn = [(rng.random((len(limits), 1)) > limits).sum(axis=1) for _ in range(draws)]
    return float(np.mean([calibration_error(probabilities, labels, bins) for labels in drawn]))


def nearest_means(embeddings: np.ndarray, means: np.ndarray) -> np.ndarray:
    """[N] classes of [N, D] embeddings by the nearest of [K, D] class means: a classifier that learns nothing."""
    distances = np.linalg.norm(np.asarray(embeddings, dtype=float)[:, None] - means[None], axis=2)
    return distances.argmin(axis=1)


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
