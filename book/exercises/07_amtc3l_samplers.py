# %% text
"""
# 7 · Samplers

Two exercises for [chapter 7](../../notebooks/07_amtc3l_samplers.ipynb).
"""

# %% code
import numpy as np

from fercore.course.exercises import expect

# %% text
"""
## The noise of a curve

How much does a loss fluctuate from step to step, whatever its slope? Take the second differences of the curve, their root mean square, and divide by $\\sqrt 6$: then a curve of independent values of spread 1 has noise 1, and a straight line has none.
"""


# %% task
def noise(curve):
    """The fluctuation of a curve around its own neighbors.

    Args:
        curve: [T], a value a step.

    Returns:
        A number.
    """
    ### BEGIN SOLUTION
    return np.sqrt((np.diff(curve, n=2) ** 2).mean() / 6)
    ### END SOLUTION


# %% check
curve = 3 - 0.1 * np.arange(200) + np.random.default_rng(0).normal(size=200)
second = np.diff(curve, n=2)
expect(
    "the noise",
    noise(curve),
    np.sqrt((second**2).mean() / 6),
    {
        "first differences count a steep slope as noise": np.sqrt((np.diff(curve) ** 2).mean() / 2),
        "this is the spread of the whole curve, its slope included": curve.std(),
        "divide by the root of 6, or independent values of spread 1 would not have noise 1": np.sqrt((second**2).mean()),
        "the root comes last: divide the mean square by 6 first": np.sqrt((second**2).mean()) / 6,
    },
)

# %% hint
"""
`np.diff(curve, n=2)` are the second differences, $l_{t+1} - 2 l_t + l_{t-1}$; the squares of 1, 2 and 1 sum to 6.
"""

# %% text
"""
## Who is the rival?

NS-NSS asks a record $S$ of mistakes: $S_{rc}$ counts how often an image of class $r$ was taken for class $c$. Add one batch to it.
"""


# %% task
def updated(S, predictions, labels):
    """The record after one more batch.

    Args:
        S: counts, [K, K]: true class (row), predicted class (column); the diagonal stays 0.
        predictions, labels: classes, [m].

    Returns:
        A new [K, K]; `S` itself is not changed.
    """
    ### BEGIN SOLUTION
    S = S.copy()
    wrong = predictions != labels
    np.add.at(S, (labels[wrong], predictions[wrong]), 1)
    return S
    ### END SOLUTION


# %% check
labels, predictions = np.array([0, 0, 0, 1, 2, 2]), np.array([0, 2, 2, 0, 2, 1])
before = np.array([[0, 4, 1], [2, 0, 0], [0, 3, 0]])
added = np.array([[0, 0, 2], [1, 0, 0], [0, 1, 0]])
once = np.minimum(added, 1)
expect(
    "the record",
    updated(before.copy(), predictions, labels),
    before + added,
    {
        "right answers are no mistakes: the diagonal stays 0": before + added + np.diag([1, 0, 1]),
        "the true class is the row, the predicted one the column": before + added.T,
        "S[rows, columns] += 1 counts a pair that stands twice in the batch once": before + once,
        "the record remembers: add to S": added,
    },
)

# %% hint
"""
`np.add.at(S, (rows, columns), 1)` counts every pair, also one that stands twice. Leave out where `predictions == labels`.
"""
