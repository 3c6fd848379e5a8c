"""Whole sets: which image shows whom, how and where, and how the images get to disk.

An image is decided by (recipe, seed, split, index) alone: it can be made alone, in any order, by any process, and a
killed run goes on where it stopped. The layout is RAF-DB's, so that one reader serves both; `simfer.csv` beside it
holds the truth behind every image.
"""

import dataclasses
import hashlib
import json
import math
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from simfer.assets import load_head
from simfer.expression import CLASS_NAMES, NEIGHBORS, Expression, frame_of, sample_expression
from simfer.identity import Identity, sample_identity
from simfer.render import render
from simfer.wild import KNOBS, Scene, sample_scene, to_jpeg, turn

VERSION = 1  # of the pictures: raised when the same recipe no longer gives the same set
SPLITS = ("train", "test")
CHUNK = 64  # images that a worker makes before it reports
LIST_FILE, TRUTH_FILE, MANIFEST = "EmoLabel/list_patition_label.txt", "simfer.csv", "manifest.json"  # RAF-DB's spelling


class SimferError(Exception):
    """A set that cannot be made, gone on with or trusted; the message says how to mend it."""


@dataclass(frozen=True)
class Recipe:
    """What decides a set, besides its seed.

    Args:
        train, test: images of each class, in RAF-DB's order. In a set of sequences: sequences of each class.
        identities: people in train and in test; no one stands in both.
        size: side of the images, pixels.
        difficulty: of the expressions, 0..1.5: lower intensity, blends, asymmetry, speech.
        wildness: of the scenes, 0..1.5: pose, light, blur, occlusion.
        spread: how much heads differ; 1 is natural.
        label_noise: share of the training images whose label is a neighboring class.
        frames: 0 for single images; else each sequence gives a neutral frame and this many frames at its peak.
    """

    train: tuple[int, ...]
    test: tuple[int, ...]
    identities: tuple[int, int]
    size: int = 64
    difficulty: float = 1.0
    wildness: float = 1.0
    spread: float = 1.0
    label_noise: float = 0.0
    frames: int = 0

    def __post_init__(self) -> None:
        if len(self.train) != 7 or len(self.test) != 7 or min(*self.train, *self.test) < 0 or not sum(self.train):
            raise SimferError(f"train and test need 7 counts of 0 or more, got {self.train} and {self.test}")
        people = [self.identities[0] if sum(self.train) else 1, self.identities[1] if sum(self.test) else 1]
        if min(people) < 1:
            raise SimferError(f"identities must be at least 1 for each split, got {self.identities}")
        limits = {
            "size": (16, 1024),
            "difficulty": (0, 1.5),
            "wildness": (0, 1.5),
            "spread": (0, 3),
            "label_noise": (0, 0.9),
            "frames": (0, 50),
        }
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise SimferError(f"{name} must lie in {low}..{high}, got {getattr(self, name)}")


RAFDB_TRAIN, RAFDB_TEST = (1290, 281, 717, 4772, 1982, 705, 2524), (329, 74, 160, 1185, 478, 162, 680)
LAPTOP = Recipe(  # RAF-DB's shares of 5,000 and 2,400
    train=(525, 115, 292, 1945, 808, 287, 1028),
    test=(257, 58, 125, 927, 374, 127, 532),
    identities=(1000, 500),
)
PRESETS = {
    "quick": Recipe(train=(63, 20, 36, 233, 97, 35, 123), test=(24, 16, 20, 60, 28, 18, 34), identities=(150, 60)),
    "laptop": LAPTOP,
    "laptop-easy": dataclasses.replace(LAPTOP, difficulty=0.6, wildness=0.6),
    "laptop-hard": dataclasses.replace(LAPTOP, difficulty=1.4, wildness=1.4),
    "rafdb": Recipe(train=RAFDB_TRAIN, test=RAFDB_TEST, identities=(2500, 700), size=100),
    "identity-quick": Recipe(train=(60,) * 7, test=(0,) * 7, identities=(30, 0)),
    "identity": Recipe(train=(450,) * 7, test=(0,) * 7, identities=(150, 0)),
    "sequences": Recipe(train=(83, 25, 59, 69, 28, 45, 0), test=(0,) * 7, identities=(118, 0), size=48, wildness=0.3, frames=3),
    "people": Recipe(train=(120,) * 6 + (0,), test=(0,) * 7, identities=(40, 0), size=48, wildness=0.3),
}
PRESETS |= {f"{name}-noisy": dataclasses.replace(PRESETS[name], label_noise=0.2) for name in ("quick", "laptop", "rafdb")}


