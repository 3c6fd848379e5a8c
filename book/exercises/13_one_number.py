# %% text
"""
# 13 · What one number hides

Two exercises for [chapter 13](../../notebooks/13_one_number.ipynb).
"""

# %% code
import numpy as np

from fercore.course.exercises import expect
from fercore.evaluation.metrics import calibration_error

# %% text
"""
## As sure as right?

Sort the faces by confidence, cut them into bins of equal size, and take in each bin the gap between mean confidence and accuracy: the mean of the gaps is the calibration error.
"""


# %% task
def calibration(confidence, right, bins):
    """The expected calibration error.

    Args:
        confidence: [n], the largest probability of each face.
        right: [n], 1 where the network is right, else 0.
        bins: how many; n is a multiple of it.

    Returns:
        One number, from 0 to 1.
    """
    ### BEGIN SOLUTION
    parts = np.split(np.argsort(confidence, kind="stable"), bins)
    return np.mean([abs(confidence[part].mean() - right[part].mean()) for part in parts])
    ### END SOLUTION


# %% check
rng = np.random.default_rng(0)
probabilities, right = rng.dirichlet(np.full(7, 0.3), size=120), rng.integers(2, size=120)  # as often right as wrong
confidence, labels = probabilities.max(axis=1), (probabilities.argmax(axis=1) + 1 - right) % 7
gaps = confidence - right
expect(
    "the calibration error",
    calibration(confidence, right, 6),
    calibration_error(probabilities, labels, 6),
    {
        "the bins follow the order of the faces: sort by confidence first": np.abs(gaps.reshape(6, 20).mean(axis=1)).mean(),
        "gaps of both signs cancel: take the absolute value in each bin": gaps.mean(),
        "a single face is right or wrong: average within a bin before you take the gap": np.abs(gaps).mean(),
    },
)

# %% hint
"""
`np.split(np.argsort(confidence), bins)` gives the positions of the faces of each bin.
"""

# %% text
"""
## Less sure, as right

A network is surer than it is right. Divide its logits by a temperature $T$ before the softmax. From stored probabilities alone: which are the new ones?
"""


# %% task
def cooled(probabilities, temperature):
    """The probabilities after the logits were divided by a temperature.

    Args:
        probabilities: [n, K], each row sums to 1.
        temperature: above 0.

    Returns:
        [n, K].
    """
    ### BEGIN SOLUTION
    powers = probabilities ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)
    ### END SOLUTION


# %% check
logits = np.array([[3.0, 1.0, 0.0], [0.5, 2.0, -1.0]])


def softmax(z):
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


before, after = softmax(logits), softmax(logits / 2)
expect(
    "the probabilities at temperature 2",
    cooled(before, 2.0),
    after,
    {
        "the rows no longer sum to 1: divide by their sum": before**0.5,
        "this makes the network surer: the power is 1 / T": softmax(2 * logits),
        "this divides the probabilities, which the sum undoes: divide the logits": before,
        "probabilities are no logits: take their logarithm first": softmax(before / 2),
    },
)

# %% hint
"""
The logits are $\\log p$ up to a constant in each row, and $e^{\\log(p) / T} = p^{1/T}$.
"""
