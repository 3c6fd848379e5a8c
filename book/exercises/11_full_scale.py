# %% text
"""
# 11 · Full scale

Two exercises for [chapter 11](../../notebooks/11_full_scale.ipynb): what a network and a training cost, before you start one.
"""

# %% code
import math

import torch
from torch.utils.flop_counter import FlopCounterMode

from fercore.course.exercises import expect

# %% text
"""
## What a convolution costs

Count the multiplications of one convolution on one image. (A multiplication and an addition are often counted as two operations; here only the first.)
"""


# %% task
def multiplications(channels_in, channels_out, kernel, stride, side, groups=1):
    """Of a square convolution that is padded by kernel // 2.

    Args:
        channels_in, channels_out: channels before and after.
        kernel, stride: of the convolution.
        side: height and width of the image that goes in.
        groups: into how many parts the channels are cut, each seen by its own part alone.
    """
    ### BEGIN SOLUTION
    out = (side + 2 * (kernel // 2) - kernel) // stride + 1
    return out * out * channels_out * (channels_in // groups) * kernel * kernel
    ### END SOLUTION


# %% check
for channels_in, channels_out, kernel, stride, side, groups in ((64, 128, 3, 2, 56, 1), (32, 32, 5, 1, 28, 32)):
    convolution = torch.nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    with FlopCounterMode(display=False) as counter:
        height = convolution(torch.zeros(1, channels_in, side, side)).shape[2]
    counted = counter.get_total_flops() // 2
    expect(
        f"a {kernel} x {kernel} convolution from {channels_in} to {channels_out} channels",
        multiplications(channels_in, channels_out, kernel, stride, side, groups),
        counted,
        {
            "this counts a multiplication and an addition": 2 * counted,
            "the picture that comes out has fewer places, by the stride": counted * side**2 // height**2,
            "with groups a channel sees an n-th of the channels": counted * groups,
            "this is one row of the kernel: it has as many rows as columns": counted // kernel,
        },
    )

# %% hint
"""
Each number that comes out is a sum over kernel × kernel places and the channels of its group. How many numbers come out?
"""

# %% text
"""
## How long does a table take?

A table is so many runs, each so many epochs. A GPU sustains `tflops` times $10^{12}$ operations a second, and a step never takes less than `step_ms`, however little there is to compute: the longer of the two counts. The last batch of the training is not full; count it as one.
"""


# %% task
def hours(runs, images, epochs, batch, operations, tflops, step_ms):
    """Of a table's runs, one after the other.

    Args:
        runs: how many.
        images: of the training set.
        epochs: how often they are seen.
        batch: images a step.
        operations: of one image, forward and backward.
        tflops: 10^12 operations a second that the GPU sustains.
        step_ms: milliseconds that a step takes at least.
    """
    ### BEGIN SOLUTION
    steps = math.ceil(images * epochs / batch)
    seconds = max(images * epochs * operations / (tflops * 1e12), steps * step_ms / 1000)
    return runs * seconds / 3600
    ### END SOLUTION


# %% check
for batch, tflops in ((64, 30.0), (256, 0.5)):
    seen, steps = 12_271 * 60, math.ceil(12_271 * 60 / batch)
    computing, waiting = seen * 5.4e9 / (tflops * 1e12), steps * 0.015
    expect(
        f"the hours with batches of {batch} at {tflops:g} TFLOPS",
        hours(20, 12_271, 60, batch, 5.4e9, tflops, 15),
        20 * max(computing, waiting) / 3600,
        {
            "both are waited for here; a GPU computes while the next step is prepared": 20 * (computing + waiting) / 3600,
            "this is the shorter of the two: the slower one is waited for": 20 * min(computing, waiting) / 3600,
            "these are minutes": 20 * max(computing, waiting) / 60,
            "this is one run": max(computing, waiting) / 3600,
        },
    )

# %% hint
"""
Two times, each in seconds: all operations by the speed, and all steps by the shortest step.
"""
