"""From a person, an expression and a scene to a picture."""

import math
from functools import lru_cache

import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter

from simfer.assets import FRAME, LEFT_EYE, LENS, LOCKS, RIGHT_EYE, SCALP, SKIN, Head, glasses_points, load_head
from simfer.expression import REST, Expression
from simfer.identity import Identity, hair_alpha
from simfer.kernels import Look, rasterize, shade, vertex_normals
from simfer.wild import Scene, develop, draw_background, draw_occluder

SUPERSAMPLE = 2  # pixels a side that are averaged into one
SHADOW_CELLS, SHADOW_WIDTH, SHADOW_DROP = 160, 3.4, 0.1  # the light's depth map: cells, decimeters, offset to the chin
EYE_HEIGHT = 0.345  # distance of the eyes in the aligned picture, as a share of its side
CLOTHS = np.array([[0.30, 0.50, 0.62], [0.75, 0.75, 0.75], [0.02, 0.02, 0.025], [0.35, 0.10, 0.12]])  # of the masks


def render(person: Identity, expression: Expression, scene: Scene, size: int = 100) -> Image.Image:
    """The picture, [size, size] RGB: aligned on the eyes and the resting mouth, as in-the-wild sets are.

    The same arguments give the same picture on one machine. JPEG compression is left to `wild.to_jpeg`.

    Raises:
        ValueError: size below 16.
    """
    if size < 16:
        raise ValueError(f"a face needs at least 16 pixels a side, got {size}")
    head = load_head()
    rng = np.random.default_rng(scene.texture_seed)
    cloth, lens_shape = CLOTHS[rng.integers(len(CLOTHS))], rng.uniform([0.20, 2.0, 0.014], [0.25, 4.0, 0.030])
    side = size * SUPERSAMPLE
    vertices = move(head, person, expression)
    normals = vertex_normals(vertices, head.triangles)
    lump = head.noise[3 if person.style == "curly" else 0]
    lift, opacity = hair_alpha(head, person, sample(lump, head.strands[head.scalp] * (3, 3) + person.offsets[:2]))
    vertices[head.scalp] = vertices[head.scalp_source] + normals[head.scalp_source] * lift[:, None]
    place_glasses(head, person, scene, vertices, opacity, lens_shape)
    normals = vertex_normals(vertices, head.triangles)
    normals[head.locks] = from_axis(vertices[head.locks])

    rotation = rotate(scene.yaw, scene.pitch, scene.roll)
    eyes = np.stack([vertices[part_vertices(LEFT_EYE)].mean(axis=0), vertices[part_vertices(RIGHT_EYE)].mean(axis=0)])
    pivot = eyes.mean(axis=0)
    view = np.float32((vertices - pivot) @ rotation.T)
    view_normals = np.float32(normals @ rotation.T)
    points = project(view, landmarks(head, person, eyes, pivot, rotation), scene, side)
    cut = np.zeros(LENS + 1, np.float32)
    cut[SCALP], cut[LOCKS] = (0.04, 0.0) if person.style == "beanie" else (0.18, 0.25)
    mesh = (head.triangles, head.parts, opacity, head.strands, head.streaks, cut)
    triangle, weights, depth = rasterize(points, *mesh, side, side)
    light = np.array(scene.light) / np.linalg.norm(scene.light)
    axes = light_axes(light)
    shadow = rasterize(to_light(view, axes), *mesh, SHADOW_CELLS, SHADOW_CELLS)[2]
    frame = np.float32(np.vstack([axes, [SHADOW_CELLS / SHADOW_WIDTH, SHADOW_DROP, 0]]))

    image = draw_background(head, scene, side, rng)
    look = make_look(head, person, expression, scene, light, cloth, (eyes - pivot) @ rotation.T, rotation)
    seen = triangle >= 0
    shade(image, triangle, weights, occlusion(depth, seen, side), head.triangles, head.parts, view, view_normals,
          attributes(), shadow, frame, look)  # fmt: skip
    image = image.reshape(size, SUPERSAMPLE, size, SUPERSAMPLE, 3).mean(axis=(1, 3))
    covered = draw_occluder(image, scene, person.skin, rng) if scene.occluder in ("hand", "object") else image
    if scene.exposure:
        is_skin = (head.parts[triangle] == SKIN) & seen
        covered = covered * exposure_gain(image, is_skin[::SUPERSAMPLE, ::SUPERSAMPLE], person, scene)
    return develop(covered, scene, rng)


