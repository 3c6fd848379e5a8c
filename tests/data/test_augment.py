"""Every recipe against slow explicit loops; what the loops take as given, positions and flips, is checked by counting."""

import numpy as np
import pytest
import torch
from PIL import Image

from fercore.choices import AUGMENTATIONS
from fercore.data.augment import (
    BOX_SIDES,
    ERASED_AREA,
    ERASED_ASPECT,
    augment,
    center_crop,
    cut,
    cut_by_index,
    cut_by_rows,
    draw_below,
    erase,
    normalize,
    resize,
)
from fercore.errors import ConfigError
from tests.messages import one_line


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=seeded(9))


def located(count: int, height: int, width: int) -> torch.Tensor:
    """[count, 2, height, width]: the first channel holds each pixel's row, the second its column."""
    rows = torch.arange(height)[:, None].expand(height, width)
    columns = torch.arange(width).expand(height, width)
    return torch.stack([rows, columns]).byte().expand(count, 2, height, width).contiguous()


def found_places(views: torch.Tensor) -> list[tuple[int, int, bool]]:
    """Where each view of `located` was cut, and whether it is mirrored; every pixel is checked to fit."""
    rows, columns = views.int().unbind(dim=1)
    top, left, mirrored = rows[:, 0, 0], columns[:, 0].amin(dim=1), columns[:, 0, 0] > columns[:, 0, -1]
    steps = torch.arange(views.shape[-1])
    across = torch.where(mirrored[:, None], steps.flip(0), steps)
    assert (rows == top[:, None, None] + steps[:, None]).all()
    assert (columns == (left[:, None] + across)[:, None]).all()
    return list(zip(top.tolist(), left.tolist(), mirrored.tolist(), strict=True))


def slow_cut(image: torch.Tensor, top: int, left: int, mirrored: bool, side: int) -> torch.Tensor:
    view = torch.empty(image.shape[0], side, side, dtype=torch.uint8)
    for channel in range(image.shape[0]):
        for i in range(side):
            for j in range(side):
                view[channel, i, j] = image[channel, top + i, left + (side - 1 - j if mirrored else j)]
    return view


# --- floats ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_the_table_gives_the_formulas_floats_to_the_last_bit(channels):
    images, mean, std = noise(4, channels, 9, 7), (0.5, 0.41, 0.37)[:channels], (0.2, 0.19, 0.23)[:channels]
    values = normalize(images, mean, std)
    for c in range(channels):
        expected = (images[:, c].float() / 255 - torch.tensor(mean[c])) / torch.tensor(std[c])
        assert torch.equal(values[:, c], expected)
    assert values.is_contiguous(memory_format=torch.channels_last if channels > 1 else torch.contiguous_format)
    assert torch.equal(normalize(images[:, :, 1:6, 2:], mean, std), values[:, :, 1:6, 2:])  # a crop that is no copy


# --- crops and flips --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [cut, cut_by_rows, cut_by_index])
@pytest.mark.parametrize(("shape", "side"), [((5, 3, 7, 9), 4), ((3, 1, 6, 6), 6), ((4, 2, 9, 5), 1)])
def test_cut_is_the_explicit_loop(how, shape, side):
    images = noise(*shape)
    count, _, height, width = shape
    top, left = torch.arange(count) % (height - side + 1), torch.arange(count).flip(0) % (width - side + 1)
    flip = torch.arange(count) % 2 == 0
    views = how(images, top, left, flip, side)
    for i in range(count):
        assert torch.equal(views[i], slow_cut(images[i], top[i].item(), left[i].item(), flip[i].item(), side))


@pytest.mark.parametrize("how", [cut_by_rows, cut_by_index])
def test_cut_reads_any_memory_layout(how):
    images = noise(4, 3, 8, 8)
    place = (torch.tensor([0, 1, 2, 3]), torch.tensor([3, 2, 1, 0]), torch.tensor([True, False, True, False]))
    channels_last = images.contiguous(memory_format=torch.channels_last)
    assert torch.equal(how(images, *place, 5), how(channels_last, *place, 5))


