"""Identities: who is seen. Head shape, skin, hair, brows, eyes, beard; nothing here depends on the expression."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simfer.assets import Head, smoothstep

ANCESTRIES = ("african", "asian", "caucasian")
SHAPE_SPREAD = 0.19  # of a local shape's weight; above 0.25 faces become caricatures
EXPRESSIVE = ("mouth-angles", "eyebrows-angle", "eyebrows-trans")  # identity shapes that mimic expressions: halved
OPPOSITES = (("incr", "decr"), ("-up", "-down"), ("-out", "-in"), ("forward", "backward"), ("convex", "concave"))

# Linear reflectances. Skin from light to dark; the tone interpolates between them.
SKIN_TONES = np.array(
    [
        [0.86, 0.68, 0.58],
        [0.80, 0.60, 0.48],
        [0.72, 0.51, 0.38],
        [0.58, 0.39, 0.27],
        [0.42, 0.27, 0.18],
        [0.28, 0.175, 0.12],
        [0.19, 0.12, 0.085],
    ]
)
HAIR_COLORS = np.array(
    [
        [0.02, 0.016, 0.014],
        [0.05, 0.03, 0.018],
        [0.11, 0.06, 0.03],
        [0.22, 0.12, 0.055],
        [0.42, 0.28, 0.13],
        [0.25, 0.08, 0.03],
        [0.35, 0.34, 0.33],
    ]
)
IRIS_COLORS = np.array([[0.10, 0.05, 0.02], [0.16, 0.09, 0.04], [0.12, 0.16, 0.09], [0.14, 0.22, 0.32], [0.25, 0.28, 0.30]])
LIPSTICKS = np.array([[0.50, 0.06, 0.07], [0.55, 0.18, 0.20], [0.35, 0.05, 0.10]])


@dataclass(frozen=True)
class Identity:
    """One person. Lengths in decimeters, colors linear, shares 0..1.

    shape is the weight of each identity shape; vertices [V, 3] the head at rest that follows from it.
    style is "bald", "cropped", "short", "curly", "bob", "long" or "beanie"; fringe is how far hair falls into the forehead.
    brow holds thickness, height, density, arch and slope; offsets shift the noise textures.
    """

    shape: dict[str, float]
    vertices: np.ndarray
    female: float
    oldness: float
    child: float
    tone: float
    skin: np.ndarray
    lips: np.ndarray
    hair: np.ndarray
    brow_color: np.ndarray
    iris: np.ndarray
    hat: np.ndarray
    brow: np.ndarray
    offsets: np.ndarray
    style: str
    hair_depth: float
    fringe: float
    hair_length: float
    hair_width: float
    beard: float
    freckles: bool
    mottle: float


def sample_identity(head: Head, rng: np.random.Generator, spread: float = 1.0) -> Identity:
    """A person drawn from `rng`; `spread` scales how much head shapes differ."""
    male = float(rng.beta(0.35, 0.35))
    female = 1 - male
    ancestry = rng.dirichlet([0.5, 0.5, 0.5])
    ages = sample_ages(rng)
    child, oldness = ages["child"], ages["old"]
    shape = phenotype(rng, male, ancestry, ages) | local_shapes(head, rng, spread)
    tone = float(np.clip(6 * (ancestry @ [0.78, 0.32, 0.18]) + rng.normal(0, 0.7), 0, 6))
    skin = between(SKIN_TONES, tone) * (1 + rng.normal(0, 0.04)) * (1 + rng.normal(0, 0.025, 3))
    lips = skin * [0.86, 0.55, 0.56] * (1 + rng.normal(0, 0.06, 3))
    if rng.random() < 0.45 * female * (child < 0.3):
        lips = LIPSTICKS[rng.integers(3)]
    hair = sample_hair_color(rng, tone, oldness)
    eye_shares = [0.5, 0.3, 0.08, 0.08, 0.04] if tone < 2.3 else [0.8, 0.2, 0, 0, 0]
    iris = IRIS_COLORS[rng.choice(5, p=eye_shares)]
    thickness = rng.uniform(0.022, 0.042) * (1.15 - 0.35 * female)
    brow = [thickness, rng.normal(0, 0.015), rng.uniform(0.55, 0.95), rng.normal(0.035, 0.015), rng.normal(-0.005, 0.018)]
    style = sample_style(rng, female, oldness)
    recede = 0.0 if female > 0.5 else -0.06 * oldness
    hat = rng.uniform(0.03, 0.7, 3)
    bearded = female <= 0.5 and child <= 0.2
    beard = float(rng.choice([0, 0.12, 0.3, 0.75], p=[0.4, 0.25, 0.15, 0.2])) if bearded else 0.0
    fringed = style in ("bob", "long", "short", "curly") and rng.random() < 0.3
    return Identity(
        shape=shape,
        vertices=deform(head, shape),
        female=female,
        oldness=oldness,
        child=child,
        tone=tone,
        skin=np.float32(np.clip(skin, 0.03, 0.95)),
        lips=np.float32(lips),
        hair=np.float32(hair),
        brow_color=np.float32(hair * (0.45 if hair.mean() > 0.3 else 0.55)),
        iris=np.float32(iris),
        hat=np.float32(hat),
        brow=np.float32(brow),
        offsets=np.float32(rng.uniform(0, 50, 6)),
        style=style,
        hair_depth=float(hair_depth(rng, style)),
        fringe=float(rng.normal(0, 0.04) + recede + (rng.uniform(0.10, 0.26) if fringed else 0)),
        hair_length=float(rng.uniform(6.35, 6.75) if style == "bob" else rng.uniform(5.2, 6.0)),
        hair_width=float(rng.uniform(0.60, 0.72)),
        beard=beard,
        freckles=bool(rng.random() < 0.15 and tone < 2),
        mottle=float(rng.uniform(0.02, 0.07)),
    )


def sample_ages(rng: np.random.Generator) -> dict[str, float]:
    """MakeHuman's age mixture: 12 % children, 63 % young to middle-aged adults, 25 % older ones."""
    kind, position = rng.random(), rng.random()
    if kind < 0.12:
        return {"child": 1 - 0.8 * position, "young": 0.8 * position, "old": 0.0}
    old = 0.4 * position if kind < 0.75 else 0.4 + 0.6 * position
    return {"child": 0.0, "young": 1 - old, "old": old}