@dataclass(frozen=True)
class Item:
    """One image before it is drawn. `label` is what the list says; the expression knows the true one."""

    name: str
    split: str
    label: int
    identity: int
    expression: Expression
    scene: Scene
    sequence: int
    frame: int


def items(recipe: Recipe, seed: int, split: str) -> list[Item]:
    """Every image of a split, in order (about 10,000 a second)."""
    return [item(recipe, seed, split, index) for index in range(len(plan(recipe, seed, split)[0]))]


def item(recipe: Recipe, seed: int, split: str, index: int) -> Item:
    """Image `index` (from 0) of a split: who, what and where. Each of the three has its own stream of random numbers."""
    labels, people = plan(recipe, seed, split)
    stream = [seed, SPLITS.index(split)]
    shown, frame = divmod(index, recipe.frames + 1) if recipe.frames else (index, 0)
    true = int(labels[index])
    expression = sample_expression(true, np.random.default_rng([*stream, shown, 0]), recipe.difficulty)
    if recipe.frames:
        jitter = np.random.default_rng([*stream, index, 1])
        expression = frame_of(expression, 0.0 if frame == 0 else 0.85 + 0.15 * frame / recipe.frames, jitter)
    scene = sample_scene(np.random.default_rng([*stream, shown, 2]), recipe.wildness)
    label = expression.label
    noise = np.random.default_rng([*stream, index, 3])
    if split == "train" and noise.random() < recipe.label_noise:
        label = CLASS_NAMES.index(NEIGHBORS[CLASS_NAMES[label]][noise.integers(3)])
    name = f"train_{index + 1:05d}.jpg" if split == "train" else f"test_{index + 1:04d}.jpg"
    return Item(name, split, label, int(people[index]), expression, scene, shown if recipe.frames else -1, frame)


def turned_items(recipe: Recipe, seed: int, per_class: int) -> list[Item]:
    """The first `per_class` test images of each class, again for each level of each of KNOBS: knob by knob, level by level."""
    labels = plan(recipe, seed, "test")[0]
    if np.bincount(labels, minlength=7).min() < per_class:
        raise SimferError(f"{per_class} test images of each class are to be turned, and some class has fewer")
    first = np.sort(np.concatenate([np.flatnonzero(labels == k)[:per_class] for k in range(7)]))
    plain = [item(recipe, seed, "test", int(index)) for index in first]
    scenes = [(one, turn(one.scene, knob, level)) for knob in KNOBS for level in KNOBS[knob] for one in plain]
    return [
        dataclasses.replace(one, name=f"test_{number:04d}.jpg", scene=scene) for number, (one, scene) in enumerate(scenes, 1)
    ]


def listed(recipe: Recipe, seed: int, turned: int) -> list[Item]:
    """Every image of a set in the order of its list; with `turned`, the turned ones alone."""
    if turned:
        return turned_items(recipe, seed, turned)
    return [one for split in SPLITS for one in items(recipe, seed, split)]


@lru_cache
def plan(recipe: Recipe, seed: int, split: str) -> tuple[np.ndarray, np.ndarray]:
    """True label and identity of each image of a split: shuffled labels, identities drawn without looking at them."""
    rng = np.random.default_rng([seed, SPLITS.index(split), 9])
    labels = rng.permutation(np.repeat(np.arange(7), getattr(recipe, split)))
    train_people, test_people = recipe.identities
    first, count = (0, train_people) if split == "train" else (train_people, test_people)
    repeats = math.ceil(len(labels) / max(count, 1))  # everyone is seen nearly equally often
    people = first + rng.permutation(np.tile(rng.permutation(max(count, 1)), repeats)[: len(labels)])
    frames = recipe.frames + 1 if recipe.frames else 1
    return np.repeat(labels, frames), np.repeat(people, frames)


