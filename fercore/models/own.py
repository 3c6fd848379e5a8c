"""Anyone's network as a trunk."""

import inspect
from collections.abc import Callable
from pkgutil import resolve_name

import torch
from torch import Tensor, nn

from fercore.errors import ConfigError

LOOK = 2  # images that are shown to a network to see what it returns: of one nobody knows which size counts images


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
        ConfigError: there is no such name, it makes no module, or its module returns something else.
    """

    def __init__(self, place: str, side: int) -> None:
        super().__init__()
        try:
            make = resolve_name(place)
        except (ImportError, AttributeError, ValueError, SyntaxError) as error:
            raise ConfigError(f"trunk {place} is not found ({error}); Python must be able to import it") from None
        network = make() if takes_nothing(make) else None
        if not isinstance(network, nn.Module):
            raise ConfigError(
                f"trunk {place} must be a function or class that makes a module when it is called without arguments"
            )
        self.network = network.float()
        with torch.no_grad():
            seen = self.eval().network(torch.zeros(LOOK, 3, side, side))
        self.train()
        if not is_map(seen):
            found = f"{list(seen.shape)} of {seen.dtype}" if isinstance(seen, Tensor) else type(seen).__name__
            wanted = "a feature map [m, C, h, w] or an embedding [m, C]"
            raise ConfigError(f"trunk {place} must return {wanted}, got {found} for {LOOK} images of {side} pixels")
        self.channels = seen.shape[1]

    def forward(self, images: Tensor) -> Tensor:
        features = self.network(images)
        return features if features.ndim == 4 else features[:, :, None, None]


def is_map(seen: object) -> bool:
    """Whether it is what a trunk returns for LOOK images."""
    return (
        isinstance(seen, Tensor)
        and seen.dtype == torch.float32
        and seen.ndim in (2, 4)
        and len(seen) == LOOK
        and seen.numel() > 0
    )


def takes_nothing(make: Callable) -> bool:
    """Whether something can be called without arguments."""
    try:
        inspect.signature(make).bind()
    except (TypeError, ValueError):
        return False
    return not isinstance(make, nn.Module)