def phenotype(rng: np.random.Generator, male: float, ancestry: np.ndarray, ages: dict[str, float]) -> dict[str, float]:
    """Weights of MakeHuman's macro shapes: products of the shares of gender, age, ancestry and weight."""
    heavy = rng.beta(2, 2.5) * 2 - 1
    weights = {"maxweight": max(heavy, 0.0), "minweight": max(-heavy, 0.0)}
    shape = {}
    for gender, gender_share in (("male", male), ("female", 1 - male)):
        for age, age_share in ages.items():
            for name, share in zip(ANCESTRIES, ancestry, strict=True):
                shape[f"type:{name}-{gender}-{age}"] = gender_share * age_share * share
            for name, share in weights.items():
                shape[f"type:universal-{gender}-{age}-averagemuscle-{name}"] = gender_share * age_share * share
    return shape


def local_shapes(head: Head, rng: np.random.Generator, spread: float) -> dict[str, float]:
    """A normal weight for each pair of opposite local shapes, nearly the same on both sides; a little asymmetry."""
    shape = {}
    for positive, negative in local_axes(tuple(head.index)):
        sides = ("l-", "r-") if positive.startswith("l-") else ("",)
        common = rng.normal(0, SHAPE_SPREAD * spread * (0.5 if positive.startswith(EXPRESSIVE) else 1.0))
        for side in sides:
            value = common + (rng.normal(0, 0.06 * spread) if side else 0)
            name = positive if value > 0 else negative
            shape[f"local:{side + name[2:] if side else name}"] = abs(value)
    for name in head.names("local"):
        if name.startswith("asym"):
            shape[f"local:{name}"] = abs(rng.normal(0, 0.12)) * spread
        elif name.startswith("head-") and opposite(name) == name:  # head-oval, head-square, ...
            shape[f"local:{name}"] = max(0.0, rng.normal(0, 0.15)) * spread
    return {name: value for name, value in shape.items() if value}


