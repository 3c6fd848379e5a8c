# %% text
"""
# 4 · Claims about faces

Two exercises for [chapter 4](../../notebooks/04_dda_on_faces.ipynb).
"""

# %% code
import numpy as np
from scipy import stats

from fercore.course.exercises import expect
from fercore.evaluation.stats import paired_difference

# %% text
"""
## What the rare classes get

A confusion matrix counts in row $r$, column $c$ how many images of true class $r$ were taken for class $c$. Compute the mean recall of some of the classes.
"""


# %% task
def minority_recall(confusion, minority):
    """The mean recall of the classes `minority`.

    Args:
        confusion: counts, [K, K]: true class (row), predicted class (column).
        minority: the rare classes, a list of integers.

    Returns:
        A number between 0 and 1.
    """
    ### BEGIN SOLUTION
    recall = np.diag(confusion) / confusion.sum(axis=1)
    return recall[minority].mean()
    ### END SOLUTION


# %% check
confusion = np.array([[90, 5, 5], [8, 10, 2], [3, 1, 6]])
few, right = confusion[[1, 2]], np.diag(confusion)[[1, 2]]
expect(
    "minority recall",
    minority_recall(confusion, [1, 2]),
    (10 / 20 + 6 / 10) / 2,
    {
        "this divides by how often each class was predicted: that is precision": (10 / 16 + 6 / 13) / 2,
        "this pools the images of both classes, so that the larger one counts more": right.sum() / few.sum(),
        "this is the mean over all classes: balanced accuracy": (0.9 + 0.5 + 0.6) / 3,
        "this is accuracy over all images": np.trace(confusion) / confusion.sum(),
    },
)

# %% hint
"""
A class's recall divides the diagonal by the sum of its *row*. `confusion.sum(axis=1)` are the rows' sums.
"""

# %% text
"""
## A paired interval

Two methods were trained with the same seeds. Give the mean of method minus baseline, and the two ends of its 95 % interval, from the differences seed by seed.
"""


# %% task
def paired_interval(values, baseline):
    """The mean paired difference and its 95 % t-interval.

    Args:
        values, baseline: accuracies, [n], in the same order of seeds.

    Returns:
        (mean, low, high).
    """
    ### BEGIN SOLUTION
    differences = np.asarray(values) - np.asarray(baseline)
    n = len(differences)
    half = stats.t.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n)
    return differences.mean(), differences.mean() - half, differences.mean() + half
    ### END SOLUTION


# %% check
values, baseline = np.array([84.6, 83.1, 85.2, 84.0, 83.5]), np.array([83.9, 82.8, 84.1, 83.8, 82.6])
right = paired_difference(dict(enumerate(values)), dict(enumerate(baseline)))
gaps = values - baseline


def ends(spread, factor):
    """What another spread or factor would give."""
    return gaps.mean(), gaps.mean() - factor * spread, gaps.mean() + factor * spread


t, of_mean = stats.t.ppf(0.975, 4), gaps.std(ddof=1) / np.sqrt(5)
unpaired = np.sqrt((values.var(ddof=1) + baseline.var(ddof=1)) / 5)
expect(
    "the interval",
    paired_interval(values, baseline),
    (right.mean, right.low, right.high),
    {
        "1.96 holds for endless seeds; with five take stats.t.ppf(0.975, 4)": ends(of_mean, 1.96),
        "the standard deviation divides by n - 1 (ddof=1), since the mean is estimated too": ends(gaps.std() / np.sqrt(5), t),
        "this is the spread of one difference; that of their mean is smaller by the root of n": ends(gaps.std(ddof=1), t),
        "this ignores the pairs: take the differences first, then their spread": ends(unpaired, stats.t.ppf(0.975, 8)),
        "stats.t.ppf(0.95, ...) leaves 5 % on one side; 95 % in the middle leave 2.5 %": ends(of_mean, stats.t.ppf(0.95, 4)),
    },
)

# %% hint
"""
mean ± t · s / √n, with s the standard deviation of the *differences* and t from `scipy.stats.t.ppf(0.975, n - 1)`.
"""
