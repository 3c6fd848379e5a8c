"""Whole sets: which image shows whom, how and where, and how the images get to disk.

An image is decided by (recipe, seed, split, index) alone: it can be made alone, in any order, by any process, and a
killed run goes on where it stopped. The layout is RAF-DB's, so that one reader serves both; `simfer.csv` beside it
holds the truth behind every image.
"""

import dataclasses
import errno
import hashlib
import json
import math
import os
import sys
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from PIL import Image
from tqdm import tqdm

from simfer.assets import load_head
from simfer.errors import SimferError
from simfer.expression import CLASS_NAMES, NEIGHBORS, Expression, frame_of, sample_expression
from simfer.identity import Identity, sample_identity
from simfer.render import render
from simfer.wild import KNOBS, Scene, sample_scene, to_jpeg, turn
from simfer.workers import spread

VERSION = 1  # of the pictures: raised when the same recipe no longer gives the same set
SPLITS = ("train", "test")
CHUNK = 64  # images that a worker makes before it reports
LIST_FILE, TRUTH_FILE, MANIFEST = "EmoLabel/list_patition_label.txt", "simfer.csv", "manifest.json"  # RAF-DB's spelling
LOCK = ".lock"  # its file stays: deleting it would let a third process lock a new one of the same name
MOST = 1_000_000  # images of a set, and people in it
LONGEST = 1_000_000  # bytes of a manifest
BLOCK = 4096  # bytes: the least that a file takes on a disk
JPEG_END = b"\xff\xd9"


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
        if max(sum(self.train + self.test) * (self.frames + 1), *self.identities) > MOST:
            raise SimferError(f"a set has at most {MOST:,} images, of at most as many people")
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
# AffectNet's shares of 6,000 (its 7 classes have 283,901 training images), and its balanced test set. Its annotators agree on
# 61 % of the images (Mollahosseini et al., 2017), as two do who are each wrong about a fifth; here the test labels stay right.
AFFECTNET = Recipe(
    train=(298, 135, 80, 2841, 538, 526, 1582),
    test=(240,) * 7,
    identities=(1200, 400),
    label_noise=0.2,
)
SEQUENCES = Recipe(train=(83, 25, 59, 69, 28, 45, 0), test=(0,) * 7, identities=(118, 0), size=48, wildness=0.3, frames=3)
PRESETS = {
    "quick": Recipe(train=(63, 20, 36, 233, 97, 35, 123), test=(24, 16, 20, 60, 28, 18, 34), identities=(150, 60)),
    "laptop": LAPTOP,
    "laptop-easy": dataclasses.replace(LAPTOP, difficulty=0.6, wildness=0.6),
    "laptop-hard": dataclasses.replace(LAPTOP, difficulty=1.4, wildness=1.4),
    "laptop-affectnet": AFFECTNET,
    "rafdb": Recipe(train=RAFDB_TRAIN, test=RAFDB_TEST, identities=(2500, 700), size=100),
    "identity-quick": Recipe(train=(60,) * 7, test=(0,) * 7, identities=(30, 0)),
    "identity": Recipe(train=(450,) * 7, test=(0,) * 7, identities=(150, 0)),
    "sequences": SEQUENCES,
    "sequences-quick": dataclasses.replace(SEQUENCES, train=(28, 8, 20, 23, 9, 15, 0), identities=(40, 0)),
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
    However it ended, the same call goes on where it stopped. Another process that makes the set is waited for.

    Args:
        recipe, seed: what to make.
        out: an empty or missing folder, or one in which this very set was begun.
        preset: the recipe's name, for the manifest.
        workers: processes; one a core by default.
        turned: instead of the set, this many of its test images of each class, with one knob turned; see `turned_items`.

    Raises:
        SimferError: `out` holds something else, or images that are not those once made; or it cannot be written.
    """
    wanted = describe(recipe, seed, preset, turned)
    everything = listed(recipe, seed, turned)
    try:
        claim(out, wanted)
        with alone_in(out):
            found = claim(out, wanted)  # again: another process may have been there first
            if found is None:
                write_manifest(out, found := wanted)
            remove_parts(out)
            todo = [one for one in everything if not is_whole(image_path(out, one.name))]
            if found["complete"] and not todo and holds(out / LIST_FILE, list_text(everything)):
                return found
            draw_all(todo, recipe, seed, out, workers or os.cpu_count() or 1, total=len(everything))
            return finish(out, found, everything, recipe, seed)
    except BrokenProcessPool:
        raise SimferError("a process that draws was killed; was there enough memory? The same command goes on") from None
    except OSError as error:
        raise unwritable(error, out, everything, recipe) from None


def describe(recipe: Recipe, seed: int, preset: str, turned: int) -> dict[str, Any]:
    recipe_values = json.loads(json.dumps(dataclasses.asdict(recipe)))
    more = {"turned": turned, "knobs": {knob: list(levels) for knob, levels in KNOBS.items()}} if turned else {}
    return {"complete": False, "preset": preset, "seed": seed, "version": VERSION, "recipe": recipe_values} | more


def claim(out: Path, wanted: dict[str, Any]) -> dict[str, Any] | None:
    """The manifest of the set `wanted` in `out`, None where nothing stands there; SimferError if the folder is taken."""
    found = read_manifest(out)
    if found is None:
        begun = {out / LOCK, *out.glob(f"*{MANIFEST}*.part")}  # as far as one comes that is killed at once
        if out.exists() and set(out.iterdir()) - begun:
            raise SimferError(f"{out} is not empty and holds no SimFER set; name another folder")
    elif any(found.get(key) != wanted.get(key) for key in ("seed", "version", "recipe", "turned", "knobs")):
        holds = f"preset {found.get('preset') or 'none'}, seed {found.get('seed')}, version {found.get('version')}"
        raise SimferError(f"{out} holds another SimFER set ({holds}); name another folder or delete it")
    return found


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Only one process makes the set in `out`; any other says that it waits."""
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"waiting for another process that makes {out}", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def draw_all(todo: list[Item], recipe: Recipe, seed: int, out: Path, workers: int, *, total: int) -> None:
    """Draw what is missing of the `total` images."""
    (out / "Image/aligned").mkdir(parents=True, exist_ok=True)
    todo = sorted(todo, key=lambda one: one.identity)  # so that a worker meets a person once
    calls = [(todo[start : start + CHUNK], recipe, seed, out) for start in range(0, len(todo), CHUNK)]
    every = 0.3 if sys.stderr.isatty() else 10  # a terminal's bar moves; a log file gets a line every ten seconds
    with tqdm(total=total, initial=total - len(todo), unit="face", file=sys.stderr, mininterval=every) as bar:
        if workers == 1 or len(calls) < 2:
            for call in calls:
                bar.update(write_images(*call))
            return
        draw(todo[0], recipe, seed)  # compiles the kernels once, for the workers to find in the cache
        try:
            spread(write_images, calls, min(workers, len(calls)), bar.update)
        finally:
            remove_parts(out)  # of those that were stopped


def write_images(chunk: list[Item], recipe: Recipe, seed: int, out: Path) -> int:
    for one in chunk:
        write_at_once(image_path(out, one.name), to_jpeg(draw(one, recipe, seed), one.scene))
    return len(chunk)


def finish(out: Path, manifest: dict[str, Any], everything: list[Item], recipe: Recipe, seed: int) -> dict[str, Any]:
    """Write what stands beside the images; the manifest of the finished set."""
    images = digest(out, everything)
    if manifest["complete"] and images != manifest.get("sha256"):
        raise changed(out)
    truth = truth_table(everything, recipe, seed).encode()
    (out / LIST_FILE).parent.mkdir(exist_ok=True)
    write_at_once(out / LIST_FILE, list_text(everything))
    write_at_once(out / TRUTH_FILE, truth)
    sums = {"sha256": images, "truth_sha256": hashlib.sha256(truth).hexdigest()}
    return write_manifest(out, manifest | {"complete": True, "images": len(everything)} | sums)


def write_manifest(out: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """After everything before it: a power failure leaves no manifest that speaks of what is not on the disk."""
    os.sync()
    write_at_once(out / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
    return manifest


def write_at_once(path: Path, content: bytes) -> None:
    """The file appears whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def remove_parts(out: Path) -> None:
    """Delete what killed processes did not write to the end."""
    for part in out.rglob("*.part"):
        part.unlink(missing_ok=True)


def image_path(out: Path, name: str) -> Path:
    return out / "Image" / "aligned" / name.replace(".jpg", "_aligned.jpg")


def list_text(everything: list[Item]) -> bytes:
    return "".join(f"{one.name} {one.label + 1}\n" for one in everything).encode()


def unwritable(error: OSError, out: Path, everything: list[Item], recipe: Recipe) -> SimferError:
    """What could not be written, how much is missing and how to go on."""
    mend = "make it writable, or name another folder"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        left = sum(not is_whole(image_path(out, one.name)) for one in everything)
        room = f"about {left * max(BLOCK, recipe.size**2 // 4) / 1e6:,.1f} MB"
        mend = f"{left:,} of {len(everything):,} images are missing, {room}; make room, and the same command goes on"
    return SimferError(f"cannot write {error.filename or out}: {error.strerror or error}; {mend}")


def changed(out: Path) -> SimferError:
    return SimferError(f"{out}: the images are not those that were made; delete the folder and make it anew")


# --- from disk --------------------------------------------------------------------------------------------------------


def check(out: Path) -> dict[str, Any]:
    """The manifest of a complete, undamaged set; SimferError says what is wrong with another."""
    manifest = read_manifest(out)
    if manifest is None or not manifest["complete"]:
        raise SimferError(
            f"{out} holds no complete SimFER set; run `python -m simfer --preset NAME --out {out}`, which goes on"
        )
    if manifest.get("version") != VERSION:
        raise SimferError(f"{out} was made by version {manifest.get('version')} of SimFER, this is version {VERSION}")
    try:
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in manifest["recipe"].items()}
        everything = listed(Recipe(**values), manifest["seed"], manifest.get("turned", 0))
        sound = isinstance(manifest["preset"], str) and manifest["images"] == len(everything)
    except (SimferError, AttributeError, KeyError, TypeError, ValueError):
        sound = False
    if not sound:
        raise damaged(out)
    missing = [one.name for one in everything if not is_whole(image_path(out, one.name))]
    if missing:
        raise SimferError(
            f"{out}: {len(missing)} images are missing or cut short, the first is {missing[0]}; "
            "the command that made the set makes them again"
        )
    if not holds(out / LIST_FILE, list_text(everything)):
        raise SimferError(f"{out / LIST_FILE} is not the list that was made; the command that made the set writes it again")
    if digest(out, everything) != manifest.get("sha256"):
        raise changed(out)
    known = manifest.get("truth_sha256")  # None: made before it was kept
    if not (out / TRUTH_FILE).is_file() or known not in (None, sha256(out / TRUTH_FILE)):
        raise SimferError(f"{out / TRUTH_FILE} is not what was made; delete the folder and make it anew")
    return manifest


def read_manifest(out: Path) -> dict[str, Any] | None:
    """What stands in the folder's manifest, None where there is none; SimferError if it is damaged."""
    path = out / MANIFEST
    if not os.path.lexists(path):
        return None
    try:
        manifest = json.loads(path.read_bytes()) if path.stat().st_size <= LONGEST and path.is_file() else None
    except (OSError, ValueError, RecursionError):
        raise damaged(out) from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("complete"), bool):
        raise damaged(out)
    return manifest


def damaged(out: Path) -> SimferError:
    return SimferError(f"{out / MANIFEST} is damaged; delete the folder {out} and make it anew")


def is_whole(path: Path) -> bool:
    """Whether an image is there to its last byte: after a power failure a file may lack its end."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            file.seek(-len(JPEG_END), os.SEEK_END)
            return file.read() == JPEG_END
    except OSError:
        return False


def holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(out: Path, everything: list[Item]) -> str:
    """SHA-256 of all images in the list's order."""
    total = hashlib.sha256()
    for one in everything:
        total.update(image_path(out, one.name).read_bytes())
    return total.hexdigest()


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
