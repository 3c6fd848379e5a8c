"""Heads in place of a network's own last layers: AMTC3L's, and the tuplet paper's with one branch or two."""

from functools import partial

import torch
from torch import Tensor, nn

from fercore.models.inception import LAST_SIDE, InceptionTrunk
from fercore.models.layers import PRELU_SLOPE, BatchNorm, check_channels, check_sizes, init_he


class AMTC3LHead(nn.Module):
    """AMTC3L's classifier (Rajoli et al. 2023, section III-B): two convolutions, average pooling, a linear layer.

    The paper calls the convolutions depth-wise, which cannot reduce channels, as it says they do: these are 1x1. The
    embedding is not rectified: of a ReLU's output the loss's sigmoid would use [0.5, 1) alone.

    Args:
        num_classes: K.
        channels: C of the feature map; 2048 is ResNet-50's.
        hidden: channels between the convolutions; the paper's are lost, half and half again are ours.
        dim: D, the size of the embedding.

    Shapes:
        feature map [m, C, H, W] -> embeddings [m, D], logits [m, K].

    Raises:
        ValueError: a size below 1, or a feature map of another number of channels.
    """

    def __init__(self, num_classes: int, *, channels: int = 2048, hidden: int = 1024, dim: int = 512) -> None:
        super().__init__()
        check_sizes(num_classes=num_classes, channels=channels, hidden=hidden, dim=dim)
        self.channels = channels
        self.context = nn.Sequential(
            *(nn.Conv2d(channels, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU()),
            nn.Conv2d(hidden, dim, 1),
        )
        self.classify = nn.Linear(dim, num_classes)
        self.apply(init_he)

    def forward(self, feature_map: Tensor) -> tuple[Tensor, Tensor]:
        check_channels("feature_map", feature_map, self.channels)
        embeddings = self.context(feature_map).mean(dim=(2, 3))
        return embeddings, self.classify(embeddings)


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
        self.apply(partial(init_he, slope=PRELU_SLOPE))

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
