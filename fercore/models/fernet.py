"""FERNet: a trunk, its pooled feature map as the embedding, a linear classifier."""

from torch import Tensor, nn

from fercore.choices import INCEPTION, SMALL_BELOW
from fercore.models.inception import InceptionTrunk
from fercore.models.layers import Network
from fercore.models.resnet import ResNetTrunk


def stem_for(crop: int) -> str:
    """The stem for inputs of `crop` pixels.

    ImageNet's stem and trunk divide a side by 32: of a 56 px face 2 x 2 positions would be left, too few to tell a mouth
    from a brow. The small stem keeps its first stride of 2 and leaves out the pooling, so that 4 x 4 are left.
    """
    return "small" if crop < SMALL_BELOW else "imagenet"


class FERNet(Network):
    """ResNet trunk -> feature map, whose global average is the embedding, whose linear image are the logits.

    Args:
        num_classes: K.
        trunk: "resnet18" (C = 512 at width 1), "resnet50" (C = 2048), or "inception", the (N+M) paper's groups on images
            of three channels (C = 512; they know no stem); or a module with `channels` that returns a feature map, of which
            width and stem are no business.
        width: multiplies the channels of every convolution. At 1.0 the keys and shapes of `trunk.state_dict()` with
            stem "imagenet" are torchvision's, without `fc`: published weights load.
        stem: "imagenet" (7x7 convolution of stride 2, max-pooling of stride 2) or "small" (3x3 convolution of stride 2).

    Shapes:
        images [m, 3, H, W] -> feature map [m, C, h, w] (`features`); embeddings [m, C], logits [m, K] (`forward`);
        h = H/32 (rounded up) with stem "imagenet", H/16 with "small", 3 with trunk "inception".

    Raises:
        ValueError: an unknown trunk or stem, or a width that leaves no channel.
    """

    def __init__(
        self, num_classes: int, *, trunk: str | nn.Module = "resnet18", width: float = 1.0, stem: str = "imagenet"
    ) -> None:
        super().__init__()
        if isinstance(trunk, nn.Module):
            self.trunk = trunk
        else:
            self.trunk = InceptionTrunk(3, width) if trunk == INCEPTION else ResNetTrunk(trunk, width=width, stem=stem)
        self.classify = nn.Linear(self.trunk.channels, num_classes)

    def head(self, feature_map: Tensor) -> tuple[Tensor, Tensor]:
        embeddings = feature_map.mean(dim=(2, 3))
        return embeddings, self.classify(embeddings)
