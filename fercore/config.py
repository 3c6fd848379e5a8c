"""One run, described completely: a frozen, typed configuration whose hash is the run's id."""

import difflib
import hashlib
import json
import re
import shlex
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Annotated, Any

from fercore.choices import (
    ATTENTION_FROM,
    AUGMENTATIONS,
    CENTER_STEPS,
    FORMS,
    GATES,
    HEADS,
    IDENTITIES,
    INCEPTION,
    INITS,
    LENETS,
    LENGTHS,
    MARGIN_GRADIENTS,
    MEMORIES,
    MINING,
    NORMALIZATIONS,
    OPTIMIZERS,
    REDUCTIONS,
    REFERENCES,
    SCHEDULES,
    SMALL_BELOW,
    SOFTMAX_OF,
    TRUNK_NAMES,
)
from fercore.data.names import (
    CLASS_NAMES,
    DOUBTFUL,
    LABELS_BY_VOTE,
    MAJORITY,
    MINORITY,
    OWN,
    TESTED,
    WITH_CONTEMPT,
    one_spelling,
    parse_name,
)
from fercore.errors import ConfigError
from fercore.limits import Between, Key, Of, OneOf, keys_of
from fercore.methods.table import find_method
from fercore.profiles import SIMFER_PRESETS, find_recipe

