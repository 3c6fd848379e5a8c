"""Expressions: from one of seven labels to the weights of 52 facial actions.

Each label has prototypes after EMFACS (Friesen and Ekman 1983; the action units stand beside each): ranges from which
weights are drawn. On top come what makes expressions hard to read: low intensity, a second emotion, asymmetry, speech,
blinks and gaze. All of these grow with `difficulty`; at 0 a face shows its prototype in full.
"""

from dataclasses import dataclass

import numpy as np

CLASS_NAMES = ("Surprise", "Fear", "Disgust", "Happiness", "Sadness", "Anger", "Neutral")  # RAF-DB's order; its ids are 1..7
PAIRED = {  # actions that MakeHuman has once for each side of the face
    "browDown", "browOuterUp", "cheekSquint", "eyeBlink", "eyeLookDown", "eyeLookUp", "eyeSquint", "eyeWide", "mouthDimple",
    "mouthFrown", "mouthLowerDown", "mouthPress", "mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer",
}  # fmt: skip
STRONGEST = 1.6  # beyond it the mesh folds over itself

Range = tuple[float, float]
SMILE: dict[str, Range] = {"mouthSmile": (0.8, 1.2), "cheekSquint": (0.4, 1.0), "eyeSquint": (0.1, 0.5)}  # 6 + 12
GRIEF: dict[str, Range] = {  # 1 + 4 + 15
    "browInnerUp": (0.9, 1.5), "browDown": (0.1, 0.35), "mouthFrown": (0.9, 1.5), "eyeBlink": (0.1, 0.35),
    "eyeLookDown": (0.0, 0.45), "eyeSquint": (0.0, 0.3),
}  # fmt: skip
DREAD: dict[str, Range] = {  # 1 + 2 + 4 + 5 + 20
    "browInnerUp": (1.0, 1.5), "browOuterUp": (0.2, 0.6), "browDown": (0.25, 0.5), "eyeWide": (0.7, 1.2),
    "mouthStretch": (0.6, 1.1),
}  # fmt: skip
SNEER: dict[str, Range] = {  # 9
    "noseSneer": (0.9, 1.4), "mouthUpperUp": (0.6, 1.2), "browDown": (0.1, 0.4), "cheekSquint": (0.4, 0.8),
    "eyeSquint": (0.2, 0.6),
}  # fmt: skip
SCOWL: dict[str, Range] = {"browDown": (1.0, 1.4), "noseSneer": (0.0, 0.35), "jawForward": (0.0, 0.3)}  # 4
PRESSED: dict[str, Range] = {  # 23 + 24
    "mouthPress": (0.7, 1.2), "mouthRollLower": (0.4, 0.8), "mouthRollUpper": (0.3, 0.7), "mouthFrown": (0.1, 0.5),
}  # fmt: skip
SHOUT: dict[str, Range] = {  # 10 + 16 + 25
    "jawOpen": (0.15, 0.45), "mouthUpperUp": (0.4, 0.8), "mouthLowerDown": (0.5, 1.0), "mouthFunnel": (0.1, 0.4),
}  # fmt: skip

# label -> variants: how often, and the range of each action at full intensity
PROTOTYPES: dict[str, list[tuple[float, dict[str, Range]]]] = {
    "Surprise": [  # 1 + 2 + 5B + 26
        (0.85, {"browInnerUp": (0.8, 1.2), "browOuterUp": (0.8, 1.2), "eyeWide": (0.6, 1.2), "jawOpen": (0.3, 0.85),
               "mouthFunnel": (0.0, 0.4)}),
        (0.15, {"browInnerUp": (0.9, 1.3), "browOuterUp": (0.9, 1.3), "eyeWide": (0.8, 1.3), "jawOpen": (0.1, 0.25)}),
    ],
    "Fear": [
        (0.6, DREAD | {"jawOpen": (0.05, 0.25), "mouthLowerDown": (0.2, 0.6), "mouthFrown": (0.0, 0.3)}),
        (0.4, DREAD | {"jawOpen": (0.25, 0.5), "mouthLowerDown": (0.4, 0.8), "mouthStretch": (0.8, 1.2)}),
    ],
    "Disgust": [
        (0.6, SNEER | {"mouthFrown": (0.3, 0.7), "mouthShrugLower": (0.3, 0.8)}),  # 17
        (0.3, SNEER | {"jawOpen": (0.08, 0.3), "mouthLowerDown": (0.2, 0.6)}),
        (0.1, SNEER | {"jawOpen": (0.2, 0.35), "mouthLowerDown": (0.3, 0.6), "tongueOut": (0.2, 0.6)}),
    ],
    "Happiness": [
        (0.3, SMILE | {"mouthDimple": (0.0, 0.4)}),
        (0.5, SMILE | {"mouthUpperUp": (0.3, 0.6), "mouthLowerDown": (0.4, 0.8), "jawOpen": (0.05, 0.16)}),
        (0.2, SMILE | {"mouthUpperUp": (0.4, 0.8), "mouthLowerDown": (0.4, 0.8), "jawOpen": (0.2, 0.4),
                       "eyeSquint": (0.4, 0.9)}),
    ],
    "Sadness": [
        (0.8, GRIEF | {"mouthShrugLower": (0.0, 0.6)}),
        (0.2, GRIEF | {"mouthStretch": (0.2, 0.5), "jawOpen": (0.02, 0.12)}),
    ],
    "Anger": [
        (0.35, SCOWL | PRESSED | {"eyeSquint": (0.2, 0.6)}),  # 7
        (0.25, SCOWL | PRESSED | {"eyeWide": (0.3, 0.7)}),  # 5
        (0.4, SCOWL | SHOUT | {"eyeWide": (0.0, 0.6)}),
    ],
    "Neutral": [
        (1.0, {"mouthSmile": (0.0, 0.12), "mouthFrown": (0.0, 0.12), "browDown": (0.0, 0.1), "eyeSquint": (0.0, 0.12),
               "browInnerUp": (0.0, 0.1), "mouthPress": (0.0, 0.12)}),
    ],
}  # fmt: skip
NEIGHBORS = {  # what people confuse a label with, most often first
    "Surprise": ("Fear", "Happiness", "Neutral"),
    "Fear": ("Surprise", "Sadness", "Disgust"),
    "Disgust": ("Anger", "Sadness", "Happiness"),
    "Happiness": ("Neutral", "Surprise", "Disgust"),
    "Sadness": ("Neutral", "Fear", "Disgust"),
    "Anger": ("Disgust", "Neutral", "Fear"),
    "Neutral": ("Sadness", "Happiness", "Anger"),
}
REST = {
    "browInnerUp": 0.25,
    "browOuterUpLeft": 0.15,
    "browOuterUpRight": 0.15,
    "eyeWideLeft": 0.12,
    "eyeWideRight": 0.12,
}  # MakeHuman's own resting face looks stern


