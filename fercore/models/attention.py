"""Attention over the embedding's dimensions: DACL's and g-DACL's network, AMTC3L's module, and AMTC3L's classifier head.

Each reads the trunk's last feature map, and returns one weight in [0, 1] for each dimension of each embedding.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from fercore.losses.checks import at_least_float32, check_choice

GATES = ("soft", "hard")
INCLUSION = 1  # of a head's two outputs (exclusion, inclusion), as in the released DACL code


class DACLAttention(nn.Module):
    """The attention network of DACL, and with a gate of g-DACL (thesis, equations 4.5 to 4.10).

    A context encoder of three fully connected layers, e = tanh(BN(W3 relu(BN(W2 relu(BN(W1 x*)))))), and a head of two
    outputs for each dimension, whose softmax gives the weight. With the gate, e = tanh(BN(U h)) * sigmoid(BN(V h)).

    At the default sizes, the thesis's at 224 px, it has 91,862,208 parameters (the gate: 32,960 more), eight times the
    ResNet-18 whose embedding it weighs: hence the sizes are arguments. Weights start by He et al.'s rule, biases at 0.

    Args:
        gated: g-DACL's encoder.
        in_features: C * H * W of the feature map, 512 * 7 * 7.
        hidden: the sizes of the first two layers.
        latent: d', the size of the encoding.
        dim: D, the size of the embedding; one head each.

    Shapes:
        feature map x* [m, C, H, W] -> attention a [m, D].

    Raises:
        ValueError: a size below 1, or a feature map of another size.
    """

    def __init__(
        self,
        *,
        gated: bool = False,
        in_features: int = 512 * 7 * 7,
        hidden: tuple[int, int] = (3584, 512),
        latent: int = 64,
        dim: int = 512,
    ) -> None:
        super().__init__()
        check_sizes(in_features=in_features, hidden=min(hidden), latent=latent, dim=dim)
        self.in_features, self.dim, self.gated = in_features, dim, gated
        first, second = hidden
        self.encode = nn.Sequential(
            *(nn.Linear(in_features, first), BatchNorm(first), nn.ReLU()),
            *(nn.Linear(first, second), BatchNorm(second), nn.ReLU()),
        )
        self.latent = nn.Sequential(nn.Linear(second, latent), BatchNorm(latent), nn.Tanh())
        if gated:
            self.gate = nn.Sequential(nn.Linear(second, latent), BatchNorm(latent), nn.Sigmoid())
        self.heads = nn.Linear(latent, 2 * dim)
        self.apply(init_he)

    def forward(self, feature_map: Tensor) -> Tensor:
        if feature_map.ndim != 4 or feature_map.shape[1:].numel() != self.in_features:
            raise ValueError(
                f"feature_map must have shape [m, C, H, W] with C*H*W = {self.in_features}, got {list(feature_map.shape)}"
            )
        h = self.encode(feature_map.flatten(start_dim=1))
        e = self.latent(h) * self.gate(h) if self.gated else self.latent(h)
        return inclusion(self.heads(e))


class SelectiveAttention(nn.Module):
    """AMTC3L's selective attention (Rajoli et al. 2023, section III-B1), a reconstruction: the paper's text gives its parts.

    Pixel-wise, a mask w = sigmoid(conv1x1(F)) says which spots of the face count; the context is the mean of F under w.
    Element-wise, a perceptron of one hidden layer makes of the context two outputs for each dimension, whose softmax gives
    the weight. Weights start by He et al.'s rule, biases at 0.

    Args:
        channels: C of the feature map; 2048 is ResNet-50's.
        dim: D, the size of the embedding.
        hidden: the size of the hidden layer; the paper's is lost.
        gate: "soft" gives the weights as they are. "hard" rounds them to 0 or 1, "multiplied by zero" as the paper says
            of outliers, and sends the gradient straight through.

    Shapes:
        feature map F [m, C, H, W] -> attention a [m, D].

    Raises:
        ValueError: a size below 1, an unknown gate, or a feature map of another number of channels.
    """

    def __init__(self, *, channels: int = 2048, dim: int = 512, hidden: int = 512, gate: str = "soft") -> None:
        super().__init__()
        check_sizes(channels=channels, dim=dim, hidden=hidden)
        check_choice("gate", gate, GATES)
        self.channels, self.dim, self.gate = channels, dim, gate
        self.pixels = nn.Conv2d(channels, 1, 1)
        self.elements = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, 2 * dim))
        self.apply(init_he)

    def mask(self, feature_map: Tensor) -> Tensor:
        """w, [m, 1, H, W]: for figures."""
        return self.scores(feature_map).sigmoid()

    def forward(self, feature_map: Tensor) -> Tensor:
        # sigmoid(s) / sum(sigmoid(s)), which is no 0 / 0 where every pixel is masked
        w = F.logsigmoid(at_least_float32(self.scores(feature_map)).flatten(start_dim=2)).softmax(dim=2)
        context = (w * feature_map.flatten(start_dim=2)).sum(dim=2)
        soft = inclusion(self.elements(context))
        if self.gate == "soft":
            return soft
        return (soft > 0.5).to(soft) + (soft - soft.detach())  # the bracket is 0 and has soft's gradient

    def scores(self, feature_map: Tensor) -> Tensor:
        check_channels("feature_map", feature_map, self.channels)
        return self.pixels(feature_map)


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


class BatchNorm(nn.BatchNorm1d):
    """A last batch of one image, which has no spread, is normalized with the running statistics instead of refused."""

    def forward(self, input: Tensor) -> Tensor:
        if self.training and len(input) == 1:
            return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(input)


def inclusion(outputs: Tensor) -> Tensor:
    """[m, D] probabilities of inclusion, in float32 at least, from [m, 2 D] outputs: (exclusion, inclusion) for each."""
    return at_least_float32(outputs).unflatten(1, (-1, 2)).softmax(dim=2)[:, :, INCLUSION]


def init_he(module: nn.Module) -> None:
    """He normal weights for ReLU, and zero biases."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
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