PRETRAINED = ("none", "imagenet", "simfer", "simfer-id", "fer2013", "msceleb")  # the last with the path of a file


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides a training's outcome, apart from machine and device.

    Name a method, a data set, a profile and a seed; what is left out is filled in from the profile's recipe and the
    method's row, so a config always shows every value that ran:

        >>> RunConfig(method="dda", profile="quick", seed=0, gamma=3).gamma
        3.0

    A hyper-parameter that the method does not have stays None and cannot be set.

    Raises:
        ConfigError: an unknown method, data set, profile or choice; a value of the wrong type or out of range.
    """

    method: str
    data: str = "wmnist"
    profile: str = "quick"
    seed: Annotated[int, Between(0, 2**31)] = 0

    data_fraction: Annotated[float | None, Between(1e-4, 1), "of the set's training images, how much is used"] = None
    val_fraction: Annotated[float | None, Between(0.01, 0.9), "of these, how much is held out for validation"] = None
    width: Annotated[float | None, Between(1 / 32, 16), "times the network's channels; 1 is the published network"] = None
    epochs: Annotated[int | None, Between(1, 100_000), "how often all training images are seen"] = None
    batch_size: Annotated[int | None, Between(1, 1_000_000), "of all processes together"] = None
    lr: Annotated[float | None, Between(1e-12, 1e3), "the highest learning rate"] = None
    schedule: Annotated[str | None, OneOf(SCHEDULES), "trapezoid: the first 10 % up, the last 30 % down"] = None
    lr_step: Annotated[int | None, Of.STEP, Between(1, 100_000), "lr is divided by lr_decay every lr_step epochs"] = None
    lr_decay: Annotated[float | None, Of.STEP, Between(1, 1e6), "see lr_step"] = None
    clip_norm: Annotated[float | None, Between(0, 1e6), "of the whole gradient, at most; 0 leaves it alone"] = None
    momentum: Annotated[float | None, Between(0, 1), "of SGD; of Adam the first beta"] = None
    weight_decay: Annotated[float | None, Between(0, 1e3), "of every weight, towards 0"] = None

    lenets: Annotated[str | None, Of.DIGITS, OneOf(LENETS), "as its author has LeNets++; left out, as the thesis"] = None
    minority: Annotated[int | None, Of.DIGITS, Between(10, MAJORITY), "images of each rare digit; left out, 500"] = None
    test_images: Annotated[
        int | None, Of.DIGITS, Between(100, TESTED), "of MNIST's 10,000, so many evenly spread ones; left out, all"
    ] = None

    preset: Annotated[str | None, Of.FACES, "of SimFER, where it has no path: quick, laptop, rafdb, ..."] = None
    image_size: Annotated[int | None, Of.FACES, Between(16, 1024), "the side in pixels to which a face is resized once"] = None
    crop: Annotated[int | None, Of.FACES, Between(16, 1024), "the side of what the network sees"] = None
    augment: Annotated[str | None, Of.FACES, OneOf(AUGMENTATIONS), "how a training crop is taken; tests see the center"] = None
    erasing: Annotated[float | None, Of.FACES, Between(0, 1), "the probability of random erasing"] = None
    trunk: Annotated[
        str | None, Of.FACES, OneOf(TRUNK_NAMES, "a network of your own"), "the network without its last layers"
    ] = None
    pretrained: Annotated[str | None, Of.FACES, f"{', '.join(PRETRAINED)}:PATH"] = None
    fold: Annotated[int | None, Of.FACES, Between(0, 1000), "the test fold, where a set is tested in folds of people"] = None
    classes: Annotated[int | None, Of.FACES, Between(7, 8), "8 keeps the contempt of AffectNet and FER+; left out, 7"] = None
    person: Annotated[str | None, Of.FACES, "of data=folder: who is seen, as a pattern of file names: (?P<person>S..)_"] = None
    votes: Annotated[
        str | None, Of.FACES, OneOf(LABELS_BY_VOTE), "labels of FER+ anew each epoch; left out, the majority's"
    ] = None
    doubtful: Annotated[str | None, Of.FACES, OneOf(DOUBTFUL), "training images that `data check` doubts; left out, used"] = (
        None
    )

    head: Annotated[str | None, OneOf(HEADS), "the layers after the trunk; left out, the network's own"] = None
    optimizer: Annotated[str | None, OneOf(OPTIMIZERS), "left out, SGD with momentum"] = None

    lambda_c: Annotated[float | None, Of.METHOD, Between(0, 1e6), "weight of the center loss"] = None
    weight: Annotated[float | None, Of.METHOD, Between(0, 1e6), "of a loss that has no weight of its own name"] = None
    alpha: Annotated[float | None, Of.METHOD, Between(1e-12, 1), "step size of the centers"] = None
    center_init: Annotated[str | None, Of.METHOD, OneOf(INITS), "he: N(0, 2/D); released: N(0, 2/K)"] = None
    attention_from: Annotated[str | None, Of.METHOD, OneOf(ATTENTION_FROM), "in the place of DACL's own"] = None
    gamma: Annotated[float | None, Of.METHOD, Between(0, 1e6), "weight of the DDA loss"] = None
    gamma_warmup: Annotated[float | None, Of.METHOD, Between(0, 1), "share of the training in which gamma rises from 0"] = None
    normalization: Annotated[str | None, Of.METHOD, OneOf(NORMALIZATIONS), "paper: 1/(2m); released: 1/(2m^2)"] = None
    center_step: Annotated[
        str | None, Of.METHOD, OneOf(CENTER_STEPS), "wen, or plus DDA's gradient (released: times gamma)"
    ] = None
    dim_reduction: Annotated[str | None, Of.METHOD, OneOf(REDUCTIONS), "of TC3L over the dimensions"] = None
    form: Annotated[str | None, Of.METHOD, OneOf(FORMS), "of TC3L; log is Arsenault's"] = None
    margin_grad: Annotated[str | None, Of.METHOD, OneOf(MARGIN_GRADIENTS), "detached: the margin is a constant"] = None
    gate: Annotated[str | None, Of.METHOD, OneOf(GATES), "selective attention: weights, or 0 and 1"] = None
    memory: Annotated[str | None, Of.METHOD, OneOf(MEMORIES), "how far NS-NSS's record of mistakes reaches back"] = None
    island_weight: Annotated[float | None, Of.METHOD, Between(0, 1e6), "lambda_1, of the angles between centers"] = None
    margin: Annotated[float | None, Of.METHOD, Between(0, 1e6), "of contrastive, triplet, clusters or center triplets"] = None
    neighbors: Annotated[int | None, Of.METHOD, Between(1, 1_000_000), "k of the locality-preserving loss"] = None
    tau: Annotated[float | None, Of.METHOD, Between(0, 1e6), "margin of the tuplet losses"] = None
    positives: Annotated[int | None, Of.METHOD, Between(1, 1000), "images of a tuple that show the query's expression"] = None
    negatives: Annotated[int | None, Of.METHOD, Between(1, 1000), "images of a tuple that show others"] = None
    lengths: Annotated[str | None, Of.METHOD, OneOf(LENGTHS), "of embeddings in the tuplet losses; unit divides by them"] = None
    identities: Annotated[str | None, Of.METHOD, OneOf(IDENTITIES), "who the tuples show, made up; left out, as known"] = None
    mining: Annotated[str | None, Of.METHOD, OneOf(MINING), "of the (N+M) loss; off keeps every positive"] = None
    reference: Annotated[str | None, Of.METHOD, OneOf(REFERENCES), "T of the (N+M) loss; left out, it is learned"] = None
    softmax_of: Annotated[str | None, Of.METHOD, OneOf(SOFTMAX_OF), "the images of the tuples, or their queries alone"] = None

    def __post_init__(self) -> None:
        method = find_method(self.method)
        object.__setattr__(self, "data", one_spelling(self.data))
        own = method.hyperparameters
        recipe = find_recipe(self.profile, self.data) | own | method.always
        if self.profile == "paper":
            recipe |= method.paper.get(parse_name(self.data)[0], {})
        defaults = {name: value for name, value in recipe.items() if name in keys_for(self.data)}
        by_step = (self.schedule or defaults["schedule"]) == "step"
        for name, key in KEYS.items():
            value = getattr(self, name)
            if value is not None:
                self.check_owner(key, own, by_step)
            elif key.of is not Of.STEP or by_step:
                value = defaults.get(name)
            if value is None and key.of is Of.STEP and by_step:
                raise ConfigError(f"schedule=step needs {name}")
            object.__setattr__(self, name, None if value is None else key.read(value))
        for name, left_out in (("classes", len(CLASS_NAMES)), ("minority", MINORITY), ("test_images", TESTED)):
            if getattr(self, name) == left_out:
                object.__setattr__(self, name, None)  # what is left out and what is said are one run
        if self.optimizer == "adam" and self.momentum == 1:
            raise ConfigError("optimizer=adam needs momentum below 1")
        if self.crop is not None:
            check_faces(self)

    def check_owner(self, key: Key, own: dict[str, Any], by_step: bool) -> None:
        """Raise ConfigError where a key was given that this run's method, data set or schedule does not have."""
        if key.of is Of.METHOD and key.name not in own:
            has = ", ".join(own) or "none of its own"
            raise ConfigError(f"method {self.method!r} does not use {key.name!r} (it has: {has})")
        if key.name not in keys_for(self.data):
            raise ConfigError(f"data={self.data} does not use {key.name!r}")
        if key.of is Of.STEP and not by_step:
            raise ConfigError(f"{key.name} belongs to schedule=step, and this run's schedule is trapezoid")

    def to_dict(self) -> dict[str, Any]:
        """The config as plain values, without what the method does not use."""
        return {name: value for name in KEYS if (value := getattr(self, name)) is not None}

    @cached_property
    def hash(self) -> str:
        """The first 10 hex digits of the SHA-256 of the canonical JSON form."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:10]

    @property
    def id(self) -> str:
        """The run's name in every store: readable first, unique by the hash."""
        return f"{self.method}-{parse_name(self.data)[0]}-{self.profile}-s{self.seed}-{self.hash}"

    @property
    def data_options(self) -> dict[str, Any]:
        """What `load_data` is told besides the name."""
        options = {"fraction": self.data_fraction, "val_fraction": self.val_fraction}
        faces = ("preset", "image_size", "fold", "classes", "person", "votes", "doubtful")
        return options | {name: getattr(self, name) for name in (("minority", "test_images") if self.crop is None else faces)}

    @property
    def pretraining(self) -> "RunConfig | None":
        """The run from whose weights this one starts, one for all seeds and methods: softmax on SimFER's expressions (simfer)
        or identities (simfer-id), or on FER2013, with this run's network and profile. None where it starts from no run.
        """
        if self.pretrained not in ("simfer", "simfer-id", "fer2013"):
            return None
        same = {key: getattr(self, key) for key in ("profile", "trunk", "width", "image_size", "crop")}
        return RunConfig(method="softmax", data=self.pretrained, **same)

    def replace(self, **changes: Any) -> "RunConfig":
        """A copy with some values changed and all others kept; for another method, profile or schedule make a new one."""
        return config_from(self.to_dict() | changes)

    def command(self) -> str:
        """The command line that makes this run."""
        given = {"method", "data", "profile", "seed"}
        plain = RunConfig(**{key: getattr(self, key) for key in given}).to_dict()
        sets = "".join(
            f" --set {shlex.quote(f'{k}={v}')}" for k, v in self.to_dict().items() if k not in given and plain.get(k) != v
        )
        named = f"--method {self.method} --data {shlex.quote(self.data)} --profile {self.profile} --seed {self.seed}"
        return f"python -m fercore train {named}{sets}"


