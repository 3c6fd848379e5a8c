"""A ResNet trunk (He et al. 2016) for faces, as in the thesis, sections 3.3.2 and 4.3.1."""

from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from fercore.models.layers import init_he


class ResNetTrunk(nn.Module):
    """A ResNet without its classifier, with torchvision's module names, and a width; see `FERNet`.

    Attributes:
        name: "resnet18" or "resnet50".
        channels: C, of the feature map.
    """

    def __init__(self, name: str, *, width: float, stem: str) -> None:
        super().__init__()
        if name not in TRUNKS:
            raise ValueError(f"trunk must be one of {', '.join(TRUNKS)}, got {name!r}")
        if stem not in STEMS:
            raise ValueError(f"stem must be one of {', '.join(STEMS)}, got {stem!r}")
        if round(64 * width) < 1:
            raise ValueError(f"width must leave at least one channel of 64, got {width}")
        block, depths = TRUNKS[name]
        self.name = name
        self.channels = round(64 * width)
        kernel = {"imagenet": 7, "small": 3}[stem]
        self.conv1 = nn.Conv2d(3, self.channels, kernel, stride=2, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(self.channels)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1) if stem == "imagenet" else nn.Identity()
        for number, depth in enumerate(depths):
            stage = self.make_stage(block, round(64 * 2**number * width), depth, stride=1 if number == 0 else 2)
            self.add_module(f"layer{number + 1}", stage)
        self.apply(partial(init_he, mode="fan_out"))  # as torchvision starts its ResNets

    def make_stage(self, block: Callable[..., nn.Module], inner: int, depth: int, stride: int) -> nn.Sequential:
        blocks = []
        for number in range(depth):
            blocks.append(block(self.channels, inner, stride if number == 0 else 1))
            self.channels = inner * block.expansion
        return nn.Sequential(*blocks)

    def forward(self, images: Tensor) -> Tensor:
        x = self.pool(F.relu(self.bn1(self.conv1(images))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut: the block of ResNet-18."""

    expansion = 1

    def __init__(self, channels: int, inner: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, inner, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.downsample = shortcut(channels, inner, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class Bottleneck(nn.Module):
    """A 1x1, a 3x3 (which carries the stride, as in torchvision) and a 1x1 convolution: the block of ResNet-50."""

    expansion = 4

    def __init__(self, channels: int, inner: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, 4 * inner, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * inner)
        self.downsample = shortcut(channels, 4 * inner, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


def shortcut(channels: int, out: int, stride: int) -> nn.Module:
    """What a block adds: its input, brought to the output's shape where they differ."""
    if stride == 1 and channels == out:
        return nn.Identity()
    convolution = StrideFirst if channels < NARROW else nn.Conv2d
    return nn.Sequential(convolution(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))


NARROW = 16  # channels; as many float32 fill the widest vector registers


class StrideFirst(nn.Conv2d):
    """A 1x1 convolution without a bias that drops pixels before it, not in it; the same numbers up to rounding.

    On a CPU with AVX2 and no AVX-512 oneDNN's own writes past its workspace where the channels do not fill a register
    (uxlfoundation/oneDNN, issue 6035): a training with few channels would crash, or learn from wrong gradients.
    """

    def forward(self, x: Tensor) -> Tensor:
        down, right = self.stride
        return F.conv2d(x[:, :, ::down, ::right], self.weight)


TRUNKS = {"resnet18": (BasicBlock, (2, 2, 2, 2)), "resnet50": (Bottleneck, (3, 4, 6, 3))}
STEMS = ("imagenet", "small")