@lru_cache(maxsize=4)
def person_of(seed: int, identity: int, spread: float) -> Identity:
    return sample_identity(load_head(), np.random.default_rng([seed, 77, identity]), spread)


def draw(one: Item, recipe: Recipe, seed: int) -> Image.Image:
    """The picture of an item, before JPEG compression."""
    return render(person_of(seed, one.identity, recipe.spread), one.expression, one.scene, recipe.size)


# --- to disk ----------------------------------------------------------------------------------------------------------


def make(
    recipe: Recipe, out: Path, *, seed: int = 0, preset: str = "", workers: int | None = None, turned: int = 0
) -> dict[str, Any]:
    """Write the set to `out`, or what is missing of it, and return its manifest.

    Images come first, the list and the truth after them, the manifest last: a folder whose manifest says "complete" is.

    Args:
        recipe, seed: what to make.
        out: an empty or missing folder, or one in which this very set was begun.
        preset: the recipe's name, for the manifest.
        workers: processes; one a core by default.
        turned: instead of the set, this many of its test images of each class, with one knob turned; see `turned_items`.

    Raises:
        SimferError: `out` holds something else, or cannot be written.
    """
    claim(out, wanted := describe(recipe, seed, preset, turned))
    if wanted["complete"]:
        return wanted
    everything = listed(recipe, seed, turned)
    todo = [one for one in everything if not image_path(out, one.name).exists()]
    todo.sort(key=lambda one: one.identity)  # so that a worker meets a person once
    chunks = [todo[start : start + CHUNK] for start in range(0, len(todo), CHUNK)]
    bar = tqdm(
        total=len(everything), initial=len(everything) - len(todo), unit="face", file=sys.stderr, mininterval=bar_pause()
    )
    workers = min(workers or os.cpu_count() or 1, max(len(chunks), 1))
    try:
        if workers == 1:
            for chunk in chunks:
                bar.update(write_images(chunk, recipe, seed, out))
        else:
            draw(chunks[0][0], recipe, seed)  # compiles the kernels once, for the workers to find in the cache
            spawn = multiprocessing.get_context("spawn")
            # One thread each: NumPy's matrix products would start one a core in every worker, and lose time by it.
            with ProcessPoolExecutor(workers, mp_context=spawn, initializer=take_one_thread) as pool:
                for done in as_completed([pool.submit(write_images, chunk, recipe, seed, out) for chunk in chunks]):
                    bar.update(done.result())
    except OSError as error:
        raise SimferError(
            f"cannot write {error.filename or out}: {error.strerror or error}; free some space and run it again"
        ) from None
    finally:
        bar.close()
    write_text(out / LIST_FILE, "".join(f"{one.name} {one.label + 1}\n" for one in everything))
    write_text(out / TRUTH_FILE, truth_table(everything, recipe, seed))
    manifest = wanted | {"complete": True, "images": len(everything), "sha256": digest(out, everything)}
    write_text(out / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    return manifest


def take_one_thread() -> None:
    """For a worker. It stands here and not in a library, so that NumPy, whose threads are meant, is loaded before."""
    threadpool_limits(1)


def bar_pause() -> float:
    """A terminal's bar moves; a log file gets a line every ten seconds."""
    return 0.3 if sys.stderr.isatty() else 10


def describe(recipe: Recipe, seed: int, preset: str, turned: int) -> dict[str, Any]:
    recipe_values = json.loads(json.dumps(dataclasses.asdict(recipe)))
    more = {"turned": turned, "knobs": {knob: list(levels) for knob, levels in KNOBS.items()}} if turned else {}
    return {"complete": False, "preset": preset, "seed": seed, "version": VERSION, "recipe": recipe_values} | more


def claim(out: Path, wanted: dict[str, Any]) -> None:
    """Mark `out` as the place of the set `wanted` (updated where it stands there complete); SimferError if it is taken."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        found = read_manifest(out)
        if found is None:
            if any(out.iterdir()):
                raise SimferError(f"{out} is not empty and holds no SimFER set; name another folder")
            write_text(out / MANIFEST, json.dumps(wanted, indent=1) + "\n")
        elif any(found.get(key) != wanted.get(key) for key in ("seed", "version", "recipe", "turned", "knobs")):
            holds = f"preset {found.get('preset') or 'none'}, seed {found.get('seed')}, version {found.get('version')}"
            raise SimferError(f"{out} holds another SimFER set ({holds}); name another folder or delete it")
        elif found["complete"]:
            wanted.update(found)
        for folder in ("EmoLabel", "Image/aligned"):
            (out / folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SimferError(f"cannot write {error.filename or out}: {error.strerror or error}") from None


def read_manifest(out: Path) -> dict[str, Any] | None:
    try:
        return json.loads((out / MANIFEST).read_text())
    except FileNotFoundError:
        return None
    except (ValueError, UnicodeDecodeError):
        raise SimferError(f"{out / MANIFEST} is damaged; delete the folder {out} and make it anew") from None


def write_images(chunk: list[Item], recipe: Recipe, seed: int, out: Path) -> int:
    """Draw and store; each file appears whole or not at all."""
    for one in chunk:
        path = image_path(out, one.name)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(to_jpeg(draw(one, recipe, seed), one.scene))
        part.replace(path)
    return len(chunk)


def write_text(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def image_path(out: Path, name: str) -> Path:
    return out / "Image" / "aligned" / name.replace(".jpg", "_aligned.jpg")


def digest(out: Path, everything: list[Item]) -> str:
    """SHA-256 of all images in the list's order."""
    total = hashlib.sha256()
    for one in everything:
        total.update(image_path(out, one.name).read_bytes())
    return total.hexdigest()


def check(out: Path) -> dict[str, Any]:
    """The manifest of a complete, undamaged set; SimferError says what is wrong with another."""
    manifest = read_manifest(out)
    if manifest is None or not manifest.get("complete"):
        raise SimferError(
            f"{out} holds no complete SimFER set; run `python -m simfer --preset NAME --out {out}`, which goes on"
        )
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in manifest["recipe"].items()}
    recipe = Recipe(**values)
    everything = listed(recipe, manifest["seed"], manifest.get("turned", 0))
    missing = [one.name for one in everything if not image_path(out, one.name).is_file()]
    if missing:
        raise SimferError(
            f"{out}: {len(missing)} images are missing, the first is {missing[0]}; delete the folder and make it anew"
        )
    if digest(out, everything) != manifest["sha256"]:
        raise SimferError(f"{out}: the images are not those that were made; delete the folder and make it anew")
    return manifest