def config_from(values: dict[str, Any]) -> RunConfig:
    """A RunConfig from a dictionary or from `--set` pairs; for an unknown key ConfigError names the nearest known one."""
    for key in values:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(KEYS)}"
            raise ConfigError(f"unknown config key {key!r}{hint}")
    return RunConfig(**values)


KEYS = keys_of(RunConfig)


@lru_cache
def keys_for(data: str) -> frozenset[str]:
    """The names of the keys that `can_have` allows a data set: a table makes hundreds of configs of one set."""
    return frozenset(name for name, key in KEYS.items() if can_have(data, key))


OF_SOME_SETS = {"classes": WITH_CONTEMPT, "person": (OWN,), "votes": ("ferplus",)}


def can_have(data: str, key: Key) -> bool:
    """Whether a data set has this setting: digits have none that is for faces alone, a SimFER with a path no preset."""
    name, path = parse_name(data)
    if key.name == "preset":
        return name.startswith("simfer") and path is None
    if key.name in OF_SOME_SETS:
        return name in OF_SOME_SETS[key.name]
    return key.of is not (Of.FACES if name == "wmnist" else Of.DIGITS)


def check_faces(config: RunConfig) -> None:
    """Raise ConfigError where a network for faces could not be built from `config`, or not start from its weights."""
    if config.preset is not None and not re.fullmatch(r"[a-z0-9_-]+", config.preset):
        raise ConfigError(f"preset is a name such as laptop, got {config.preset!r}")
    if config.crop > config.image_size:
        raise ConfigError(f"crop must be at most image_size, got {config.crop} of {config.image_size}")
    if config.batch_size < 2:
        raise ConfigError("batch_size must be at least 2: batch normalization knows no spread of one image")
    kind, colon, path = config.pretrained.partition(":")
    if kind not in PRETRAINED or bool(path) != (kind == "msceleb") or bool(colon) != bool(path):
        raise ConfigError(f"pretrained must be one of {', '.join(PRETRAINED)}:PATH, got {config.pretrained!r}")
    if kind in ("simfer-id", "fer2013") and parse_name(config.data)[0] == kind:
        raise ConfigError(f"pretrained={kind} is what data={kind} makes; choose none or imagenet")
    if kind == "simfer" and config.preset in SIMFER_PRESETS:
        raise ConfigError(f"pretrained=simfer is what data=simfer makes of preset {config.preset}; choose none or simfer-id")
    if kind == "imagenet" and (config.trunk == INCEPTION or ":" in config.trunk):
        known = "choose none, simfer, simfer-id or msceleb:PATH"
        raise ConfigError(f"there are no imagenet weights of trunk={config.trunk}; {known}")
    if kind == "imagenet" and (config.width != 1 or config.crop < SMALL_BELOW):
        raise ConfigError(f"pretrained=imagenet needs width=1 and crop={SMALL_BELOW} or more: its weights have one shape")
