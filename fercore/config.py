"""One run, described completely: a frozen, typed configuration whose hash is the run's id."""

import dataclasses
import difflib
import hashlib
import json
import re
import shlex
from dataclasses import dataclass
from typing import Any

from fercore.data import parse_name
from fercore.data.augment import RECIPES as AUGMENTATIONS
from fercore.errors import ConfigError
from fercore.losses.class_centers import INITS
from fercore.losses.dda import NORMALIZATIONS
from fercore.losses.tc3l import FORMS, MARGIN_GRADIENTS, REDUCTIONS
from fercore.methods.objectives import ATTENTION_FROM, IDENTITIES, LENGTHS, SOFTMAX_OF
from fercore.methods.table import METHODS, find_method
from fercore.models.attention import GATES
from fercore.models.build import HEADS, LENETS
from fercore.models.fernet import INCEPTION, SMALL_BELOW, TRUNK_NAMES, stem_for
from fercore.profiles import SIMFER_PRESETS, find_recipe
from fercore.samplers import MEMORIES


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
    seed: int = 0

    data_fraction: float | None = None  # of the set's training images, how much is used
    val_fraction: float | None = None  # of these, how much is held out for validation
    width: float | None = None  # multiplies the network's channels; 1.0 is the published network
    epochs: int | None = None
    batch_size: int | None = None  # of all processes together
    lr: float | None = None  # the highest learning rate
    schedule: str | None = None  # "trapezoid": up for 10 % of the steps, hold, down to 0 in the last 30 %; "step": see lr_step
    lr_step: int | None = None  # "step" divides the rate by lr_decay every lr_step epochs
    lr_decay: float | None = None
    clip_norm: float | None = None  # the whole gradient is scaled down to this norm; 0 leaves it alone
    momentum: float | None = None
    weight_decay: float | None = None

    lenets: str | None = None  # "normalized": LeNets++ as its author published it; left out, as the thesis's words have it

    preset: str | None = None  # of SimFER, where it has no path: quick, laptop, rafdb, ...
    image_size: int | None = None  # the side in pixels to which a face is resized once
    crop: int | None = None  # the side of what the network sees
    augment: str | None = None  # how a training crop is taken; evaluation takes the center
    erasing: float | None = None  # the probability of random erasing
    trunk: str | None = None
    pretrained: str | None = None  # "none", "imagenet", "simfer", "simfer-id", "fer2013" or "msceleb:PATH"
    fold: int | None = None  # the test fold, where the protocol is subject-independent folds

    head: str | None = None  # the layers after the trunk, where they are not the network's own
    optimizer: str | None = None  # "adam", its first beta being momentum; left out, SGD with momentum

    lambda_c: float | None = None  # weight of the center loss
    weight: float | None = None  # of the method's own loss beside softmax, where it is not lambda_c or gamma
    alpha: float | None = None  # step size of the centers
    center_init: str | None = None  # "he": N(0, 2/D); "released": N(0, 2/K)
    attention_from: str | None = None  # of DACL, "constant", "noise" or "shuffled"; left out, its attention network's own
    gamma: float | None = None  # weight of the DDA loss
    gamma_warmup: float | None = None  # gamma rises from 0 over this share of the training
    normalization: str | None = None  # "paper": 1/(2m); "released": 1/(2m^2)
    center_step: str | None = None  # "eq3.10": Wen's step plus the DDA gradient; "wen": Wen's step alone
    dim_reduction: str | None = None  # TC3L's term of a sample: "mean" over the embedding's dimensions, or "sum"
    form: str | None = None  # of TC3L: "hinge", or Arsenault's "log"
    margin_grad: str | None = None  # "detached": AMTC3L's margin is a number to the gradient; "attached": it is not
    gate: str | None = None  # of selective attention: "soft" weights, or "hard" ones of 0 or 1
    memory: str | None = None  # of NS-NSS's misclassification record: "running", "batch" or "decay"
    island_weight: float | None = None  # lambda_1, of the angles between centers
    margin: float | None = None  # of contrastive (the negatives'), triplet, coupled clusters or triplet-center loss
    neighbors: int | None = None  # k of the locality-preserving loss
    tau: float | None = None  # margin of the tuplet losses
    positives: int | None = None  # images of a tuple that show the query's expression, with the query
    negatives: int | None = None  # images of a tuple that show others
    lengths: str | None = None  # of embeddings in the tuplet losses: "unit", or "free" as they are
    identities: str | None = None  # of the tuples, "random" makes up who is seen; left out, the set's own, where it has them
    softmax_of: str | None = None  # of all images of the tuples, or of their queries alone; see methods.NPlusOne

    def __post_init__(self) -> None:
        method = find_method(self.method)
        own = method.hyperparameters
        recipe = find_recipe(self.profile, self.data) | own | method.always
        if self.profile == "paper":
            recipe |= method.paper.get(parse_name(self.data)[0], {})
        defaults = {name: value for name, value in recipe.items() if can_have(self.data, name)}
        by_step = (self.schedule or defaults["schedule"]) == "step"
        for field in dataclasses.fields(self):
            value, name = getattr(self, field.name), field.name
            if value is not None and name in HYPERPARAMETERS and name not in own:
                has = ", ".join(own) or "none of its own"
                raise ConfigError(f"method {self.method!r} does not use {name!r} (it has: {has})")
            if value is not None and not can_have(self.data, name):
                raise ConfigError(f"data={self.data} does not use {name!r}")
            if value is not None and name in STEP_ONLY and not by_step:
                raise ConfigError(f"{name} belongs to schedule=step, and this run's schedule is trapezoid")
            if value is None and not (name in STEP_ONLY and not by_step):
                value = defaults.get(name)
            if value is None and name in STEP_ONLY and by_step:
                raise ConfigError(f"schedule=step needs {name}")
            object.__setattr__(self, name, None if value is None else checked(field, value))
        if self.crop is not None:
            check_faces(self)

    def to_dict(self) -> dict[str, Any]:
        """The config as plain values, without what the method does not use."""
        return {key: value for key, value in dataclasses.asdict(self).items() if value is not None}

    @property
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
        faces = {"preset": self.preset, "image_size": self.image_size, "fold": self.fold}
        return options if self.crop is None else options | faces

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
    known = [field.name for field in dataclasses.fields(RunConfig)]
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
            raise ConfigError(f"unknown config key {key!r}{hint}")
    return RunConfig(**values)


