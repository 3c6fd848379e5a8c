"""What several networks are built from."""

import torch.nn.functional as F
from torch import Tensor, nn

PRELU_SLOPE = 0.25  # where a PReLU starts


class Network(nn.Module):
    """What every network here is: a `trunk`, and a `head` that reads the trunk's last map.

    Shapes:
        images -> feature map [m, C, H, W] (`features`) -> embeddings [m, D], logits [m, K] (`head`).
    """

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.head(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        return self.trunk(images)


class BatchNorm(nn.BatchNorm1d):
    """A last batch of one image, which has no spread, is normalized with the running statistics instead of refused."""

    def forward(self, input: Tensor) -> Tensor:
        if self.training and len(input) == 1:
            return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(input)


def init_he(module: nn.Module, *, slope: float = 0.0, mode: str = "fan_in") -> None:
    """He et al.'s normal weights for rectifiers of this slope (ReLU: 0), and zero biases; for `nn.Module.apply`."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, a=slope, mode=mode, nonlinearity="leaky_relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def check_sizes(**sizes: int) -> None:
    """Raise ValueError unless every size is at least 1."""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")


def check_channels(name: str, maps: Tensor, channels: int) -> None:
    """Raise ValueError unless `maps` is [m, channels, H, W]."""
    if maps.ndim != 4 or maps.shape[1] != channels:
        raise ValueError(f"{name} must have shape [m, {channels}, H, W], got {list(maps.shape)}")