@dataclass(frozen=True)
class Expression:
    """What a face shows: the label, the weight of each facial action, and how it was drawn.

    intensity is 1 for a full prototype; second is the emotion that is mixed in, or ""; speech tells whether it talks.
    """

    label: int
    actions: dict[str, float]
    intensity: float = 1.0
    second: str = ""
    speech: bool = False


def sample_expression(label: int, rng: np.random.Generator, difficulty: float = 1.0) -> Expression:
    """An expression of class `label` (0..6); its intensity, blends and nuisance movements grow with `difficulty` (0..1.5)."""
    name = CLASS_NAMES[label]
    spread = rng.beta(4.0 if name == "Happiness" else 3.0, 1.2)  # people smile harder than they fear
    intensity = 1 - difficulty + difficulty * float(np.clip(1.25 * spread, 0.15, 1.2))
    intensity = max(intensity, 0.1)
    actions = draw_prototype(name, rng, intensity, asymmetry=0.08 + 0.12 * difficulty)
    second = ""
    if rng.random() < 0.3 * difficulty:
        second = NEIGHBORS[name][rng.choice(3, p=[0.5, 0.3, 0.2])]
        strength = rng.uniform(0.1, 0.4) if name == "Neutral" else intensity * rng.uniform(0.2, 0.5)
        other = draw_prototype(second, rng, strength, asymmetry=0.2)
        fade = rng.uniform(0.0, 0.25)
        actions = {key: actions.get(key, 0) * (1 - fade) + other.get(key, 0) for key in sorted({*actions, *other})}
    speech = bool(rng.random() < 0.25 * difficulty)
    if speech:
        add(actions, "jawOpen", abs(rng.normal(0, 0.12)))
        add(
            actions,
            str(rng.choice(["mouthFunnel", "mouthPucker", "mouthLowerDownLeft", "mouthUpperUpRight"])),
            abs(rng.normal(0, 0.2)),
        )
    if difficulty > 0:
        blink_and_gaze(actions, rng)
    limited = {key: float(np.clip(value, 0, STRONGEST)) for key, value in actions.items()}
    return Expression(label, limited, intensity, second, speech)


def draw_prototype(name: str, rng: np.random.Generator, intensity: float, asymmetry: float) -> dict[str, float]:
    """Weights of one variant of emotion `name`; paired actions differ by side with spread `asymmetry`."""
    shares, variants = zip(*PROTOTYPES[name], strict=True)
    actions: dict[str, float] = {}
    for action, (low, high) in variants[rng.choice(len(variants), p=shares)].items():
        value = rng.uniform(low, high) * intensity
        if action in PAIRED:
            tilt = rng.normal(0, asymmetry)
            add(actions, action + "Left", value * (1 + tilt))
            add(actions, action + "Right", value * (1 - tilt))
        else:
            add(actions, action, value)
    return actions


def blink_and_gaze(actions: dict[str, float], rng: np.random.Generator) -> None:
    """Lids that are never quite open (one face in 25 blinks) and eyes that look past the camera."""
    lid = abs(rng.normal(0, 0.12)) + (0.8 if rng.random() < 0.04 else 0)
    aside, up = rng.normal(0, 0.3, 2)
    for side in ("Left", "Right"):
        add(actions, "eyeBlink" + side, lid)
        add(actions, ("eyeLookUp" if up > 0 else "eyeLookDown") + side, abs(up))
        inward = (aside > 0) == (side == "Right")
        add(actions, ("eyeLookIn" if inward else "eyeLookOut") + side, abs(aside))


def frame_of(apex: Expression, position: float, rng: np.random.Generator) -> Expression:
    """The frame of a video in which `apex` is reached to the share `position` (0: neutral, 1: apex), with a little tremor."""
    actions = {name: max(0.0, weight * position + rng.normal(0, 0.02)) for name, weight in apex.actions.items()}
    label = apex.label if position > 0 else CLASS_NAMES.index("Neutral")
    return Expression(label, actions, apex.intensity * position, apex.second, apex.speech)


def add(actions: dict[str, float], name: str, value: float) -> None:
    actions[name] = actions.get(name, 0.0) + float(value)
