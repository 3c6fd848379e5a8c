# %% text
"""
# 8 · Tuplets

Two exercises for [chapter 8](../../notebooks/08_tuplets.ipynb).
"""

# %% code
import torch

from fercore.course.exercises import expect
from fercore.losses import n_plus_one_tuplet_loss
from fercore.mining import mine_positives

# %% text
r"""
## One positive against many

The (N+1)-tuplet loss is $\log\bigl(1 + \sum_j e^{D(f, f^+) + \tau - D(f, f^-_j)}\bigr)$ with squared distances $D$. Write it so that a far positive does not overflow.
"""


# %% task
def tuplet_loss(query, positive, negatives, tau):
    """The (N+1)-tuplet loss of one tuple.

    Args:
        query, positive: f and f+, [D].
        negatives: f-, [N, D].
        tau: the margin.

    Returns:
        A number; finite however far the positive is.
    """
    ### BEGIN SOLUTION
    exponents = (query - positive).square().sum() + tau - (query - negatives).square().sum(dim=1)
    return torch.cat([torch.zeros(1), exponents]).logsumexp(dim=0)
    ### END SOLUTION


# %% check
torch.manual_seed(0)
query = torch.randn(4)
positive, negatives = query + 0.3 * torch.randn(4), query + torch.randn(5, 4)
near, far = ((query - one).square().sum(dim=-1) for one in (positive, negatives))
expect(
    "the loss",
    tuplet_loss(query, positive, negatives, 2.0),
    n_plus_one_tuplet_loss(query, positive, negatives, tau=2.0),
    {
        "the 1 under the logarithm is missing": (near + 2 - far).logsumexp(dim=0),
        "the distances are not squared": torch.log1p((near.sqrt() + 2 - far.sqrt()).exp().sum()),
        "positive and negatives are exchanged: the negatives should be far": torch.log1p((far + 2 - near).exp().sum()),
        "the margin has the wrong sign": torch.log1p((near - 2 - far).exp().sum()),
    },
)
far_positive = positive + 30
expect(
    "the loss of a far positive",
    tuplet_loss(query, far_positive, negatives, 2.0),
    n_plus_one_tuplet_loss(query, far_positive, negatives, tau=2.0),
)

# %% hint
"""
$1 = e^0$: put a 0 beside the exponents and call `logsumexp` on all of them.
"""

# %% text
"""
## Which positives to keep

Online positive mining takes the mean of all positives, drops those that are farther from it than the nearest negative, and takes the mean again, of the rest. Write both steps; here at least one positive is always near enough.
"""


# %% task
def mine(positives, negatives):
    """The center of the positives that are kept.

    Args:
        positives: f+, [M, D].
        negatives: f-, [N, D].

    Returns:
        [D].
    """
    ### BEGIN SOLUTION
    center = positives.mean(dim=0)
    nearest_negative = (negatives - center).norm(dim=1).min()
    keep = (positives - center).norm(dim=1) <= nearest_negative
    return positives[keep].mean(dim=0)
    ### END SOLUTION


# %% check
positives = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [7.0, 0.0]])
negatives = torch.tensor([[-1.0, 1.0], [9.0, 9.0]])
keep, center = mine_positives(positives, negatives)
first = positives.mean(dim=0)
expect(
    "the center",
    mine(positives, negatives),
    center,
    {
        "nothing was dropped: this is the mean of all positives; the nearest negative decides": first,
        "the dropped ones are kept, and the kept ones dropped": positives[~keep].mean(dim=0),
        "the sum of the kept ones is divided by all": positives[keep].sum(dim=0) / 4,
    },
)

# %% hint
"""
Distances are taken from the first mean, for positives and negatives alike. A mask `[M]` of booleans selects rows.
"""
