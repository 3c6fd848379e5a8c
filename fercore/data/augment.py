"""Augmentation of a whole batch at once, as uint8, on the device where its images lie; and its normalization to floats.

Every draw is made on the CPU by the caller's generator, so that CPU and GPU see the same crops and no kernel is waited for.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from fercore.choices import AUGMENTATIONS
from fercore.data.kernels import cut_squares, look_up_in_threads
from fercore.errors import ConfigError

# The side of multi-scale's boxes, as a fraction of the image's shorter side. AMTC3L's text ("we scale them randomly then
# randomly crop patches", IV-B) has lost its numbers. Ours: from half of the area, which still shows most of an aligned
# face, to all of it. Few fixed sides, so that all the boxes of one side are resized in one call.
BOX_SIDES = (0.7, 0.8, 0.9, 1.0)

ERASED_AREA = (0.02, 0.2)  # of the crop; the largest box, .2 of the area at aspect 3.3, is .81 of the side: all of them fit
ERASED_ASPECT = (0.3, 3.3)  # height over width


def augment(
    images: Tensor,
    recipe: str,
    crop: int,
    *,
    erasing: float,
    generator: torch.Generator,
    total: int | None = None,
    own: slice = slice(None),
) -> Tensor:
    """One random view of each image.

    "none" is the center crop; "flip" mirrors it half of the time. "five-crop" takes one of the four corners and the center
    (thesis, 3.3.2 and 4.3.1), "random-crop" any position, "multi-scale" (AMTC3L, IV-B) any position of a square box of a
    random one of `BOX_SIDES`, resized to the crop; all three mirror half of the time.

    Args:
        images: [m, C, H, W] uint8.
        recipe: one of `AUGMENTATIONS`.
        crop: the side of the views, at most H and W.
        erasing: the probability that a box of a view is erased; see `erase`.
        generator: a CPU generator, the only source of randomness. Views do not change with `erasing`.
        total, own: where the images are those `own` ones of a batch of `total`: they get the views that they would get in
            the whole batch, so that these do not depend on how it is divided among processes.

    Returns:
        [m, C, crop, crop] uint8 on the images' device. For "none" without erasing it is a part of `images`, not a copy.

    Raises:
        ConfigError: the recipe is unknown, the crop is larger than the images, or erasing is no probability.
        TypeError: the images are not uint8.
    """
    if recipe not in AUGMENTATIONS:
        raise ConfigError(f"augment must be one of {', '.join(AUGMENTATIONS)}, got {recipe!r}")
    if not 0 <= erasing <= 1:
        raise ConfigError(f"erasing is a probability, from 0 to 1, got {erasing}")
    check_images(images, crop)
    views = draw_views(images, recipe, crop, generator, len(images) if total is None else total, own)
    return erase(views, erasing, generator, total, own) if erasing else views


def center_crop(images: Tensor, crop: int) -> Tensor:
    """The middle [m, C, crop, crop] of images [m, C, H, W], as a view; where a pixel is left over, it is below or right.

    Raises:
        ConfigError: the crop is larger than the images.
        TypeError: the images are not uint8.
    """
    check_images(images, crop)
    top, left = ((side - crop) // 2 for side in images.shape[2:])
    return images[:, :, top : top + crop, left : left + crop]


def check_images(images: Tensor, crop: int) -> None:
    if images.dtype != torch.uint8:
        raise TypeError(f"images must be uint8, got {images.dtype}")
    height, width = images.shape[2:]
    if not 1 <= crop <= min(height, width):
        raise ConfigError(f"crop must be from 1 to the images' side, {min(height, width)}, got {crop}")


def draw_views(images: Tensor, recipe: str, crop: int, generator: torch.Generator, total: int, own: slice) -> Tensor:
    if recipe == "none":
        return center_crop(images, crop)
    if recipe == "multi-scale":
        return scaled_crops(images, crop, generator, total, own)
    height, width = images.shape[2:]
    room = torch.tensor([[height - crop], [width - crop]])
    if recipe == "random-crop":
        places = draw_below(room.expand(2, total) + 1, generator)
    elif recipe == "five-crop":
        middle = room // 2
        five = torch.cat([room * torch.tensor([[0, 0, 1, 1], [0, 1, 0, 1]]), middle], dim=1)
        places = five[:, torch.randint(5, (total,), generator=generator)]
    else:
        places = (room // 2).expand(2, total)
    top, left = places[:, own]
    return cut(images, top, left, draw_flips(total, generator)[own], crop)


def scaled_crops(images: Tensor, crop: int, generator: torch.Generator, total: int, own: slice) -> Tensor:
    """Boxes of random side and position, resized to the crop (bilinear, antialiased, as Pillow does)."""
    count, channels, height, width = images.shape
    sides = torch.tensor([max(1, round(fraction * min(height, width))) for fraction in BOX_SIDES])
    chosen = torch.randint(len(sides), (total,), generator=generator)
    room = torch.tensor([[height], [width]]) - sides[chosen]
    top, left = draw_below(room + 1, generator)[:, own]
    chosen, flip = chosen[own], draw_flips(total, generator)[own]
    views = images.new_empty(count, channels, crop, crop)
    for number, side in enumerate(sides.tolist()):
        members = (chosen == number).nonzero()[:, 0]
        if len(members):
            there = members.to(images.device, non_blocking=True)
            boxes = cut(images.index_select(0, there), top[members], left[members], flip[members], side)
            views.index_copy_(0, there, resize(boxes, crop))
    return views


def resize(boxes: Tensor, side: int) -> Tensor:
    """uint8 boxes [m, C, H, W] to [m, C, side, side]."""
    if boxes.device.type == "cpu":  # only here does PyTorch resize bytes as they are, several times faster
        return F.interpolate(boxes, size=(side, side), mode="bilinear", antialias=True)
    resized = F.interpolate(boxes.float(), size=(side, side), mode="bilinear", antialias=True)
    return resized.round().clamp(0, 255).byte()


def draw_below(limits: Tensor, generator: torch.Generator) -> Tensor:
    """For each limit an integer 0..limit-1; in float64, where a draw next to 1 cannot round up to the limit."""
    return (torch.rand(limits.shape, generator=generator, dtype=torch.float64) * limits).long()


def draw_flips(count: int, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator) < 0.5


def cut(images: Tensor, top: Tensor, left: Tensor, flip: Tensor, side: int) -> Tensor:
    """A square of each image, mirrored where `flip` says so.

    Args:
        images: [m, C, H, W].
        top, left: [m] int64 on the CPU, the square's first row and column.
        flip: [m] bool on the CPU.
        side: of the square.

    Returns:
        [m, C, side, side], a copy.
    """
    # A loop that moves whole rows: on a CPU ten times faster than any gather.
    how = cut_by_rows if images.device.type == "cpu" else cut_by_index
    return how(images, top, left, flip, side)


def cut_by_rows(images: Tensor, top: Tensor, left: Tensor, flip: Tensor, side: int) -> Tensor:
    squares = images.new_empty(*images.shape[:2], side, side)
    cut_squares(*(part.numpy() for part in (images, top, left, flip, squares)))
    return squares


def cut_by_index(images: Tensor, top: Tensor, left: Tensor, flip: Tensor, side: int) -> Tensor:
    count, channels, height, width = images.shape
    top, left, flip = torch.stack([top, left, flip.long()]).to(images.device, non_blocking=True)[:, :, None]
    steps = torch.arange(side, device=images.device)
    rows, columns = top + steps, left + torch.where(flip == 1, side - 1 - steps, steps)
    positions = (rows[:, :, None] * width + columns[:, None, :]).view(count, 1, side * side)
    pixels = images.reshape(count, channels, height * width).gather(2, positions.expand(-1, channels, -1))
    return pixels.view(count, channels, side, side)


def erase(
    images: Tensor, probability: float, generator: torch.Generator, total: int | None = None, own: slice = slice(None)
) -> Tensor:
    """Random erasing (Zhong et al. 2020, algorithm 1) of images [m, C, H, W] uint8; the argument is left as it was.

    `total` and `own` are as in `augment`.

    Three things differ from the paper. The box is filled with the mean color of its own image, not with noise: it lies near
    zero after the normalization, and a byte cannot hold zero itself. Its area is at most a fifth of the image, not .4: more
    would hide mouth or eyes whole. The logarithm of its aspect is uniform, so that tall and wide are equally frequent.
    """
    height, width = images.shape[2:]
    total = len(images) if total is None else total
    uniform = torch.rand(3, total, generator=generator, dtype=torch.float64)
    area = between(*ERASED_AREA, uniform[1]) * height * width
    aspect = between(*torch.tensor(ERASED_ASPECT).log().tolist(), uniform[2]).exp()
    sides = torch.stack([area * aspect, area / aspect]).sqrt().round().long().clamp(min=1)
    sides = sides.minimum(torch.tensor([[height], [width]]))  # an image far from square would not hold the longest
    starts = draw_below(torch.tensor([[height], [width]]) - sides + 1, generator)

    chosen = (uniform[0, own] < probability).nonzero()[:, 0]
    corners = torch.cat([starts, starts + sides])[:, own][:, chosen].to(images.device, non_blocking=True)
    top, left, bottom, right = corners[:, :, None, None, None]
    chosen = chosen.to(images.device, non_blocking=True)
    rows = torch.arange(height, device=images.device)[:, None]
    columns = torch.arange(width, device=images.device)
    inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    originals = images.index_select(0, chosen)
    color = originals.mean(dim=(2, 3), keepdim=True, dtype=torch.float32).round().byte()
    return images.index_copy(0, chosen, torch.where(inside, color, originals))


def normalize(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """uint8 images [m, C, H, W] to floats: divided by 255, minus `mean`, over `std`, [C] each; color images channels last.

    A CPU looks each of the 256 values of a channel up in a table: several times faster, and the same to the last bit.
    """
    layout = torch.channels_last if images.shape[1] > 1 else torch.contiguous_format
    if images.device.type == "cpu":
        table = (torch.arange(256).float().div(255) - torch.tensor(mean)[:, None]) / torch.tensor(std)[:, None]
        values = torch.empty(images.shape, memory_format=layout)
        look_up_in_threads(images.numpy(), values.permute(0, 2, 3, 1).numpy(), table.numpy())
        return values
    center, spread = (torch.tensor(part, device=images.device).view(1, -1, 1, 1) for part in (mean, std))
    return images.float().div_(255).sub_(center).div_(spread).contiguous(memory_format=layout)


def between(low: float, high: float, uniform: Tensor) -> Tensor:
    return low + (high - low) * uniform
