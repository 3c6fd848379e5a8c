"""LeNets++ (Wen et al. 2016; thesis, section 3.3.1): six 5x5 convolutions and a bottleneck one can look at."""

from torch import Tensor, nn


class LeNetsPP(nn.Module):
    """Three pairs of 5x5 convolutions (32, 64 and 128 channels) with PReLU, each pair followed by 2x2 max-pooling;
    then FC 2 with PReLU, the embedding, and FC 10, the logits.

    Weights start by He et al.'s rule for PReLU (slope 0.25), biases at zero; each PReLU learns one slope.

    Args:
        num_classes: K.
        width: multiplies the channels of every convolution; 1.0 is the published network (797,191 parameters).
        embedding_dim: D.

    Shapes:
        images [m, 1, 28, 28] -> feature map [m, 128 * width, 3, 3] (`features`) -> embeddings [m, D], logits [m, K] (`head`).
    """

    def __init__(self, num_classes: int = 10, *, width: float = 1.0, embedding_dim: int = 2) -> None:
        super().__init__()
        if width * 32 < 1:
            raise ValueError(f"width must leave at least one channel (1/32 or more), got {width}")
        layers: list[nn.Module] = []
        channels = 1
        for group in (32, 64, 128):
            out = round(group * width)
            layers += [nn.Conv2d(channels, out, 5, padding=2), nn.PReLU(), nn.Conv2d(out, out, 5, padding=2), nn.PReLU()]
            layers += [nn.MaxPool2d(2)]
            channels = out
        self.trunk = nn.Sequential(*layers)
        self.embed = nn.Sequential(nn.Linear(channels * 3 * 3, embedding_dim), nn.PReLU())
        self.classify = nn.Linear(embedding_dim, num_classes)
        self.apply(init_he)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.head(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        return self.trunk(images)

    def head(self, feature_map: Tensor) -> tuple[Tensor, Tensor]:
        embeddings = self.embed(feature_map.flatten(start_dim=1))
        return embeddings, self.classify(embeddings)


def init_he(module: nn.Module) -> None:
    """He normal weights for a PReLU of slope 0.25, and zero biases."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, a=0.25, nonlinearity="leaky_relu")
        nn.init.zeros_(module.bias)