HYPERPARAMETERS = {name for method in METHODS.values() for name in method.hyperparameters}
KINDS = {field.name: str(getattr(field.type, "__args__", [field.type])[0].__name__) for field in dataclasses.fields(RunConfig)}
STEP_ONLY = ("lr_step", "lr_decay")
DIGITS_ONLY = ("lenets",)
FACES_ONLY = ("preset", "image_size", "crop", "augment", "erasing", "trunk", "pretrained", "fold")
PRETRAINED = ("none", "imagenet", "simfer", "simfer-id", "fer2013", "msceleb")  # the last with the path of a file
CHOICES = {
    "lenets": LENETS,
    "augment": AUGMENTATIONS,
    "trunk": TRUNK_NAMES,
    "head": HEADS,
    "optimizer": ("adam",),
    "schedule": ("trapezoid", "step"),
    "center_init": INITS,
    "attention_from": ATTENTION_FROM,
    "normalization": NORMALIZATIONS,
    "center_step": ("eq3.10", "wen"),
    "dim_reduction": REDUCTIONS,
    "form": FORMS,
    "margin_grad": MARGIN_GRADIENTS,
    "gate": GATES,
    "memory": MEMORIES,
    "lengths": LENGTHS,
    "identities": IDENTITIES,
    "softmax_of": SOFTMAX_OF,
}
RANGES = {  # lowest, highest allowed value
    "seed": (0, 2**31),
    "data_fraction": (1e-4, 1),
    "val_fraction": (0.01, 0.9),
    "width": (1 / 32, 16),
    "epochs": (1, 100_000),
    "batch_size": (1, 1_000_000),
    "lr": (1e-12, 1e3),
    "lr_step": (1, 100_000),
    "lr_decay": (1, 1e6),
    "clip_norm": (0, 1e6),
    "momentum": (0, 1),
    "weight_decay": (0, 1e3),
    "image_size": (16, 1024),
    "crop": (16, 1024),
    "erasing": (0, 1),
    "fold": (0, 1000),
    "lambda_c": (0, 1e6),
    "alpha": (0, 1),
    "weight": (0, 1e6),
    "gamma": (0, 1e6),
    "gamma_warmup": (0, 1),
    "island_weight": (0, 1e6),
    "margin": (0, 1e6),
    "neighbors": (1, 1_000_000),
    "tau": (0, 1e6),
    "positives": (1, 1000),
    "negatives": (1, 1000),
}


def can_have(data: str, key: str) -> bool:
    """Whether a data set has this setting: digits have none that is for faces alone, a SimFER with a path no preset."""
    name, path = parse_name(data)
    if key == "preset":
        return name.startswith("simfer") and path is None
    return key not in (FACES_ONLY if name == "wmnist" else DIGITS_ONLY)


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
    if kind == "imagenet" and config.trunk == INCEPTION:
        raise ConfigError("there are no imagenet weights of trunk=inception; choose none, simfer, simfer-id or msceleb:PATH")
    if kind == "imagenet" and (config.width, stem_for(config.crop)) != (1, "imagenet"):
        raise ConfigError(f"pretrained=imagenet needs width=1 and crop={SMALL_BELOW} or more: its weights have one shape")


def checked(field: dataclasses.Field, value: Any) -> Any:
    """`value` in the field's own type and range; strings are parsed, so `--set gamma=3` and gamma=3.0 are one config."""
    name, kind = field.name, KINDS[field.name]
    try:
        if kind == "str":
            if not isinstance(value, str):
                raise ValueError
        elif kind == "int":
            if isinstance(value, bool) or (not isinstance(value, str) and int(value) != value):
                raise ValueError
            value = int(value)
        else:
            value = float(value) + 0.0  # -0.0 and 0.0 are one config
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(f"{name} must be {'a string' if kind == 'str' else f'of type {kind}'}, got {value!r}") from None
    if name in CHOICES and value not in CHOICES[name]:
        raise ConfigError(f"{name} must be one of {', '.join(CHOICES[name])}, got {value!r}")
    if name in RANGES and not RANGES[name][0] <= value <= RANGES[name][1]:
        raise ConfigError(f"{name} must lie in {RANGES[name][0]:g}..{RANGES[name][1]:g}, got {value:g}")
    return value
