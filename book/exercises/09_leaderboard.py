# %% text
"""
# 9 · Leaderboard

Two exercises for [chapter 9](../../notebooks/09_leaderboard.ipynb).
"""

# %% code
import numpy as np

from fercore.course.exercises import expect
from fercore.evaluation.stats import average_ranks, holm

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
## Ranks within seeds

All methods are compared by their average ranks: ranked within each seed, 1 the best, then averaged over the seeds. Here no two methods of a seed are equal.
"""


# %% task
def mean_ranks(scores):
    """Each method's average rank.

    Args:
        scores: [B, M] accuracies: a row a seed, a column a method.

    Returns:
        [M], 1 where a method is the best of every seed.
    """
    ### BEGIN SOLUTION
    ranks = 1 + np.argsort(np.argsort(-scores, axis=1), axis=1)
    return ranks.mean(axis=0)
    ### END SOLUTION


# %% check
scores = np.array([[70.1, 69.2, 71.5, 68.0], [66.0, 66.9, 66.5, 60.2], [72.4, 70.8, 71.9, 73.0]])
expect(
    "the average ranks",
    mean_ranks(scores),
    average_ranks(scores),
    {
        "1 is the worst here: sort from the highest score down": 5 - average_ranks(scores),
        "the best has rank 0: ranks start at 1": average_ranks(scores) - 1,
        "argsort lists who takes each place; the place of each is the argsort of that": 1 + np.argsort(-scores).mean(axis=0),
        "these are the ranks of the means: rank within each seed, then average": average_ranks(scores.mean(axis=0)[None]),
    },
)

# %% hint
"""
`np.argsort(-row)` lists the methods from the best down: the first number is *who* is first. Applied to that list once more, it gives the place of each method, from 0.
"""
