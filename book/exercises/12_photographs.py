# %% text
"""
# 12 · Photographs

Two exercises for [chapter 12](../../notebooks/12_photographs.ipynb).
"""

# %% code
import numpy as np
from scipy import stats

from fercore.course.exercises import expect

# %% text
"""
## Two orders in one number

Spearman's correlation asks how far two lists put the same methods into the same order: replace every number by its rank, and take the ordinary (Pearson) correlation of the ranks. Numbers that are equal share the mean of their ranks.
"""


# %% task
def rank_correlation(first, second):
    """Spearman's correlation of two lists of n numbers, between -1 and 1."""
    ### BEGIN SOLUTION
    one, other = (stats.rankdata(values) for values in (first, second))
    return np.corrcoef(one, other)[0, 1]
    ### END SOLUTION


# %% check
first, second = np.array([70.3, 69.4, 70.4, 70.4, 71.9]), np.array([55.9, 56.4, 54.0, 57.1, 80.0])
ranks = [values.argsort().argsort() for values in (first, second)]
expect(
    "the rank correlation",
    rank_correlation(first, second),
    stats.spearmanr(first, second).statistic,
    {
        "this is the correlation of the numbers, and one far out decides it: take ranks": np.corrcoef(first, second)[0, 1],
        "numbers that are equal must share a rank": np.corrcoef(*ranks)[0, 1],
        "`argsort` says who stands where; a rank says where one stands": np.corrcoef(first.argsort(), second.argsort())[0, 1],
        "one of the lists is turned around": -stats.spearmanr(first, second).statistic,
    },
)

# %% hint
"""
`scipy.stats.rankdata` gives ranks, with ties shared; `np.corrcoef(a, b)[0, 1]` is Pearson's correlation.
"""

# %% text
"""
## Copies in the test set

Some test images are training images, pixel for pixel. What would the accuracy be without them, and how much do they add to the printed one?
"""


# %% task
def without_copies(right, copies):
    """(accuracy without the copies, what they add to the accuracy on all images), both in percent.

    Args:
        right: [N] of bool, whether each test image is recognized.
        copies: [N] of bool, whether it is among the training images.
    """
    ### BEGIN SOLUTION
    clean = 100 * right[~copies].mean()
    return clean, 100 * right.mean() - clean
    ### END SOLUTION


# %% check
rng = np.random.default_rng(0)
copies = rng.random(1000) < 0.08
right = rng.random(1000) < np.where(copies, 0.95, 0.6)
everything, clean, known = 100 * right.mean(), 100 * right[~copies].mean(), 100 * right[copies].mean()
expect(
    "without the copies",
    without_copies(right, copies),
    (clean, everything - clean),
    {
        "this is the accuracy on the copies": (known, everything - known),
        "the second is how much easier the copies are; they are a small part of all images": (clean, known - clean),
        "these are shares; in percent they are 100 times as much": (clean / 100, (everything - clean) / 100),
        "a copy that is left out is not a mistake: divide by the images that are left": (
            100 * (right & ~copies).mean(),
            everything - 100 * (right & ~copies).mean(),
        ),
    },
)

# %% hint
"""
`right[~copies]` are the images that are no copies; the mean of bools is a share.
"""