@lru_cache
def local_axes(names: tuple[str, ...]) -> list[tuple[str, str]]:
    """Pairs (shape, opposite shape), the left side standing for both; head-age is part of the age, and left out."""
    known = {name.removeprefix("local:") for name in names if name.startswith("local:")}
    first = [name for name in sorted(known) if not name.startswith(("r-", "asym", "head-age"))]
    return [(name, opposite(name)) for name in first if opposite(name) != name and opposite(name) in known]


def opposite(name: str) -> str:
    """ "nose-point-up" -> "nose-point-down"; the name itself where it is the second of a pair, or has no opposite."""
    for positive, negative in OPPOSITES:
        if positive in name and negative not in name:
            return name.replace(positive, negative)
    return name


def deform(head: Head, weights: dict[str, float]) -> np.ndarray:
    """The template moved by the weighted shapes: [V, 3] float32."""
    rows = [head.index[name] for name, weight in weights.items() if weight and name in head.index]
    values = np.array([weight for name, weight in weights.items() if weight and name in head.index], np.float32)
    moved = np.tensordot(values, head.shapes[rows], axes=1)
    return head.template + moved


def between(table: np.ndarray, position: float) -> np.ndarray:
    """Linear interpolation between the rows of a table."""
    row = min(int(position), len(table) - 2)
    return table[row] + (table[row + 1] - table[row]) * (position - row)


def sample_hair_color(rng: np.random.Generator, tone: float, oldness: float) -> np.ndarray:
    shares = np.array([3, 3, 1.5, 0.8, 0.6, 0.3, 0.0])
    if tone > 2.5:
        shares[2:6] *= 0.08
    shares[6] = 5 * oldness**2
    return HAIR_COLORS[rng.choice(7, p=shares / shares.sum())] * (1 + np.clip(rng.normal(0, 0.15), -0.4, 0.4))


def sample_style(rng: np.random.Generator, female: float, oldness: float) -> str:
    if female > 0.5:
        return str(rng.choice(["long", "bob", "curly", "short", "beanie"], p=[0.36, 0.24, 0.12, 0.20, 0.08]))
    bald = 0.10 + 0.25 * oldness
    return str(rng.choice(["bald", "cropped", "short", "curly", "beanie"], p=[bald, 0.30, 0.82 - 0.30 - bald, 0.10, 0.08]))


def hair_depth(rng: np.random.Generator, style: str) -> float:
    """How far the hair stands off the skull."""
    low, high = {"bald": (0, 0), "cropped": (0.03, 0.06), "short": (0.08, 0.18), "curly": (0.20, 0.42)}.get(style, (0.06, 0.14))
    return rng.uniform(low, high)


def hair_alpha(head: Head, person: Identity, depth_noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far each scalp vertex is lifted, and the opacity [V] of the hair: cut at 0.5 plus strand noise by the renderer."""
    opacity = np.ones(len(head.template), np.float32)
    inside = head.hairline[head.scalp_source] + person.fringe * (head.template[head.scalp_source, 2] > 0.6)
    if person.style == "beanie":
        above = head.template[head.scalp_source, 1] - (7.75 - 0.25 * smoothstep(0.9, 0.1, head.template[head.scalp_source, 2]))
        lift, inside = 0.07 * smoothstep(-0.05, 0.25, inside), above
    else:
        rough = 0.6 if person.style == "curly" else 0.25
        lift = person.hair_depth * smoothstep(-0.08, 0.25, inside) * np.clip(1 + rough * depth_noise, 0.3, 2.0)
    opacity[head.scalp] = 0.5 + 4 * (inside - 0.02) if person.style != "bald" else -9.0
    opacity[head.locks] = -9.0
    if person.style in ("long", "bob"):
        x, y, z = np.abs(head.template[head.locks, 0]), head.template[head.locks, 1], head.template[head.locks, 2]
        window = x - person.hair_width * (1 - 0.12 * smoothstep(7.4, 8.2, y)) + smoothstep(0.9, 0.2, z)
        above = y - (7.97 - person.fringe)
        opacity[head.locks] = 0.5 + 5 * np.minimum(np.maximum(window, above), 0.6 * (y - person.hair_length))
    return lift.astype(np.float32), opacity
