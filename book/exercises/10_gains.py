# %% text
"""
# 10 · Are the gains real?

Two exercises for [chapter 10](../../notebooks/10_are_the_gains_real.ipynb).
"""

# %% code
from scipy import stats

from fercore.course.exercises import expect
from fercore.evaluation.stats import disagreement_bounds, mcnemar_p

# %% text
"""
## On how many pictures can two networks disagree?

A paper prints how many of the test images each of two networks gets right, and nothing else. Give the fewest and the most images that exactly one of the two can have right.
"""


# %% task
def bounds(first, second, total):
    """The fewest and the most images that exactly one of two networks gets right.

    Args:
        first, second: how many of the images each gets right.
        total: how many images there are.

    Returns:
        (fewest, most).
    """
    ### BEGIN SOLUTION
    wrong = (total - first) + (total - second)
    return abs(first - second), min(first + second, wrong)
    ### END SOLUTION


# %% check
for first, second, total in ((2666, 2625, 3068), (300, 200, 1000)):
    expect(
        f"bounds({first}, {second}, {total})",
        bounds(first, second, total),
        disagreement_bounds(first, second, total),
        {
            "the fewest is no negative number, whichever network is ahead": (
                second - first,
                min(first + second, 2 * total - first - second),
            ),
            "the errors of both can only part so far as there are errors": (abs(first - second), first + second),
            "two networks that are mostly wrong have few right answers to part": (
                abs(first - second),
                2 * total - first - second,
            ),
            "not all images can be answered differently, where both are right more often than not": (
                abs(first - second),
                total,
            ),
        },
    )

# %% hint
"""
Fewest: one network is right wherever the other is. Most: no image is missed by both, if there are few errors, or none is known to both, if there are many.
"""

# %% text
"""
## How often do coins do that?

Of `disagreement` images that exactly one of two networks gets right, the better one has `gain` more. Were they equally good, each image would be a toss of a fair coin. How often do so many coins fall at least that far apart, in either direction? That is the p-value of McNemar's test.
"""


# %% task
def p_value(gain, disagreement):
    """The exact two-sided p-value of McNemar's test.

    Args:
        gain: how many images more the one gets right, above 0.
        disagreement: how many images exactly one of the two gets right.

    Returns:
        A number between 0 and 1.
    """
    ### BEGIN SOLUTION
    fewer = (disagreement - gain) // 2  # right by the worse network alone
    return min(1.0, 2 * stats.binom.cdf(fewer, disagreement, 0.5))
    ### END SOLUTION


# %% check
for gain, disagreement in ((41, 283), (4, 20), (18, 20)):
    fewer = (disagreement - gain) // 2
    expect(
        f"p_value({gain}, {disagreement})",
        p_value(gain, disagreement),
        mcnemar_p(gain, disagreement),
        {
            "this counts one direction; coins may favor the other network too": stats.binom.cdf(fewer, disagreement, 0.5),
            "exactly this outcome is rare whatever it is; count it and all that are further out": stats.binom.pmf(
                fewer, disagreement, 0.5
            ),
            "this is the normal approximation: close where there are many images, and wrong where there are few": 2
            * stats.norm.sf(gain / disagreement**0.5),
            "the gain is the difference of the two counts, and not the larger of them": min(
                1.0, 2 * stats.binom.sf(gain - 1, disagreement, 0.5)
            ),
        },
    )

# %% hint
"""
Heads plus tails are `disagreement`, heads minus tails are `gain`; so tails are half of what is left. `scipy.stats.binom.cdf(k, n, 0.5)` is the chance of at most k tails.
"""
