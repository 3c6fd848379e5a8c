"""Attention over the embedding's dimensions: DACL's and g-DACL's network, AMTC3L's module, and AMTC3L's classifier head.

Each reads the trunk's last feature map, and returns one weight in [0, 1] for each dimension of each embedding.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from fercore.checks import at_least_float32, check_choice
from fercore.choices import GATES
from fercore.models.layers import BatchNorm, check_channels, check_sizes, init_he

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


def inclusion(outputs: Tensor) -> Tensor:
    """[m, D] probabilities of inclusion, in float32 at least, from [m, 2 D] outputs: (exclusion, inclusion) for each."""
    return at_least_float32(outputs).unflatten(1, (-1, 2)).softmax(dim=2)[:, :, INCLUSION]