@pytest.mark.parametrize(("height", "width", "crop", "top", "left"), [(8, 8, 4, 2, 2), (9, 8, 4, 2, 2), (7, 12, 7, 0, 2)])
def test_the_center_crop_lies_in_the_middle(height, width, crop, top, left):
    views = center_crop(located(2, height, width), crop)
    assert views.shape == (2, 2, crop, crop)
    assert found_places(views) == [(top, left, False)] * 2
    assert torch.equal(augment(located(2, height, width), "none", crop, erasing=0, generator=seeded()), views)


def test_flip_mirrors_the_center_crop_half_of_the_time():
    places = found_places(augment(located(2000, 6, 8), "flip", 4, erasing=0, generator=seeded()))
    assert {place[:2] for place in places} == {(1, 2)}
    assert 900 < sum(mirrored for *_, mirrored in places) < 1100  # 4.5 standard deviations


def test_five_crop_takes_the_corners_and_the_center_equally_often():
    places = found_places(augment(located(5000, 10, 8), "five-crop", 6, erasing=0, generator=seeded()))
    wanted = {(top, left, mirrored) for top, left in [(0, 0), (0, 2), (4, 0), (4, 2), (2, 1)] for mirrored in (False, True)}
    counts = {place: places.count(place) for place in set(places)}
    assert set(counts) == wanted
    assert all(400 < count < 600 for count in counts.values())


def test_random_crop_reaches_every_position_equally_often():
    places = found_places(augment(located(7500, 9, 7), "random-crop", 5, erasing=0, generator=seeded()))
    counts = {place: places.count(place) for place in set(places)}
    assert set(counts) == {(top, left, mirrored) for top in range(5) for left in range(3) for mirrored in (False, True)}
    assert all(180 < count < 320 for count in counts.values())


def test_a_crop_of_the_whole_image_only_flips():
    for recipe in ("flip", "five-crop", "random-crop"):
        places = found_places(augment(located(50, 6, 6), recipe, 6, erasing=0, generator=seeded()))
        assert set(places) == {(0, 0, False), (0, 0, True)}


def test_draws_never_reach_their_limit():
    draws = draw_below(torch.tensor([1, 2, 77])[:, None].expand(3, 20000), seeded())
    assert draws.min() == 0
    assert draws.amax(dim=1).tolist() == [0, 1, 76]


# --- multi-scale ------------------------------------------------------------------------------------------------------


def ramp(count: int, side: int) -> torch.Tensor:
    """Images whose value is three times the column: after any resizing the slope tells the box's side."""
    return (3 * torch.arange(side)).expand(count, 1, side, side).byte().contiguous()


