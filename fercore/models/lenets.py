"""LeNets++ (Wen et al. 2016; thesis, section 3.3.1): six 5x5 convolutions and a bottleneck one can look at."""

from functools import partial

from torch import Tensor, nn

from fercore.models.layers import PRELU_SLOPE, BatchNorm, Network, init_he


class LeNetsPP(Network):
    """Three pairs of 5x5 convolutions (32, 64 and 128 channels) with PReLU, each pair followed by 2x2 max-pooling;
    then FC 2 with PReLU, the embedding, and FC 10, the logits.

    There are two readings of it. The thesis's words name no normalization. The network that its author published for MNIST
    (lsoftmax-pytorch, the network of that repository's figure 2) has batch normalization after every PReLU, and as the
    embedding FC 2 with batch normalization, without a PReLU. Chapter 02 shows what hangs on it.

    Weights start by He et al.'s rule for PReLU (slope 0.25), biases at zero; each PReLU learns one slope.

    Args:
        num_classes: K.
        width: multiplies the channels of every convolution; 1.0 is the published network (797,191 parameters).
        embedding_dim: D.
        normalized: the published network in place of the thesis's words.

    Shapes:
        images [m, 1, 28, 28] -> feature map [m, 128 * width, 3, 3] (`features`) -> embeddings [m, D], logits [m, K] (`head`).
    """

    def __init__(self, num_classes: int = 10, *, width: float = 1.0, embedding_dim: int = 2, normalized: bool = False) -> None:
        super().__init__()
        if width * 32 < 1:
            raise ValueError(f"width must leave at least one channel (1/32 or more), got {width}")
        layers: list[nn.Module] = []
        channels = 1
        for group in (32, 64, 128):
            out = round(group * width)
            for inputs in (channels, out):
                layers += [nn.Conv2d(inputs, out, 5, padding=2), nn.PReLU(), *([nn.BatchNorm2d(out)] if normalized else [])]
            layers += [nn.MaxPool2d(2)]
            channels = out
        self.trunk = nn.Sequential(*layers)
        last = BatchNorm(embedding_dim) if normalized else nn.PReLU()
        self.embed = nn.Sequential(nn.Linear(channels * 3 * 3, embedding_dim), last)
        self.classify = nn.Linear(embedding_dim, num_classes)
        self.apply(partial(init_he, slope=PRELU_SLOPE))

    def head(self, feature_map: Tensor) -> tuple[Tensor, Tensor]:
        embeddings = self.embed(feature_map.flatten(start_dim=1))
        return embeddings, self.classify(embeddings)
