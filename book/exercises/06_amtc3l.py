# %% text
"""
# 6 · The lossless triplet

Two exercises for [chapter 6](../../notebooks/06_amtc3l_anatomy.ipynb).
"""

# %% code
import torch

from fercore.course.exercises import expect
from fercore.losses import tc3l_loss
from fercore.samplers import ms_nss

# %% text
"""
## Build the chimera

MS-NSS puts a negative together: in each dimension it takes the coordinate of the class whose center is nearest there, the own class left out. Write it.
"""


# %% task
def chimera(x, y, c):
    """MS-NSS's negatives.

    Args:
        x: embeddings, [m, D].
        y: labels, [m].
        c: centers, [K, D].

    Returns:
        [m, D].
    """
    ### BEGIN SOLUTION
    away = (x[:, None] - c).abs()  # [m, K, D]
    away[torch.arange(len(x)), y] = torch.inf
    return c.gather(0, away.argmin(dim=1))
    ### END SOLUTION


# %% check
torch.manual_seed(0)
x, y, c = torch.randn(6, 3), torch.tensor([0, 1, 2, 3, 0, 1]), torch.randn(4, 3)
away = (x[:, None] - c).abs()
others = torch.cdist(x, c).scatter(1, y[:, None], torch.inf)
expect(
    "the chimera",
    chimera(x, y, c),
    ms_nss(x, y, c),
    {
        "the own class takes part; it must be left out": c.gather(0, away.argmin(dim=1)),
        "this is the nearest other center as a whole; each dimension should choose for itself": c[others.argmin(dim=1)],
        "this takes the farthest coordinate; the hardest negative is near": c.gather(
            0, away.scatter(1, y[:, None, None].expand(-1, 1, 3), -torch.inf).argmax(dim=1)
        ),
    },
)

# %% hint
"""
`(x[:, None] - c).abs()` is [m, K, D]. Put infinity where the class is the own one, and take `argmin` over the classes; `c.gather(0, classes)` picks a coordinate for every dimension.
"""

# %% text
r"""
## The loss that loses no image

A sigmoid takes every coordinate into a box of side 1; there $u_i$ is the squared distance to the own center and $v_i$ that to the negative. With a margin as large as $v_i$ can be, no term $\max(0, u_i - v_i + \text{margin})$ is ever 0. Write the mean of the terms, divided by $D$.
"""


# %% task
def lossless(x, y, c, n):
    """The lossless triplet loss on centers.

    Args:
        x: embeddings, [m, D].
        y: labels, [m].
        c: centers, [K, D].
        n: negatives, [m, D].

    Returns:
        A number.
    """
    ### BEGIN SOLUTION
    box = torch.sigmoid
    u = (box(x) - box(c[y])).square().sum(dim=1)
    v = (box(x) - box(n)).square().sum(dim=1)
    margin = x.shape[1]
    return (u - v + margin).clamp(min=0).mean() / x.shape[1]
    ### END SOLUTION


# %% check
torch.manual_seed(1)
x, y, c = torch.randn(6, 3), torch.tensor([0, 1, 2, 3, 0, 1]), torch.randn(4, 3)
n = ms_nss(x, y, c)
truth = tc3l_loss(x, y, c, n)
plain = (x - c[y]).square().sum(dim=1) - (x - n).square().sum(dim=1)
expect(
    "the loss",
    lossless(x, y, c, n),
    truth,
    {
        "it is D = 3 times too large: divide by the number of dimensions": 3 * truth,
        "a margin of 1 bounds one dimension; v can be as large as D": tc3l_loss(x, y, c, n, margin=1),
        "without a margin images are lost": tc3l_loss(x, y, c, n, margin=0),
        "the coordinates are not in the box: take the sigmoid of x, of the centers and of the negatives": (
            (plain + 3).clamp(min=0).mean() / 3
        ),
        "u and v are exchanged: the own center should be near": 2 - truth,
    },
)

# %% hint
"""
In each of the D dimensions a squared distance in the box is below 1, so v is below D.
"""
