"""Anyone's network as a trunk."""

from pkgutil import resolve_name

import torch
from torch import Tensor, nn

from fercore.errors import ConfigError


class OwnTrunk(nn.Module):
    """The module that a function or class of yours returns when it is called without arguments, as a trunk.

    It returns a feature map, or an embedding, which is a feature map of one position. The width of a run is not its business.

    Args:
        place: "package.module:name" of the function or class.
        side: of the images, in pixels.

    Attributes:
        channels: C, of the feature map.

    Shapes:
        images [m, 3, side, side] -> feature map [m, C, h, w].

    Raises:
        ConfigError: there is no such name, or its module returns something else.
    """

    def __init__(self, place: str, side: int) -> None:
        super().__init__()
        try:
            make = resolve_name(place)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigError(f"trunk {place} is not found ({error}); Python must be able to import it") from None
        self.network = make()
        with torch.no_grad():
            seen = self.eval().network(torch.zeros(1, 3, side, side))
        self.train()
        if not isinstance(seen, Tensor) or seen.ndim not in (2, 4):
            found = list(seen.shape) if isinstance(seen, Tensor) else type(seen).__name__
            raise ConfigError(f"trunk {place} must return a feature map [m, C, h, w] or an embedding [m, C], got {found}")
        self.channels = seen.shape[1]

    def forward(self, images: Tensor) -> Tensor:
        features = self.network(images)
        return features if features.ndim == 4 else features[:, :, None, None]
