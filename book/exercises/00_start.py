# %% text
"""
# 0 · Start here

Two exercises for [chapter 0](../../notebooks/00_start_here.ipynb), to see how exercises work here.
"""

# %% code
import math

import numpy as np
import torch

from fercore.course.exercises import expect

# %% text
"""
## Whose center is nearest?

A network puts each image into the plane. Call an image by the class whose *center* (the mean of its embeddings) is nearest: no classifier is needed.
"""


# %% task
def nearest(embeddings, centers):
    """The class of the nearest center.

    Args:
        embeddings: [N, D].
        centers: [K, D].

    Returns:
        [N], each 0 .. K - 1.
    """
    ### BEGIN SOLUTION
    return torch.cdist(embeddings, centers).argmin(dim=1)
    ### END SOLUTION


# %% check
x = torch.tensor([[0.5, 0.0], [3.0, 4.0], [-1.0, 2.0], [9.0, 1.0]])
c = torch.tensor([[0.0, 0.0], [2.0, 3.0], [10.0, 10.0]])
distances = (x[:, None] - c[None]).norm(dim=2)
expect(
    "the nearest class",
    nearest(x, c),
    distances.argmin(dim=1),
    {
        "this is the farthest center: the smallest distance wins": distances.argmax(dim=1),
        "this compares angles (the largest product): it favors centers that lie far out": (x @ c.T).argmax(dim=1),
        "this names the nearest image of each class; for each image, look along the classes": distances.argmin(dim=0),
    },
)

# %% hint
"""
`torch.cdist(a, b)` is the table of all distances, a row an `a`, a column a `b`.
"""

# %% text
"""
## How sure is 97 of 100?

A network is right on `correct` of `total` test images. With other images it would have been a few more or fewer. As a first yardstick: the standard error of such a share, in percentage points.
"""


# %% task
def standard_error(correct, total):
    """How far, typically, the share of right answers lies from the true one, in percentage points.

    Args:
        correct, total: numbers of images.
    """
    ### BEGIN SOLUTION
    share = correct / total
    return 100 * math.sqrt(share * (1 - share) / total)
    ### END SOLUTION


# %% check
for correct, total in ((97, 100), (9700, 10_000)):
    share = correct / total
    expect(
        f"the standard error of {correct} of {total}",
        standard_error(correct, total),
        100 * np.sqrt(share * (1 - share) / total),
        {
            "this is a share; in percentage points it is 100 times as much": np.sqrt(share * (1 - share) / total),
            "this is the variance: take the square root": 100 * share * (1 - share) / total,
            "this is the spread of a single answer; the mean of n answers spreads less, by the root of n": 100
            * np.sqrt(share * (1 - share)),
        },
    )

# %% hint
"""
One answer is right with probability p and has the variance p (1 - p). The mean of n answers has an n-th of that.
"""
