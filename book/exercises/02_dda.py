# %% text
"""
# 2 · DDA

Two exercises for [chapter 2](../../notebooks/02_dda_gamma_sweep.ipynb).
"""

# %% code
import torch

from fercore.course.exercises import expect
from fercore.losses import dda_loss

# %% text
r"""
## Log-probabilities that do not overflow

DDA needs $\log p_{ik}$ with $p_{ik} = e^{-d_{ik}} / \sum_l e^{-d_{il}}$, where $d_{ik}$ is the squared distance from embedding $i$ to center $k$. Far out all $e^{-d}$ are 0 in floating point, and the logarithm of their ratio is no number. Write it so that it works at any distance.
"""


# %% task
def log_p(x, c):
    """The logarithm of DDA's probabilities.

    Args:
        x: embeddings, [m, D].
        c: centers, [K, D].

    Returns:
        [m, K]; finite wherever x and c are.
    """
    ### BEGIN SOLUTION
    d = (x[:, None] - c).pow(2).sum(dim=2)
    return -d - torch.logsumexp(-d, dim=1, keepdim=True)
    ### END SOLUTION


# %% check
torch.manual_seed(0)
near, far, c = torch.randn(5, 2), 40 * torch.randn(5, 2), torch.randn(3, 2)
for name, x in (("log p near the centers", near), ("log p far from them", far)):
    d = (x[:, None] - c).square().sum(dim=2)
    truth = (-d).log_softmax(dim=1)
    expect(
        name,
        log_p(x, c),
        truth,
        {
            "these are the probabilities, without the logarithm": truth.exp(),
            "the distances are not squared": (-d.sqrt()).log_softmax(dim=1),
            "a large distance should give a small probability; a minus is missing": d.log_softmax(dim=1),
            "the sum runs over the batch; it should run over the classes": (-d).log_softmax(dim=0),
        },
    )

# %% hint
r"""
$\log p_{ik} = -d_{ik} - \log \sum_l e^{-d_{il}}$, and `torch.logsumexp` takes the largest term out before it exponentiates.
"""

# %% text
r"""
## The gradient that the thesis does not print

With $\delta_{k,y_i}$ = 1 for the own class and 0 otherwise, $\log p_{i,y_i}$ has the derivative $-2\sum_k(\delta_{k,y_i} - p_{ik})(x_i - c_k)$ by $x_i$. Write the gradient of $L_{DDA} = -\frac{1}{2m}\sum_i \log p_{i,y_i}$ by the embeddings.
"""


# %% task
def dda_gradient(x, y, c):
    """The gradient of the DDA loss by the embeddings.

    Args:
        x: embeddings, [m, D].
        y: labels, [m].
        c: centers, [K, D].

    Returns:
        [m, D].
    """
    ### BEGIN SOLUTION
    own = torch.nn.functional.one_hot(y, len(c))
    difference = own - log_p(x, c).exp()  # [m, K]
    return (difference[:, :, None] * (x[:, None] - c)).sum(dim=1) / len(x)
    ### END SOLUTION


# %% check
torch.manual_seed(1)
x, y, c = torch.randn(6, 2, requires_grad=True), torch.tensor([0, 1, 2, 0, 2, 1]), torch.randn(3, 2)
(truth,) = torch.autograd.grad(dda_loss(x, y, c), x)
p = log_p(x, c).exp()
printed = (1 - p[range(6), y])[:, None] * (x - c[y]) / 6
expect(
    "the gradient",
    dda_gradient(x, y, c),
    truth,
    {
        "this is the printed (3.8), with the own center alone: it can pull, and never push (erratum E1)": printed,
        "it is m = 6 times too large; the loss is a mean over the batch": 6 * truth,
        "it is m = 6 times too small: did you average twice, as the released code does?": truth / 6,
        "it is twice the right one; the 1/2 in front of the loss is missing": 2 * truth,
        "it has the wrong sign; the loss is minus the logarithm": -truth,
    },
)

# %% hint
"""
`torch.nn.functional.one_hot(y, K)` is delta, [m, K]. The sum over classes is a sum over dimension 1 of something of shape [m, K, D].
"""
