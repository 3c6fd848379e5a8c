"""The head: MakeHuman's CC0 mesh from head.npz, and what is built on it once (scalp, locks, glasses, textures).

Lengths are decimeters in MakeHuman's frame: x to the face's left, y up (eyes at 7.28), z to the front.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

SKIN, LEFT_EYE, RIGHT_EYE, UPPER_TEETH, LOWER_TEETH, TONGUE, SCALP, LOCKS, FRAME, LENS = range(10)
RIM = 28  # points round one lens
TEXTURE = 256  # side of the noise textures; a power of two, so that they wrap by a bit mask


@dataclass(frozen=True)
class Head:
    """Everything that is the same for all faces.

    Args:
        template: [V, 3] float32, the mean head, its scalp shell, its locks and (unplaced) glasses.
        shapes: [S, V, 3] float32 differences: facial actions (action:), local shapes (local:), phenotypes (type:).
        index: name of a shape -> its row.
        triangles: [T, 3] int32.
        parts: [T] int32, SKIN .. LENS.
        lips, mouth, lashes: [V] float32 masks, 0..1.
        hairline: [V] float32, how far inside the hair a scalp vertex lies (negative: bare skin), decimeters.
        strands: [V, 2] float32, across and along the hair.
        scalp, scalp_source: vertices of the shell, and the skin vertices under them.
        locks, frame: vertices of the long hair and of the glasses.
        eyes: [2, 3] centers of the left and right eyeball of the template.
        noise: [4, 256, 256] float32 fractal noise, mean 0, spread 1;  streaks: [256, 256], drawn out along the first axis.
    """

    template: np.ndarray
    shapes: np.ndarray
    index: dict[str, int]
    triangles: np.ndarray
    parts: np.ndarray
    lips: np.ndarray
    mouth: np.ndarray
    lashes: np.ndarray
    hairline: np.ndarray
    strands: np.ndarray
    scalp: np.ndarray
    scalp_source: np.ndarray
    locks: np.ndarray
    frame: np.ndarray
    eyes: np.ndarray
    noise: np.ndarray
    streaks: np.ndarray

    def names(self, kind: str) -> list[str]:
        """Names of the shapes of one kind ("action", "local", "type"), without the kind."""
        return [name.split(":")[1] for name in self.index if name.startswith(kind + ":")]


@lru_cache
def load_head() -> Head:
    """The head, read and built once a process (about half a second)."""
    with np.load(Path(__file__).with_name("head.npz")) as asset:
        template, shapes = asset["template"], asset["shapes"].astype(np.float32)
        triangles, parts = asset["triangles"].astype(np.int32), asset["parts"].astype(np.int32)
        masks = {name: asset[name].astype(np.float32) for name in ("lips", "mouth", "lashes")}
        index = {str(name): row for row, name in enumerate(asset["names"])}
        eyes = asset["eyes"]
    hair = triangles[parts == SCALP]  # MakeHuman's long-hair helper
    template, shapes, hair = subdivide(*subdivide(template, shapes, hair))
    skin = triangles[parts == SKIN]
    shell = skin[hairline(template[skin].mean(axis=1)) > -0.45]
    shell = shell[~around_ear(template[shell].mean(axis=1))]
    scalp_source = np.unique(shell)
    scalp = np.arange(len(scalp_source), dtype=np.int32) + len(template)
    moved = np.zeros(len(template), np.int32)
    moved[scalp_source] = scalp
    template = np.concatenate([template, template[scalp_source]])
    shapes = np.concatenate([shapes, shapes[:, scalp_source]], axis=1)
    glasses, glasses_parts = glasses_triangles()
    frame = np.arange(GLASSES_POINTS, dtype=np.int32) + len(template)
    template = np.concatenate([template, np.zeros((GLASSES_POINTS, 3), np.float32)])
    shapes = np.concatenate([shapes, np.zeros((len(shapes), GLASSES_POINTS, 3), np.float32)], axis=1)

    kept = parts < SCALP
    blocks = [triangles[kept], moved[shell], hair, glasses + frame[0]]
    kinds = [parts[kept], np.full(len(shell), SCALP), np.full(len(hair), LOCKS), glasses_parts]
    rng = np.random.default_rng(0)
    streaks = Image.fromarray(fractal(rng, octaves=3, base=32, decay=0.8)).resize((TEXTURE, 16)).resize((TEXTURE, TEXTURE))
    return Head(
        template=template.astype(np.float32),
        shapes=np.ascontiguousarray(shapes),
        index=index,
        triangles=np.ascontiguousarray(np.concatenate(blocks), dtype=np.int32),
        parts=np.concatenate(kinds).astype(np.int32),
        **{name: np.pad(mask, (0, len(template) - len(mask))) for name, mask in masks.items()},
        hairline=hairline(template).astype(np.float32),
        strands=strand_coordinates(template).astype(np.float32),
        scalp=scalp,
        scalp_source=scalp_source,
        locks=np.unique(hair),
        frame=frame,
        eyes=eyes,
        noise=np.stack([fractal(rng, octaves=6, base=4, decay=0.6) for _ in range(4)]),
        streaks=np.asarray(streaks, np.float32),
    )


def subdivide(template: np.ndarray, shapes: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, ...]:
    """Each triangle into four; the new vertices lie on the edges' midpoints."""
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    unique, number = np.unique(edges, axis=0, return_inverse=True)
    ab, bc, ca = number.reshape(3, -1) + len(template)
    a, b, c = triangles.T
    finer = np.concatenate([np.stack(corner, axis=1) for corner in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    template = np.concatenate([template, template[unique].mean(axis=1)])
    shapes = np.concatenate([shapes, shapes[:, unique].mean(axis=2)], axis=1)
    return template, shapes, finer.astype(np.int32)


def smoothstep(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between; falls where low > high."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def hairline(points: np.ndarray) -> np.ndarray:
    """How far inside the hair a point of the template lies: above the forehead, before and behind the ears, the nape."""
    x, y, z = np.abs(points[..., 0]), points[..., 1], points[..., 2]
    front = y - (7.93 - 0.10 * smoothstep(0.25, 0.5, x))
    side = y - (7.12 + 1.1 * smoothstep(0.25, 0.75, z))
    back = y - 6.55
    return np.where(z > 0.75, front, np.maximum(front, np.where(z > 0.05, side, back)))


def around_ear(points: np.ndarray) -> np.ndarray:
    """Where hair would grow through the ear."""
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    return (x > 0.75) & (y < 7.55) & (z > 0)


def strand_coordinates(points: np.ndarray) -> np.ndarray:
    """Across the strands (the azimuth) and along them (downward)."""
    return np.stack([np.arctan2(points[:, 0], points[:, 2] + 0.2), -points[:, 1]], axis=1)


# --- glasses: two rims, two lenses, a bridge and two temples; identity.py places them --------------------------------

GLASSES_POINTS = 2 * (3 * RIM + 1) + 4 + 8  # each lens: outer rim, inner rim, lens edge, lens center; bridge; temples


def glasses_triangles() -> tuple[np.ndarray, np.ndarray]:
    """Triangles over the points of `glasses_points`, and their parts."""
    frame, lens = [], []
    for side in (0, 1):
        first = side * (3 * RIM + 1)
        outer, inner, edge, center = first, first + RIM, first + 2 * RIM, first + 3 * RIM
        for i in range(RIM):
            j = (i + 1) % RIM
            frame += [(outer + i, outer + j, inner + i), (outer + j, inner + j, inner + i)]
            lens.append((edge + i, edge + j, center))
    quads = 2 * (3 * RIM + 1)
    for first in (quads, quads + 4, quads + 8):
        frame += [(first, first + 1, first + 2), (first + 1, first + 3, first + 2)]
    parts = np.repeat([FRAME, LENS], [len(frame), len(lens)])
    return np.array(frame + lens, np.int32), parts


def glasses_points(eyes: np.ndarray, front: float, width: float, roundness: float, rim: float) -> np.ndarray:
    """[P, 3]: glasses before eyes at `eyes` [2, 3], at depth z = `front`; lenses `width` wide, `rim` thick.

    roundness is the exponent of the lens's superellipse: 2 a circle, 4 nearly a rectangle.
    """
    angle = np.linspace(0, 2 * np.pi, RIM, endpoint=False)
    unit = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    unit = np.sign(unit) * np.abs(unit) ** (2 / roundness) * [1.0, 0.82]
    points = []
    centers = [np.array([eye[0] * 1.04, eye[1] - 0.03, front]) for eye in eyes]
    for center in centers:
        curved = np.c_[unit, -0.12 * unit[:, :1] ** 2 * np.sign(center[0]) * unit[:, :1]]  # the outer edge lies farther back
        points += [center + curved * (width + rim), center + curved * width, center + curved * width - [0, 0, 0.01]]
        points.append(center[None])
    half, y = width + rim, centers[0][1] + 0.35 * width
    inner = [centers[1][0] + half * 0.9, centers[0][0] - half * 0.9]
    points.append(np.array([[x, y + d, front + 0.02] for x in inner for d in (-rim, rim)]))
    for center in centers:
        out = np.sign(center[0])
        hinge, ear = center + [out * half, 0.2 * width, -0.1], [out * 0.82, center[1] + 0.05, 0.25]
        points.append(np.array([p + np.array([0, d, 0]) for p in (hinge, ear) for d in (-0.6 * rim, 0.6 * rim)]))
    return np.concatenate(points).astype(np.float32)


def fractal(rng: np.random.Generator, octaves: int, base: int, decay: float) -> np.ndarray:
    """Tileable fractal noise [256, 256], mean 0, spread 1: octaves of random grids, each twice finer and `decay` weaker."""
    total = np.zeros((TEXTURE, TEXTURE), np.float32)
    for octave in range(octaves):
        cells = min(base * 2**octave, TEXTURE)
        grid = np.pad(rng.standard_normal((cells, cells)).astype(np.float32), 1, mode="wrap")
        border = TEXTURE // cells
        smooth = Image.fromarray(grid).resize((TEXTURE + 2 * border,) * 2, Image.Resampling.BICUBIC)
        total += decay**octave * np.asarray(smooth)[border : border + TEXTURE, border : border + TEXTURE]
    return (total - total.mean()) / total.std()
