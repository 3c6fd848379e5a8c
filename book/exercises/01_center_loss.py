# %% text
"""
# 1 · Center loss

Two exercises for [chapter 1](../../notebooks/01_softmax_and_center.ipynb). Write your lines where the dots are, run the cell, then run the check below it.
"""

# %% code
import torch

from fercore.course.exercises import expect
from fercore.losses import center_loss, center_step

# %% text
r"""
## The gradient of center loss

Center loss is $L_C = \frac{1}{2m} \sum_i \lVert x_i - c_{y_i} \rVert^2$. Differentiate it with respect to the embeddings, and write the gradient without autograd.
"""


# %% task
def center_gradient(x, y, c):
    """The gradient of center loss by the embeddings.

    Args:
        x: embeddings, [m, D].
        y: labels, [m].
        c: centers, [K, D].

    Returns:
        [m, D].
    """
    ### BEGIN SOLUTION
    return (x - c[y]) / len(x)
    ### END SOLUTION


# %% check
torch.manual_seed(0)
x, y, c = torch.randn(8, 3), torch.tensor([0, 1, 2, 0, 0, 1, 0, 3]), torch.randn(4, 3)
x.requires_grad_()
(truth,) = torch.autograd.grad(center_loss(x, y, c), x)
expect(
    "the gradient",
    center_gradient(x, y, c),
    truth,
    {
        "it is m = 8 times too large; the loss is a mean over the batch, and so is its gradient": 8 * truth,
        "it is m = 8 times too small: did you average twice?": truth / 8,
        "it is half of the right one; the square gives a 2, which the 1/2 in front takes away": truth / 2,
        "it is twice the right one; the 1/2 in front of the loss is missing": 2 * truth,
        "it points from the embedding to the center; that is where gradient descent goes, minus the gradient": -truth,
    },
)

# %% hint
"""
Only the term of image $i$ contains $x_i$. `c[y]` is, for each image, the center of its class.
"""

# %% text
r"""
## The step of the centers

Centers do not follow the gradient. Wen's rule moves center $k$ by $-\alpha\,\Delta c_k$ with

$$\Delta c_k = \frac{\sum_{i:\,y_i=k} (c_k - x_i)}{1 + n_k},$$

where $n_k$ counts the images of class $k$ in the batch. Return the centers after one step.
"""


# %% task
def move_centers(c, x, y, alpha=0.5):
    """The centers after one step of Wen's rule.

    Args:
        c: centers, [K, D].
        x: embeddings, [m, D].
        y: labels, [m].
        alpha: the centers' own rate.

    Returns:
        [K, D]; a class without an image in the batch stays where it is.
    """
    ### BEGIN SOLUTION
    moved = c.clone()
    for k in range(len(c)):
        own = x[y == k]
        moved[k] -= alpha * (c[k] - own).sum(dim=0) / (1 + len(own))
    return moved
    ### END SOLUTION


# %% check
torch.manual_seed(1)
x, y, c = torch.randn(8, 3), torch.tensor([0, 1, 2, 0, 0, 1, 0, 0]), torch.randn(4, 3)
step = center_step(x, y, c)
counts = torch.bincount(y, minlength=4)[:, None]
expect(
    "the moved centers",
    move_centers(c, x, y),
    c - 0.5 * step,
    {
        "they move away from their images; the step is subtracted": c + 0.5 * step,
        "the rate alpha is missing": c - step,
        "the 1 in the denominator is missing, so that a class with one image jumps too far": c
        - 0.5 * step * (1 + counts) / counts.clamp(min=1),
        "this divides by the batch's size; the rule counts the images of the class": c - 0.5 * step * (1 + counts) / 8,
        "this is the step alone, and not the centers after it": step,
    },
)

# %% hint
"""
`x[y == k]` are the images of class $k$. The sum over no image is 0, and the 1 keeps the division harmless.
"""
