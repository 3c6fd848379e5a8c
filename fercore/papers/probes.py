"""What a linear classifier still reads from a network's features: who is seen, and what the face shows."""

import numpy as np
from sklearn.linear_model import RidgeClassifier

RIDGE = 1.0  # of features whose rows have length 1 on average
PERSON_GROUPS = 10  # into which the people are divided for `read_expression`


def read_identity(features: np.ndarray, identities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether the person is recognized across expressions, image by image.

    The images of one expression are asked of a classifier that has learned these people from all their other expressions
    alone. Before, each expression's mean is taken off: what all faces with this expression share is no hindrance.

    Args:
        features: [N, D].
        identities: [N], who is seen.
        labels: [N], which expression.

    Returns:
        [N]: 1.0, 0.0, or NaN for an image of a person without another expression.
    """
    centered = np.asarray(features, dtype=float).copy()
    for label in np.unique(labels):
        centered[labels == label] -= centered[labels == label].mean(axis=0)
    return read_across(centered, identities, labels)


def read_expression(features: np.ndarray, identities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether the expression is recognized across people: the classifier has learned from other people alone.

    Arguments and what is returned as `read_identity`; NaN for an image whose expression nobody else shows.
    """
    _, number = np.unique(identities, return_inverse=True)
    return read_across(np.asarray(features, dtype=float), labels, number % PERSON_GROUPS)


def read_across(features: np.ndarray, wanted: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """For each group in turn, learn `wanted` from the other groups and ask it of this one; see `read_identity`.

    Classes weigh alike, however many images they have: who has left images with the group that is asked would otherwise be
    guessed the less often for it.
    """
    right = np.full(len(wanted), np.nan)
    for group in np.unique(groups):
        out = groups == group
        known = np.unique(wanted[~out])
        asked = out & np.isin(wanted, known)
        if not asked.any() or len(known) < 2:
            continue
        learn, ask = scaled(features[~out], features[asked])
        classifier = RidgeClassifier(alpha=RIDGE, class_weight="balanced").fit(learn, wanted[~out])
        right[asked] = classifier.predict(ask) == wanted[asked]
    return right


def scaled(learn: np.ndarray, ask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both around the first one's mean, and divided by its root mean square length, so that RIDGE fits any features."""
    mean = learn.mean(axis=0)
    length = max(np.sqrt(np.square(learn - mean).sum(axis=1).mean()), 1e-12)
    return (learn - mean) / length, (ask - mean) / length


def balanced(right: np.ndarray, wanted: np.ndarray) -> float:
    """The mean over classes (or people) of how often each was recognized; images that were not asked (NaN) do not count."""
    asked = ~np.isnan(right)
    return float(np.mean([right[asked & (wanted == one)].mean() for one in np.unique(wanted[asked])]))