def test_multi_scale_boxes_have_the_declared_sides_and_reach_every_position():
    side, crop = 40, 20
    views = augment(ramp(6000, side), "multi-scale", crop, erasing=0, generator=seeded())[:, 0].double() / 3
    line = views[:, crop // 2]
    slope = (line[:, 15] - line[:, 4]) / 11
    mirrored = slope < 0
    box = slope.abs() * crop
    left = line[:, 9:11].mean(dim=1) - (box - 1) / 2
    seen = {}
    for declared in BOX_SIDES:
        own = (box - declared * side).abs() < 1.5
        assert 1300 < own.sum() < 1700  # a quarter of the views
        assert 0.44 < mirrored[own].double().mean() < 0.56
        seen[declared] = set(left[own].round().int().tolist())
    assert seen == {declared: set(range(round(side - declared * side) + 1)) for declared in BOX_SIDES}


def test_multi_scale_resizes_as_pillow_does():
    images = noise(8, 3, 50, 50)
    box = images[:, :, 3:43, 5:45]
    for crop in (30, 40, 48):
        views = resize(box, crop)
        for view, image in zip(views, box, strict=True):
            expected = Image.fromarray(image.permute(1, 2, 0).numpy()).resize((crop, crop), Image.Resampling.BILINEAR)
            difference = view.permute(1, 2, 0).int() - torch.from_numpy(np.array(expected)).int()
            assert difference.abs().max() <= 1


def test_multi_scale_of_a_flat_image_is_flat_and_keeps_the_order_of_the_batch():
    images = torch.arange(64, dtype=torch.uint8)[:, None, None, None].expand(64, 3, 20, 24).contiguous()
    views = augment(images, "multi-scale", 16, erasing=0, generator=seeded())
    assert torch.equal(views, images[:, :, :16, :16])


# --- erasing ----------------------------------------------------------------------------------------------------------


def erased_boxes(before: torch.Tensor, after: torch.Tensor) -> list[tuple[int, int, int, int] | None]:
    """(top, left, bottom, right) of what changed in each image; checks that it is a full box of the image's mean color."""
    changed = (before != after).any(dim=1)
    top, bottom, in_rows = span(changed.any(dim=2))
    left, right, in_columns = span(changed.any(dim=1))
    color = (before.sum(dim=(2, 3)).double() / changed[0].numel()).round().byte()
    boxes = (in_rows[:, None, :, None] & in_columns[:, None, None]) & changed.any(dim=(1, 2))[:, None, None, None]
    assert torch.equal(after, torch.where(boxes, color[:, :, None, None], before))
    sides = (side.tolist() for side in (top, left, bottom, right))
    return [tuple(box) if hit else None for *box, hit in zip(*sides, boxes.any(dim=(1, 2, 3)).tolist(), strict=True)]


def span(hit: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of each row its first hit, the place after its last one, and all places from the one to the other."""
    first, end = hit.int().argmax(dim=1), hit.shape[1] - hit.flip(1).int().argmax(dim=1)
    places = torch.arange(hit.shape[1])
    return first, end, (first[:, None] <= places) & (places < end[:, None])


def striped(count: int, height: int, width: int) -> torch.Tensor:
    """Pixels of 0 and 255 alone: none has the mean color, so that every erased one is seen."""
    pattern = (torch.arange(height)[:, None] + torch.arange(width)) % 2 * 255
    return pattern.byte().expand(count, 3, height, width).contiguous()


@pytest.mark.parametrize(("height", "width"), [(60, 60), (30, 60), (10, 200)])
def test_erased_boxes_have_the_declared_area_and_aspect(height, width):
    images = striped(2000, height, width)
    boxes = [box for box in erased_boxes(images, erase(images, 1.0, seeded())) if box]
    assert len(boxes) == len(images)
    for top, left, bottom, right in boxes:
        tall, wide = bottom - top, right - left
        if tall < height:  # an image far from square shortens the longest
            assert ERASED_AREA[0] * height * width <= (tall + 0.5) * (wide + 0.5)
            assert (tall - 0.5) * (wide - 0.5) <= ERASED_AREA[1] * height * width
            assert (tall - 0.5) / (wide + 0.5) <= ERASED_ASPECT[1]
            assert (tall + 0.5) / (wide - 0.5) >= ERASED_ASPECT[0]


def test_erased_boxes_lie_anywhere_tall_as_often_as_wide():
    images = striped(4000, 40, 40)
    boxes = erased_boxes(images, erase(images, 1.0, seeded()))
    tall = sum(bottom - top > right - left for top, left, bottom, right in boxes)
    wide = sum(bottom - top < right - left for top, left, bottom, right in boxes)
    assert abs(tall - wide) < 300
    assert {min(box[0] for box in boxes), min(box[1] for box in boxes)} == {0}
    assert {max(box[2] for box in boxes), max(box[3] for box in boxes)} == {40}
    areas = [(bottom - top) * (right - left) / 1600 for top, left, bottom, right in boxes]
    assert sum(areas) / len(areas) == pytest.approx(sum(ERASED_AREA) / 2, abs=0.005)


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_erasing_strikes_with_its_probability(probability):
    images = striped(2000, 12, 12)
    boxes = erased_boxes(images, augment(images, "none", 12, erasing=probability, generator=seeded()))
    assert sum(box is not None for box in boxes) == pytest.approx(2000 * probability, abs=100 * (0 < probability < 1))


def test_every_image_is_erased_with_its_own_color():
    images = striped(40, 16, 16) // torch.arange(1, 41, dtype=torch.uint8)[:, None, None, None]
    images[:, 1] //= 2
    assert all(erased_boxes(images[:20], erase(images[:20], 1.0, seeded())))


def test_erasing_changes_no_crop_and_not_the_argument():
    images = noise(50, 3, 12, 12)
    before = images.clone()
    for recipe in AUGMENTATIONS:
        plain = augment(images, recipe, 8, erasing=0.0, generator=seeded())
        erased = augment(images, recipe, 8, erasing=1.0, generator=seeded())
        assert 0.7 < (plain == erased).double().mean() < 0.98
    assert torch.equal(images, before)


# --- what all recipes share -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("erasing", [0.0, 0.5])
@pytest.mark.parametrize("recipe", AUGMENTATIONS)
def test_the_generator_alone_decides(recipe, erasing):
    images = noise(64, 3, 20, 20)
    torch.manual_seed(1)
    first = augment(images, recipe, 14, erasing=erasing, generator=seeded(3))
    torch.manual_seed(2)
    again = augment(images, recipe, 14, erasing=erasing, generator=seeded(3))
    assert torch.equal(first, again)
    assert first.shape == (64, 3, 14, 14)
    assert first.dtype == torch.uint8
    other = augment(images, recipe, 14, erasing=erasing, generator=seeded(4))
    assert torch.equal(first, other) == (recipe == "none" and not erasing)


@pytest.mark.parametrize("recipe", AUGMENTATIONS[1:])  # "none" draws nothing
def test_two_batches_of_one_generator_differ(recipe):
    images, generator = noise(64, 1, 20, 20), seeded()
    first = augment(images, recipe, 14, erasing=0.0, generator=generator)
    assert not torch.equal(first, augment(images, recipe, 14, erasing=0.0, generator=generator))


@pytest.mark.parametrize("recipe", AUGMENTATIONS)
def test_one_image_and_one_channel_are_enough(recipe):
    assert augment(noise(1, 1, 9, 9), recipe, 8, erasing=1.0, generator=seeded()).shape == (1, 1, 8, 8)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("recipe", AUGMENTATIONS)
def test_a_gpu_sees_the_same_views(recipe):
    images = noise(32, 3, 40, 40)
    expected = augment(images, recipe, 30, erasing=0.5, generator=seeded())
    views = augment(images.cuda(), recipe, 30, erasing=0.5, generator=seeded())
    assert views.device.type == "cuda"
    assert (views.cpu().int() - expected.int()).abs().max() <= (1 if recipe == "multi-scale" else 0)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (dict(recipe="crop"), r"^augment must be one of none, flip, .*, got 'crop'$"),
        (dict(crop=11), r"^crop must be from 1 to the images' side, 10, got 11$"),
        (dict(crop=0), r"^crop must be from 1 to the images' side, 10, got 0$"),
        (dict(erasing=1.5), r"^erasing is a probability, from 0 to 1, got 1.5$"),
        (dict(erasing=float("nan")), r"^erasing is a probability, from 0 to 1, got nan$"),
    ],
)
def test_wrong_requests_get_one_line(request_, message):
    values = dict(recipe="flip", crop=8, erasing=0.0) | request_
    with pytest.raises(ConfigError, match=message) as caught:
        augment(noise(2, 3, 12, 10), values["recipe"], values["crop"], erasing=values["erasing"], generator=seeded())
    assert one_line(caught.value)


def test_floats_are_refused():
    with pytest.raises(TypeError, match=r"^images must be uint8, got torch\.float32$"):
        augment(torch.zeros(1, 3, 8, 8), "flip", 4, erasing=0.0, generator=seeded())


@pytest.mark.parametrize("recipe", ["five-crop", "random-crop", "flip", "none"])
def test_a_share_of_a_batch_gets_the_views_it_has_in_the_whole(recipe):
    images = noise(7, 3, 12, 12)
    whole = augment(images, recipe, 8, erasing=0.0, generator=seeded())
    for own in (slice(0, 3), slice(3, 7)):
        part = augment(images[own], recipe, 8, erasing=0.0, generator=seeded(), total=7, own=own)
        assert torch.equal(part, whole[own])
