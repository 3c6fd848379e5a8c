# %% text
"""
# 9 · Leaderboard

Two exercises for [chapter 9](../../notebooks/09_leaderboard.ipynb).
"""

# %% code
import numpy as np

from fercore.course.exercises import expect
from fercore.evaluation.stats import holm

# %% text
"""
## Many questions, one correction

Twenty-two methods are compared with softmax, each with a p-value. Adjust them by Holm's rule: the smallest of $n$ is multiplied by $n$, the next by $n - 1$, and so on; none may come out smaller than the one before it, and none above 1.
"""


# %% task
def corrected(p):
    """Holm's adjusted p-values.

    Args:
        p: [n] p-values, in any order.

    Returns:
        [n], in the order of `p`.
    """
    ### BEGIN SOLUTION
    order = np.argsort(p)
    factors = np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * factors))
    return adjusted
    ### END SOLUTION


# %% check
p = np.array([0.04, 0.001, 0.3, 0.012, 0.013])
factors = np.arange(5, 0, -1)
expect(
    "the corrected p-values",
    corrected(p),
    holm(p),
    {
        "this multiplies all by n: Bonferroni's rule, which is safe and loses findings": np.minimum(1, 5 * p),
        "this is in the order of size; give each value back its own place": np.sort(holm(p)),
        "one comes out smaller than the one before it: take the running maximum": (np.sort(p) * factors)[p.argsort().argsort()],
        "the factors follow the order of the list; they should follow the size": np.minimum(1, p * factors),
    },
)

# %% hint
"""
`order = np.argsort(p)` sorts; writing to `adjusted[order]` puts the results back. `np.maximum.accumulate` is the running maximum.
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
