"""What is not the face: pose, camera, light, background, occlusion, blur, noise and compression.

`Scene` holds every nuisance of one image as a number or a word, so that each can be moved alone; `sample_scene` draws
them all, stronger with `wildness`. The drawing is independent of label, identity and expression.
"""

import io
import math
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from simfer.assets import Head, smoothstep

OCCLUDERS = ("", "glasses", "sunglasses", "mask", "hand", "object")
OCCLUDER_SHARES = (0.40, 0.15, 0.12, 0.18, 0.15)  # of the occluded faces
KNOBS: dict[str, tuple] = {  # what `turn` sets a knob to, from harmless to beyond what `sample_scene` draws
    "occlusion": ("", "sunglasses", "hand", "mask"),
    "pose": (0.0, 0.3, 0.6, 0.9),  # yaw, radians
    "blur": (0.0, 0.8, 1.6, 2.4),  # radius in hundredths of the side
}


@dataclass(frozen=True)
class Scene:
    """The nuisances of one image; the defaults are the studio: frontal, evenly lit, sharp, gray background.

    Args:
        yaw, pitch, roll: of the head, radians.
        distance: of the camera from the eyes, decimeters.
        shift, scale, tilt: how far the crop is off: shares of the image's side, relative size, radians.
        light: direction to the key light (x right, y up, z to the camera).
        key, ambient, ground: strength of the key light, of the ambient light, and of the latter from below.
        key_color, white_balance: [3] factors.
        exposure: what the median of the skin is brought to, linear; 0 leaves the light as it is.
        contrast, brightness: of the developed image.
        background: "studio", "soft" (two colors and noise) or "blocks" (blurred rectangles).
        occluder: one of OCCLUDERS.
        blur: radius in hundredths of the image's side;  downscale: side at which the image once was, as a share;
        noise: spread in gray levels;  gray: no color;  jpeg: quality.
        texture_seed: of the background, the occluder's place and the noise.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    distance: float = 14.0
    shift: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    tilt: float = 0.0
    light: tuple[float, float, float] = (0.35, 0.5, 0.9)
    key: float = 1.15
    ambient: float = 0.42
    ground: float = 0.55
    key_color: tuple[float, float, float] = (1.0, 1.0, 1.0)
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    exposure: float = 0.0
    contrast: float = 1.0
    brightness: float = 0.0
    background: str = "studio"
    occluder: str = ""
    blur: float = 0.0
    downscale: float = 1.0
    noise: float = 0.0
    gray: bool = False
    jpeg: int = 95
    texture_seed: int = 0


def sample_scene(rng: np.random.Generator, wildness: float = 1.0) -> Scene:
    """A scene drawn from `rng`; 0 is the studio, 1 faces in the wild, more is harder."""
    if wildness == 0:
        return Scene()
    yaw, pitch, roll, dx, dy, zoom, tilt = rng.normal(0, [0.30, 0.14, 0.05, 0.025, 0.025, 0.05, 0.05]) * wildness
    occluded, blurred, shrunk = rng.random(3) < np.array([0.16, 0.35, 0.35]) * wildness
    occluder = str(rng.choice(OCCLUDERS[1:], p=OCCLUDER_SHARES))
    radius, share, grain = rng.uniform(0.4, 1.1), rng.uniform(0.35, 0.8), rng.gamma(2.0, 2.0)
    return Scene(
        yaw=float(np.clip(yaw, -0.85, 0.85)),
        pitch=float(np.clip(pitch, -0.4, 0.4)),
        roll=float(roll),
        distance=float(rng.uniform(7, 20)),
        shift=(float(dx), float(dy)),
        scale=float(1 + np.clip(zoom, -0.2, 0.2)),
        tilt=float(tilt),
        light=(float(rng.normal(0, 0.75)), float(rng.uniform(-0.15, 1.2)), float(rng.uniform(0.35, 1.2))),
        key=float(rng.uniform(0.5, 1.8)),
        ambient=float(rng.uniform(0.2, 0.75)),
        ground=float(rng.uniform(0.3, 0.9)),
        key_color=triple(np.clip(1 + rng.normal(0, 0.10, 3), 0.6, 1.4)),
        white_balance=triple(np.clip(1 + rng.normal(0, 0.09, 3), 0.6, 1.4)),
        exposure=float(rng.uniform(0.16, 0.46)),
        contrast=float(rng.uniform(0.8, 1.25)),
        brightness=float(rng.normal(0, 0.03)),
        background="blocks" if rng.random() < 0.4 else "soft",
        occluder=occluder if occluded else "",
        blur=float(radius) if blurred else 0.0,
        downscale=float(share) if shrunk else 1.0,
        noise=float(grain * min(wildness, 2)),
        gray=bool(rng.random() < 0.12),
        jpeg=int(rng.integers(35, 95)),
        texture_seed=int(rng.integers(2**31)),
    )


def turn(scene: Scene, knob: str, level: float | str) -> Scene:
    """The scene with one of KNOBS set to `level`, and all else as it was, but that a turned head, which keeps its side, is not
    tilted, and a blurred picture has lost no detail by downscaling."""
    if knob == "occlusion":
        return replace(scene, occluder=level)
    if knob == "pose":
        return replace(scene, yaw=math.copysign(level, scene.yaw), pitch=0.0, roll=0.0)
    return replace(scene, blur=level, downscale=1.0)


def triple(values: np.ndarray) -> tuple[float, float, float]:
    return tuple(float(value) for value in values)


def draw_background(head: Head, scene: Scene, side: int, rng: np.random.Generator) -> np.ndarray:
    """[side, side, 3] linear."""
    if scene.background == "studio":
        return np.full((side, side, 3), 0.35, np.float32)
    low, high = rng.uniform(0.02, 0.8, (2, 3))
    texture, cut = head.noise[rng.integers(4)], int(rng.integers(60, 200))
    top, left = rng.integers(0, len(texture) - cut + 1, 2)
    piece = Image.fromarray(texture[top : top + cut, left : left + cut]).resize((side, side), Image.Resampling.BICUBIC)
    image = low + (high - low) * smoothstep(-1.5, 1.5, np.asarray(piece))[..., None]
    if scene.background == "blocks":
        picture = Image.fromarray((image * 255).clip(0, 255).astype(np.uint8))
        draw = ImageDraw.Draw(picture)
        for _ in range(rng.integers(2, 9)):
            x0, y0, x1, y1 = rng.uniform(-0.2, 1.2, 4) * side
            box = [min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)]
            draw.rectangle(box, fill=tuple(int(value) for value in rng.integers(0, 220, 3)))
        blurred = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.01, 0.06) * side))
        image = np.asarray(blurred, np.float32) / 255
    return np.float32(image * rng.uniform(0.4, 1))


def draw_occluder(image: np.ndarray, scene: Scene, skin: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A hand or a thing before the face, on the linear image [side, side, 3]; glasses and masks are part of the head."""
    side = len(image)
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    if scene.occluder == "object":
        edge = rng.uniform(0.10, 0.30) if rng.random() < 0.5 else rng.uniform(0.70, 0.90)
        slant = rng.normal(0, 0.25)
        distance = (x - edge - slant * (y - 0.5)) * (1 if edge > 0.5 else -1)
        cover = smoothstep(-0.02, 0.02, distance)[..., None]
        color = rng.uniform(0.02, 0.6, 3) * (1 + 0.4 * (y - 0.5))[..., None]
        return np.float32(image * (1 - cover) + color * cover)
    height, shade = hand(x, y, rng)
    light = np.array(scene.light) / np.linalg.norm(scene.light)
    ny, nx = np.gradient(height, 1 / side)
    normal = np.stack([-nx, ny, np.full_like(nx, 1.2)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    lit = scene.ambient + scene.key * np.clip((normal @ light + 0.2) / 1.2, 0, 1)
    color = skin * (lit * shade)[..., None]
    cover = smoothstep(0.0, 0.012, height)[..., None]
    return np.float32(image * (1 - cover) + color * cover)


def hand(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Height field of four fingers and a palm that reach into the lower half of the picture, and its shading."""
    palm = np.array([rng.uniform(0.1, 0.9), rng.uniform(1.0, 1.15)])
    toward = np.array([rng.uniform(0.35, 0.65), rng.uniform(0.6, 0.8)]) - palm
    angle, reach = np.arctan2(toward[1], toward[0]), np.linalg.norm(toward)
    height = np.sqrt(np.clip(0.17**2 - (x - palm[0]) ** 2 - (y - palm[1]) ** 2, 0, None)) * 0.6
    shade = np.ones_like(height)
    for finger, length in zip((-0.27, -0.09, 0.09, 0.27), (0.85, 1.0, 0.95, 0.75), strict=True):
        tip = palm + reach * length * np.array([np.cos(angle + finger * 1.3), np.sin(angle + finger * 1.3)])
        axis = tip - palm
        along = np.clip(((x - palm[0]) * axis[0] + (y - palm[1]) * axis[1]) / (axis @ axis), 0, 1)
        distance2 = (x - palm[0] - along * axis[0]) ** 2 + (y - palm[1] - along * axis[1]) ** 2
        bump = np.sqrt(np.clip(0.047**2 - distance2, 0, None))
        shade = np.where(bump > 0.012, np.minimum(1.0, 0.55 + bump / 0.05), shade)  # dark between the fingers
        height = np.maximum(height, bump)
    return height, shade


def develop(image: np.ndarray, scene: Scene, rng: np.random.Generator) -> Image.Image:
    """From linear light [size, size, 3] to the picture that a camera and a web page would give."""
    values = srgb(image * np.array(scene.white_balance))
    values = np.clip((values - 0.5) * scene.contrast + 0.5 + scene.brightness, 0, 1)
    picture = Image.fromarray((values * 255 + 0.5).astype(np.uint8))
    size = picture.width
    if scene.blur:
        picture = picture.filter(ImageFilter.GaussianBlur(scene.blur * size / 100))
    if scene.downscale < 1:
        small = max(8, int(size * scene.downscale))
        picture = picture.resize((small, small), Image.Resampling.BILINEAR).resize((size, size), Image.Resampling.BICUBIC)
    if scene.noise or scene.gray:
        pixels = np.asarray(picture, np.float32) + rng.normal(0, scene.noise, (size, size, 3))
        if scene.gray:
            pixels = np.repeat(pixels.mean(axis=-1, keepdims=True), 3, axis=-1)
        picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    return picture


def to_jpeg(picture: Image.Image, scene: Scene) -> bytes:
    """The file's content; the scene's JPEG quality is applied here, once."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=scene.jpeg)
    return file.getvalue()


def srgb(linear: np.ndarray) -> np.ndarray:
    linear = np.clip(linear, 0, 1)
    return np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
