# %% text
"""
# 5 · Attention

Two exercises for [chapter 5](../../notebooks/05_dacl_attention.ipynb).
"""

# %% code
import torch

from fercore.course.exercises import expect
from fercore.losses import sparse_center_loss
from fercore.models.attention import inclusion

# %% text
"""
## Two outputs, one weight

DACL's attention network gives two numbers for each dimension of the embedding, one for leaving it out and one for taking it in, in this order. Their softmax gives the weight: the probability of taking it in. Make the weights of all dimensions.
"""


# %% task
def weights(outputs):
    """The weight of each dimension.

    Args:
        outputs: [m, 2 D]: (leave out, take in) of dimension 1, then of dimension 2, and so on.

    Returns:
        [m, D], between 0 and 1.
    """
    ### BEGIN SOLUTION
    pairs = outputs.reshape(len(outputs), -1, 2)
    return pairs.softmax(dim=2)[:, :, 1]
    ### END SOLUTION


# %% check
torch.manual_seed(0)
outputs = torch.randn(3, 8)
truth = inclusion(outputs)
halves = outputs.reshape(3, 2, 4).softmax(dim=1)
expect(
    "the weights",
    weights(outputs),
    truth,
    {
        "this is the probability of leaving a dimension out": 1 - truth,
        "the two outputs of a dimension stand side by side; this pairs the first half with the second": halves[:, 1],
        "this softmax runs over the dimensions, so that they compete; each dimension should decide alone": outputs.reshape(
            3, -1, 2
        ).softmax(dim=1)[:, :, 1],
    },
)

# %% hint
"""
`outputs.reshape(m, D, 2)` puts each dimension's pair into the last axis; softmax along that axis.
"""

# %% text
r"""
## What the loss tells the attention

The sparse center loss is $L_{SC} = \frac{1}{2m} \sum_i \sum_j a_{ij} (x_{ij} - c_{y_i j})^2$. Write its gradient by the weights $a$, and look at its sign: what would become of the weights if they listened to this loss alone?
"""


# %% task
def attention_gradient(x, y, c, a):
    """The gradient of the sparse center loss by the attention.

    Args:
        x: embeddings, [m, D].
        y: labels, [m].
        c: centers, [K, D].
        a: attention, [m, D].

    Returns:
        [m, D].
    """
    ### BEGIN SOLUTION
    return (x - c[y]).square() / (2 * len(x))
    ### END SOLUTION


# %% check
torch.manual_seed(1)
x, y, c = torch.randn(5, 4), torch.tensor([0, 1, 1, 0, 2]), torch.randn(3, 4)
a = torch.rand(5, 4, requires_grad=True)
(truth,) = torch.autograd.grad(sparse_center_loss(x, y, c, a), a)
expect(
    "the gradient",
    attention_gradient(x, y, c, a),
    truth,
    {
        "a factor a is too many: the loss is linear in a, and (4.13) prints it all the same (erratum E5)": a.detach() * truth,
        "this is the gradient by x, and not by a": a.detach() * (x - c[y]) / 5,
        "the 1/2 in front of the loss is missing": 2 * truth,
        "it is m = 5 times too large; the loss is a mean over the batch": 5 * truth,
        "it is summed over the dimensions; each has a weight of its own": truth.sum(dim=1),
    },
)

# %% hint
"""
The loss is linear in each weight, so its gradient is what stands beside the weight. It is never negative: all weights would fall to 0.
"""
