"""What ruins results without a word: copies across splits, one image under two labels, images of nothing."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from PIL import Image

from fercore.data.readers.catalog import Catalog

DIGEST = 8  # bytes that tell one image from another
SPLITS = 3


def digest_of(image: np.ndarray) -> bytes:
    """DIGEST bytes of an image's pixels."""
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=DIGEST).digest()


def number_images(digests: np.ndarray) -> np.ndarray:
    """[N] int64, equal for equal images, from their [N, DIGEST] uint8."""
    return np.unique(np.ascontiguousarray(digests).view(np.uint64)[:, 0], return_inverse=True)[1].astype(np.int64)


def of_one_gray(digests: np.ndarray, size: int) -> np.ndarray:
    """[N] bool: which of these digests of [3, size, size] images are of one gray value all over."""
    flat = {digest_of(np.full((3, size, size), value, dtype=np.uint8)) for value in range(256)}
    return np.array([digest.tobytes() in flat for digest in digests], dtype=bool)


def of_several_labels(numbers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """[N] bool: whose image stands under another label too."""
    pairs = np.unique(np.stack([numbers, labels]), axis=1)[0]
    return np.bincount(pairs, minlength=numbers.max(initial=-1) + 1)[numbers] > 1


def drop_doubtful(parts: list[np.ndarray], numbers: np.ndarray, labels: np.ndarray, flat: np.ndarray) -> list[np.ndarray]:
    """The positions of training, validation and test images, without what misleads the first two.

    Left out of both: images of one gray value, under several labels, or that are test images too; out of training: those
    that are validation images too. The test images stay as they are, so that accuracies can be compared with others'.
    """
    train, val, test = parts
    good = ~(flat | of_several_labels(numbers, labels))
    kept = val[good[val] & ~np.isin(numbers[val], numbers[test])]
    return [train[good[train] & ~np.isin(numbers[train], numbers[[*val, *test]])], kept, test]


# --- what `data check` tells ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """One image, as far as doubts need it.

    Attributes:
        problem: why it cannot be read, in a few words; None where it can.
        digest: what tells its pixels from others.
        look: 8 bytes that a smaller, blurred or recompressed copy shares: where it gets brighter from left to right.
        flat: whether it is one gray value all over.
        size: width and height of the file's image.
    """

    problem: str | None = None
    digest: bytes = bytes(DIGEST)
    look: bytes = bytes(8)
    flat: bool = False
    size: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, pixels: np.ndarray, size: tuple[int, int]) -> Self:
        """Of [3, S, S] uint8, and the size it had."""
        gray = Image.fromarray(pixels.transpose(1, 2, 0)).convert("L").resize((9, 8), Image.Resampling.BOX)
        steps = np.diff(np.asarray(gray).astype(int), axis=1)
        return cls(None, digest_of(pixels), np.packbits(steps > 0).tobytes(), bool(pixels.min() == pixels.max()), size)


def tell(seen: Sequence[Seen], catalog: Catalog) -> list[str]:
    """What ruins results, a line each."""
    read = np.array([one.problem is None for one in seen], dtype=bool)
    where, labels = catalog.splits[read], catalog.labels[read]
    readable = [one for one in seen if one.problem is None]
    numbers, looks = (
        number_images(np.frombuffer(b"".join(part), np.uint8).reshape(-1, DIGEST))
        for part in ([one.digest for one in readable], [one.look for one in readable])
    )
    flat = np.array([one.flat for one in readable], dtype=bool)
    several = of_several_labels(numbers, labels)
    lines = [*tell_copies(numbers, looks, where, flat)]
    if several.any():
        lines.append(f"{len(np.unique(numbers[several]))} images under more than one label, {several.sum()} times in all")
    lines += [f"{flat.sum()} images of one gray value"] if flat.any() else []
    sizes = sorted({one.size for one in readable}, key=np.prod)
    if len(sizes) > 1:
        (width, height), (wide, high) = sizes[0], sizes[-1]
        lines.append(f"{len(sizes)} different sizes, from {width} x {height} to {wide} x {high}")
    for split in np.unique(where):
        absent = set(range(len(catalog.class_names))) - set(labels[where == split])
        lines += [f"no images of {', '.join(catalog.class_names[k] for k in sorted(absent))} in {split}"] if absent else []
    if "all" in where and not catalog.folds:
        few = [name for name, count in zip(catalog.class_names, np.bincount(labels), strict=False) if 0 < count < SPLITS]
        lines += [f"fewer than {SPLITS} images of {', '.join(few)}: not every split has one"] if few else []
    if catalog.identities is not None and "test" in where:
        known = set(catalog.identities[catalog.splits == "test"]) & set(catalog.identities[catalog.splits != "test"])
        lines += [f"{len(known)} people are in test and in another split"] if known else []
    return lines


def tell_copies(numbers: np.ndarray, looks: np.ndarray, where: np.ndarray, flat: np.ndarray) -> list[str]:
    """Copies in one split of what is in another, and within one, a line each."""
    lines = []
    for split, other in (("val", "train"), ("test", "train"), ("test", "val")):
        same = np.isin(numbers[where == split], numbers[where == other])
        alike = np.isin(looks[(where == split) & ~flat], looks[(where == other) & ~flat]) & ~same[~flat[where == split]]
        if same.any() or alike.any():
            lines.append(
                f"{same.sum()} of {split} are images of {other}, pixel for pixel, and {alike.sum()} more look like one"
            )
    for split in np.unique(where):
        again = (where == split).sum() - len(np.unique(numbers[where == split]))
        lines += [f"{again} of {split} are there before"] if again else []
    return lines
