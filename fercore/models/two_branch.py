"""The two-branch network of the (N+M) paper (Liu et al. 2017, section 4 and figure 4)."""

import torch
from torch import Tensor, nn

from fercore.models.attention import BatchNorm, check_channels, check_sizes

# Output channels of an inception group: 1x1; 1x1 before 3x3, 3x3; 1x1 before 5x5, 5x5; 1x1 after pooling. The numbers are
# GoogLeNet's 3a, 3b and 4a, which the inception network for expressions (Mollahosseini et al. 2016) takes over.
GROUPS = ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), (192, 96, 208, 16, 48, 64))
LAST_SIDE = 3  # of the feature map of a 48 px face


class TwoBranchHead(nn.Module):
    """The fully connected layers: an expression branch, and a metric branch that sees both.

    The expression classification (EC) branch is FC2 and the logits. The metric learning (ML) branch is FC3, and FC4 =
    P1'FC2 + P2'FC3 (13), which is the embedding. With one branch ("1B") FC2 is the embedding, and nothing else is there.
    Testing uses the logits: the EC branch alone. The paper gives the sizes in a figure alone: those here are ours, as is the
    batch normalization before each PReLU, without which training at a rate of 0.05 diverges. Weights start by He et al.'s
    rule for PReLU, biases at 0.

    Args:
        num_classes: K.
        branches: 1 or 2.
        in_features: C * H * W of the feature map, 512 * 3 * 3.
        shared: the size of FC1, which both branches see; 1,024, the last hidden layer of Mollahosseini et al.
        branch: D_input, the size of FC2 and of FC3; half of it.
        dim: D_output, the size of FC4; half again.

    Shapes:
        feature map [m, C, H, W] -> embeddings [m, dim] ([m, branch] with one branch), logits [m, K].

    Raises:
        ValueError: a size below 1, or branches other than 1 or 2.
    """

    def __init__(
        self,
        num_classes: int = 7,
        *,
        branches: int = 2,
        in_features: int = 512 * LAST_SIDE**2,
        shared: int = 1024,
        branch: int = 512,
        dim: int = 256,
    ) -> None:
        super().__init__()
        check_sizes(num_classes=num_classes, in_features=in_features, shared=shared, branch=branch, dim=dim)
        if branches not in (1, 2):
            raise ValueError(f"branches must be 1 or 2, got {branches}")
        self.branches = branches
        self.fc1 = nn.Sequential(nn.Flatten(), nn.Linear(in_features, shared), BatchNorm(shared), nn.PReLU())
        self.fc2 = nn.Sequential(nn.Linear(shared, branch), BatchNorm(branch), nn.PReLU())
        self.classify = nn.Linear(branch, num_classes)
        if branches == 2:
            self.fc3 = nn.Sequential(nn.Linear(shared, branch), BatchNorm(branch), nn.PReLU())
            self.fc4 = nn.Linear(2 * branch, dim, bias=False)
        self.apply(init_he)

    def forward(self, feature_map: Tensor) -> tuple[Tensor, Tensor]:
        shared = self.fc1(feature_map)
        expression = self.fc2(shared)
        logits = self.classify(expression)
        if self.branches == 1:
            return expression, logits
        return self.fc4(torch.cat([expression, self.fc3(shared)], dim=1)), logits


class TwoBranchNet(TwoBranchHead):
    """The paper's whole network: inception-style convolution groups with PReLU, and `TwoBranchHead`.

    The paper gives the groups by reference. The batch normalization before each PReLU of a convolution is ours: without it
    a rate of 0.1 diverges.

    Args:
        num_classes, branches, shared, branch, dim: as `TwoBranchHead`.
        width: multiplies the channels of every convolution.
        in_channels: 1, for the paper's gray images.

    Shapes:
        images [m, in_channels, 48, 48] -> embeddings, logits as `TwoBranchHead`. Other sizes work too: their feature map
        is averaged to the 3 x 3 of a 48 px face.

    Raises:
        ValueError: a size below 1, branches other than 1 or 2, or images of another number of channels.
    """

    def __init__(
        self, num_classes: int = 7, *, branches: int = 2, width: float = 1.0, in_channels: int = 1, **sizes: int
    ) -> None:
        trunk = InceptionTrunk(in_channels, width)
        super().__init__(num_classes, branches=branches, in_features=trunk.channels * LAST_SIDE**2, **sizes)
        self.trunk = trunk

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(self.trunk(images))


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
            Inception(sum(channels_of(GROUPS[0], width)), b),
            halve(),
            Inception(sum(channels_of(GROUPS[1], width)), c),
            nn.AdaptiveAvgPool2d(LAST_SIDE),
        )
        self.in_channels = in_channels
        self.channels = sum(channels_of(GROUPS[-1], width))
        self.apply(init_he)

    def forward(self, images: Tensor) -> Tensor:
        check_channels("images", images, self.in_channels)
        return super().forward(images)


def channels_of(group: tuple[int, ...], width: float) -> tuple[int, ...]:
    """The channels that a group's four paths give: its 1x1, 3x3, 5x5 and pooling path."""
    return tuple(round(group[path] * width) for path in (0, 2, 4, 5))


def convolve(channels: int, out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(channels, out, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(out), nn.PReLU())


def halve() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride=2, padding=1)


def init_he(module: nn.Module) -> None:
    """He normal weights for a PReLU of slope 0.25, and zero biases."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, a=0.25, nonlinearity="leaky_relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
