"""The small inception network of the (N+M)-tuplet paper."""

from functools import partial

import torch
from torch import Tensor, nn

from fercore.models.layers import PRELU_SLOPE, check_channels, check_sizes, init_he

# Output channels of an inception group: 1x1; 1x1 before 3x3, 3x3; 1x1 before 5x5, 5x5; 1x1 after pooling. The numbers are
# GoogLeNet's 3a, 3b and 4a, which the inception network for expressions (Mollahosseini et al. 2016) takes over.
GROUPS = ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), (192, 96, 208, 16, 48, 64))
LAST_SIDE = 3  # of the feature map of a 48 px face


class Inception(nn.Module):
    """Four paths side by side: 1x1, 3x3 and 5x5 convolutions, and pooling; their channels are joined."""

    def __init__(self, channels: int, sizes: tuple[int, ...]) -> None:
        super().__init__()
        one, before_three, three, before_five, five, pooled = sizes
        self.one = convolve(channels, one, 1)
        self.three = nn.Sequential(convolve(channels, before_three, 1), convolve(before_three, three, 3))
        self.five = nn.Sequential(convolve(channels, before_five, 1), convolve(before_five, five, 5))
        self.pooled = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), convolve(channels, pooled, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([path(x) for path in (self.one, self.three, self.five, self.pooled)], dim=1)


class InceptionTrunk(nn.Sequential):
    """[m, in_channels, 48, 48] -> [m, 512 * width, 3, 3]: sides 48, 24, 12, 6, 3.

    Attributes:
        name: "inception".
        channels: C, of the feature map.
    """

    name = "inception"

    def __init__(self, in_channels: int, width: float) -> None:
        check_sizes(in_channels=in_channels)
        if round(16 * width) < 1:
            raise ValueError(f"width must leave at least one channel of 16, got {width}")
        first, second = round(64 * width), round(192 * width)
        a, b, c = (tuple(round(size * width) for size in group) for group in GROUPS)
        super().__init__(
            convolve(in_channels, first, 7, stride=2),
            halve(),
            convolve(first, second, 3),
            halve(),
            Inception(second, a),
            Inception(given_by(a), b),
            halve(),
            Inception(given_by(b), c),
            nn.AdaptiveAvgPool2d(LAST_SIDE),
        )
        self.in_channels = in_channels
        self.channels = given_by(c)
        self.apply(partial(init_he, slope=PRELU_SLOPE))

    def forward(self, images: Tensor) -> Tensor:
        check_channels("images", images, self.in_channels)
        return super().forward(images)


def given_by(group: tuple[int, ...]) -> int:
    """The channels that a group's four paths give together: its 1x1, 3x3, 5x5 and pooling path."""
    return sum(group[path] for path in (0, 2, 4, 5))


def convolve(channels: int, out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(channels, out, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(out), nn.PReLU())


def halve() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride=2, padding=1)