def truth_table(everything: list[Item], recipe: Recipe, seed: int) -> str:
    """The csv behind the images: label, person, scene, and the weight of each facial action."""
    actions = load_head().names("action")
    scene_columns = ["yaw", "pitch", "roll", "distance", "key", "ambient", "exposure", "contrast", "background", "occluder"]
    scene_columns += ["blur", "downscale", "noise", "gray", "jpeg"]
    person_columns = ["female", "oldness", "child", "tone", "style", "beard"]
    header = [
        "name",
        "split",
        "label",
        "true_label",
        "label_noise",
        "identity",
        "sequence",
        "frame",
        "intensity",
        "second",
        "speech",
    ]
    rows = [header + scene_columns + ["light_x", "light_y", "light_z"] + person_columns + actions]
    people: dict[int, list] = {}
    for one in everything:
        shown, scene = one.expression, one.scene
        if one.identity not in people:
            person = person_of(seed, one.identity, recipe.spread)
            people[one.identity] = [getattr(person, column) for column in person_columns]
        rows.append(
            [
                one.name,
                one.split,
                one.label + 1,
                shown.label + 1,
                int(one.label != shown.label),
                one.identity,
                one.sequence,
                one.frame,
            ]
            + [shown.intensity, shown.second, int(shown.speech)]
            + [getattr(scene, column) for column in scene_columns]
            + list(scene.light)
            + people[one.identity]
            + [shown.actions.get(name, 0.0) for name in actions]
        )
    return "".join(",".join(cell(value) for value in row) + "\n" for row in rows)


def cell(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