def move(head: Head, person: Identity, expression: Expression) -> np.ndarray:
    """The person's vertices [V, 3] with the expression's actions on them."""
    actions = dict(expression.actions)
    calm = 1 - min(1, actions.get("browDownLeft", 0))  # a lowered brow overrides the friendlier rest
    for name, weight in REST.items():
        actions[name] = actions.get(name, 0) + weight * calm
    vertices = person.vertices.copy()
    for name, weight in actions.items():
        if weight:
            vertices += np.float32(weight) * head.shapes[head.index["action:" + name]]
    return vertices


def place_glasses(
    head: Head, person: Identity, scene: Scene, vertices: np.ndarray, opacity: np.ndarray, shape: np.ndarray
) -> None:
    """Put the glasses on the resting face, or hide them; clear lenses are not drawn."""
    if scene.occluder not in ("glasses", "sunglasses"):
        opacity[head.frame] = -9
        return
    eyes = np.stack([person.vertices[part_vertices(part)].mean(axis=0) for part in (LEFT_EYE, RIGHT_EYE)])
    brow = person.vertices[(np.abs(head.template[:, 1] - 7.47) < 0.08) & (np.abs(head.template[:, 0]) < 0.5), 2].max()
    width, roundness, rim = shape
    vertices[head.frame] = glasses_points(eyes, brow + 0.08, width, roundness, rim)
    if scene.occluder == "glasses":
        opacity[lens_vertices()] = -9


@lru_cache
def part_vertices(part: int) -> np.ndarray:
    head = load_head()
    return np.unique(head.triangles[head.parts == part])


@lru_cache
def lens_vertices() -> np.ndarray:
    return np.setdiff1d(part_vertices(LENS), part_vertices(FRAME))


@lru_cache
def attributes() -> np.ndarray:
    """[V, 8]: template position, lips, mouth, lashes, strand coordinates."""
    head = load_head()
    columns = [head.template, head.lips[:, None], head.mouth[:, None], head.lashes[:, None], head.strands]
    return np.ascontiguousarray(np.concatenate(columns, axis=1), dtype=np.float32)


def sample(texture: np.ndarray, places: np.ndarray) -> np.ndarray:
    """A noise texture at places [N, 2]; one unit is 16 texels."""
    column, row = (places * 16).astype(int).T % len(texture)
    return texture[row, column]


def from_axis(points: np.ndarray) -> np.ndarray:
    """Normals of the locks: away from an upright axis in the head, as if the hair were one rounded body."""
    outward = (points - [0, 7.2, 0.3]) * [1, 0.4, 1]
    return np.float32(outward / np.linalg.norm(outward, axis=1, keepdims=True))


def rotate(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rotation matrix: yaw about y, then pitch about x, then roll about z."""
    (cy, sy), (cx, sx), (cz, sz) = ((math.cos(angle), math.sin(angle)) for angle in (yaw, pitch, roll))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def landmarks(head: Head, person: Identity, eyes: np.ndarray, pivot: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Left eye, right eye and resting mouth in view space [3, 3]: the expression does not move the crop."""
    mouth = person.vertices[head.lips > 0.5].mean(axis=0)
    return (np.stack([*eyes, mouth]) - pivot) @ rotation.T


def project(view: np.ndarray, marks: np.ndarray, scene: Scene, side: int) -> np.ndarray:
    """Perspective, then the similarity that brings eyes and mouth to their places: [V, 3] pixels and depth."""
    flat = marks[:, :2] * (scene.distance / (scene.distance - marks[:, 2:]))
    eyes = flat[:2].mean(axis=0)
    width, height = np.linalg.norm(flat[0] - flat[1]), np.linalg.norm(eyes - flat[2])
    zoom = side * EYE_HEIGHT / max(width, 0.92 * height) * scene.scale
    center = 0.55 * eyes + 0.45 * flat[2]
    plane = view[:, :2] * (scene.distance / (scene.distance - view[:, 2:])) - center
    c, s = math.cos(scene.tilt), math.sin(scene.tilt)
    x = (0.5 + scene.shift[0]) * side + zoom * (c * plane[:, 0] - s * plane[:, 1])
    y = (0.555 + scene.shift[1]) * side - zoom * (s * plane[:, 0] + c * plane[:, 1])
    return np.float32(np.stack([x, y, -view[:, 2]], axis=1))


def light_axes(light: np.ndarray) -> np.ndarray:
    """Rows: right, up and toward, as seen from the light."""
    right = np.cross([0, 1, 0], light)
    right /= np.linalg.norm(right)
    return np.float32(np.stack([right, np.cross(light, right), light]))


def to_light(view: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """[V, 3]: pixels of the shadow map, and distance from the light."""
    turned, scale = view @ axes.T, SHADOW_CELLS / SHADOW_WIDTH
    x, y = SHADOW_CELLS / 2 + turned[:, 0] * scale, SHADOW_CELLS / 2 - (turned[:, 1] + SHADOW_DROP) * scale
    return np.float32(np.stack([x, y, -turned[:, 2]], axis=1))


def occlusion(depth: np.ndarray, seen: np.ndarray, side: int) -> np.ndarray:
    """Screen-space ambient occlusion: what lies deeper than its surroundings is darker, at two radii."""
    flat = np.where(seen, depth, depth[seen].max() if seen.any() else 0)
    open_sky = np.ones_like(flat)
    for radius, strength in ((max(1, side // 50), 3.2), (max(2, side // 18), 1.5)):
        deeper = flat - uniform_filter(flat, 2 * radius + 1, mode="nearest")
        open_sky *= np.clip(1 - strength * np.clip(deeper - 0.004, 0, 0.25), 0.35, 1)
    return np.float32(open_sky)


def exposure_gain(image: np.ndarray, is_skin: np.ndarray, person: Identity, scene: Scene) -> float:
    """Brings the median of the skin to the scene's exposure; a camera does so in part only, so darker skin stays darker."""
    median = float(np.median(image[is_skin].mean(axis=-1))) if is_skin.any() else 0.3
    target = scene.exposure * (float(person.skin.mean()) / 0.5) ** 0.45
    return (target / max(median, 0.02)) ** 0.85


def make_look(
    head: Head,
    person: Identity,
    expression: Expression,
    scene: Scene,
    light: np.ndarray,
    cloth: np.ndarray,
    pupils: np.ndarray,
    rotation: np.ndarray,
) -> Look:
    """Everything that `kernels.shade` needs to know, as numbers."""
    both = {name: 0.5 * (weight(expression, name, "Left") + weight(expression, name, "Right")) for name in
            ("browOuterUp", "browDown", "noseSneer", "mouthSmile", "cheekSquint")}  # fmt: skip
    style = person.style
    return Look(
        skin=person.skin, lips=person.lips, hair=person.hair, brow_color=person.brow_color, iris=person.iris, hat=person.hat,
        cloth=np.float32(cloth), brow=person.brow, offsets=person.offsets, noise=head.noise, streaks=head.streaks,
        eyes=head.eyes, pupils=np.float32(pupils), light=np.float32(light), key_color=np.float32(scene.key_color),
        head_forward=np.float32(0.9 * np.array([0, 0, 1.0]) + 0.1 * rotation[:, 2]),
        female=person.female, oldness=person.oldness, child=person.child, beard=person.beard,
        freckles=float(person.freckles), mottle=person.mottle, stubble_line=person.fringe,
        bald=float(style == "bald"), beanie=float(style == "beanie"), curly=float(style == "curly"),
        masked=float(scene.occluder == "mask"),
        forehead=0.5 * weight(expression, "browInnerUp") + 0.5 * both["browOuterUp"], frown=both["browDown"],
        sneer=both["noseSneer"], smile=both["mouthSmile"], squint=both["cheekSquint"] + 0.4 * both["mouthSmile"],
        key=scene.key, ambient=scene.ambient, ground=scene.ground,
    )  # fmt: skip


def weight(expression: Expression, action: str, side: str = "") -> float:
    return float(expression.actions.get(action + side, 0.0))
