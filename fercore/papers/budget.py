"""What trainings cost, counted and not measured: nothing is trained, no clock is read.

`expect` says what one run takes: arithmetic, GPU memory, disk; `plan`, what the published tables take on their own data; and
`cost_of`, what a method has and holds beside another one on the same network. Operations are counted in a step on PyTorch's
"meta" device, where tensors have shapes and no numbers; what a step holds is what autograd saves for its backward pass
(`keeping`).
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fercore.config import RunConfig
from fercore.data import Images, parse_name
from fercore.data.readers.catalog import CLASS_NAMES
from fercore.data.releases import EXPECTED
from fercore.errors import ConfigError
from fercore.evaluation.evaluate import look
from fercore.methods import build
from fercore.methods.batches import make_batches
from fercore.methods.objectives import Softmax
from fercore.models.build import input_shape
from fercore.papers.published import DATA_NAMES
from fercore.papers.tables import OWN_DATA, OWN_FOLDS, runs_for
from fercore.parallel.devices import seed_everything
from fercore.train import BatchLoss

T = TypeVar("T")
CLASSES = {"ckplus": 8, "wmnist": 10}  # of the others seven; CK+ has contempt
WEIGHT_BYTES = {None: 14, "adam": 18}  # of one weight: value, gradient, momentum (Adam: and variance) in float32, bfloat16 copy
COUNTED = 2  # images that are counted together: what is kept once a batch is next to nothing
STEP_MS = 15.0  # that a step takes on a GPU however small it is, while Python starts hundreds of small operations
PIXEL_BYTES = 3  # an image store has three channels of one byte


@dataclass(frozen=True)
class Expected:
    """What one run takes.

    Attributes:
        steps: of training.
        train_images: that the network sees in all epochs together, those of a tuple one by one.
        flops: of the whole run, validation and test included; a multiply-add counts as two.
        gpu_bytes: weights, their gradients and momenta, and what one batch keeps for the backward pass, in bfloat16. What
            CUDA takes for itself, and images that are held on the GPU, come on top.
        store_bytes: of the data set's decoded images, shared by all runs at this size; digits have no store.
        run_bytes: of the weights that a finished run keeps.
    """

    steps: int
    train_images: int
    flops: float
    gpu_bytes: int
    store_bytes: int
    run_bytes: int

    def minutes(self, tflops: float, step_ms: float = STEP_MS) -> float:
        """On a GPU that sustains `tflops` 10^12 operations a second, and on which no step is shorter than `step_ms`."""
        return max(self.flops / (tflops * 1e12), self.steps * step_ms / 1000) / 60


def expect(config: RunConfig, images: tuple[int, int, int] | None = None) -> Expected:
    """What the training of `config` takes.

    Args:
        config: what is to train.
        images: of the training, validation and test split; None takes the release's counts.

    Raises:
        ConfigError: `images` is None, and the set has no release.
    """
    train, val, test = images or release_images(config)
    image = count(config)
    seen = train * config.epochs
    if config.softmax_of == "queries":
        seen *= config.positives + config.negatives
    looked_at = val * config.epochs + 2 * test  # the last weights and the best are tested
    return Expected(
        steps=math.ceil(seen / batch_images(config)),
        train_images=seen,
        flops=seen * image.flops + looked_at * image.forward_flops,
        gpu_bytes=WEIGHT_BYTES[config.optimizer] * image.weights + round(batch_images(config) * image.kept_bytes),
        store_bytes=(train + val + test) * PIXEL_BYTES * (config.image_size or 0) ** 2,
        run_bytes=4 * (image.network_weights + image.weights),  # last and best network, one objective
    )


def release_images(config: RunConfig) -> tuple[int, int, int]:
    """Training, validation and test images of a release, as `load_faces` divides them up to a few."""
    name = parse_name(config.data)[0]
    if name not in EXPECTED:
        raise ConfigError(f"{name} has no release whose images could be counted; known: {', '.join(EXPECTED)}")
    counts = {split: total if isinstance(total, int) else sum(total) for split, total in EXPECTED[name][0].items()}
    if name in OWN_FOLDS:
        counts["test"] = round(counts["all"] / OWN_FOLDS[name])
        counts["train"] = counts["all"] - counts["test"]
    rest = round(counts["train"] * config.data_fraction)
    val = counts["val"] if "val" in counts else round(rest * config.val_fraction)
    return rest - (0 if "val" in counts else val), val, counts["test"]


# --- one image ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counted:
    """Of one image in a training step: operations, those of the forward pass alone, and bytes kept for the backward pass. Of
    the whole: its weights, and those of the network without what the method brings.
    """

    flops: float
    forward_flops: float
    kept_bytes: float
    weights: int
    network_weights: int


def count(config: RunConfig) -> Counted:
    """Count what an image costs the network of `config` and the method's attention, in bfloat16 as on a GPU.

    The loss is not counted: it takes at most 2 % of a step (benchmarks/RESULTS.md).
    """
    return count_network(alike(config, config.method))


def alike(config: RunConfig, method: str) -> RunConfig:
    """One config for all that have the same network, with this method: how it trains, and on which faces, does not matter."""
    keys = ("profile", "trunk", "width", "image_size", "crop", "head")
    network = {key: value for key in keys if (value := getattr(config, key)) is not None}
    faces = config.crop is not None
    data = "rafdb" if faces and classes_of(config) == len(CLASS_NAMES) else config.data
    return RunConfig(method=method, data=data, **network, **({"pretrained": "none"} if faces else {}))


@lru_cache
def count_network(config: RunConfig) -> Counted:
    model, objective = on_meta(config)
    network, own = (sum(weight.numel() for weight in part.parameters()) for part in (model, objective))
    attends = objective.attend.__func__ is not Softmax.attend
    return Counted(*count_image(alike(config, config.method if attends else "softmax")), network + own, network)


@lru_cache
def count_image(config: RunConfig) -> tuple[float, float, float]:
    """Operations, those of the forward pass, and kept bytes of one image: methods and seeds of one network share them."""
    model, objective = on_meta(config)
    images = torch.empty(COUNTED, *input_shape(config), dtype=torch.bfloat16, device="meta")
    whole = nn.ModuleList([model, objective]).to(torch.bfloat16)
    with FlopCounterMode(display=False) as forward:
        outputs, kept = keeping(lambda: look(model, objective, images), whole.parameters())
    with FlopCounterMode(display=False) as backward:
        sum(values.sum() for values in outputs).backward()
    ahead, back = forward.get_total_flops(), backward.get_total_flops()
    return (ahead + back) / COUNTED, ahead / COUNTED, kept / COUNTED


def on_meta(config: RunConfig) -> tuple[nn.Module, Softmax]:
    """Network and objective of `config` without their numbers, which takes neither time nor memory."""
    with torch.device("meta"):
        return build(config, classes_of(config))


def classes_of(config: RunConfig) -> int:
    return CLASSES.get(parse_name(config.data)[0], len(CLASS_NAMES))


def batch_images(config: RunConfig) -> int:
    """Images of a batch: as many as are asked for, or the whole tuples among them."""
    tuple_size = (config.positives or 0) + (config.negatives or 0)
    return max(1, config.batch_size // tuple_size) * tuple_size if tuple_size else config.batch_size


def keeping(compute: Callable[[], T], weights: Iterable[Tensor]) -> tuple[T, int]:
    """What `compute()` returns, and the bytes of the tensors that autograd keeps for its backward pass, without `weights`.

    Several kept tensors may be views of one memory, which counts once.
    """
    known = {storage_of(weight) for weight in weights}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if storage_of(tensor) not in known:
            kept[storage_of(tensor)] = tensor.untyped_storage().nbytes()
        return tensor  # held by the graph, so that no other memory gets its address

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = compute()
    return result, sum(kept.values())


def storage_of(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


# --- a method beside another ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """What `cost_of` counts.

    Attributes:
        network: parameters that are used at test time.
        training_only: what training has beside them, thrown away afterwards: parameters, and centers, which no gradient moves.
        held: bytes that a step keeps for its backward pass, without the weights.
    """

    network: int
    training_only: int
    held: int


def cost_of(config: RunConfig, num_classes: int) -> Cost:
    """Build the network of a run on faces and do one step with noise for images: nothing is read, nothing is trained."""
    seed_everything(config.seed)
    model, objective = build(config, num_classes)
    return Cost(count_numbers(model), count_numbers(objective), held_by_step(config, model, objective, num_classes))


def count_numbers(module: nn.Module) -> int:
    """Parameters, and centers."""
    centers = getattr(module, "centers", None)
    return sum(weight.numel() for weight in module.parameters()) + (0 if centers is None else centers.numel())


def held_by_step(config: RunConfig, model: nn.Module, objective: nn.Module, num_classes: int) -> int:
    """Bytes of all tensors, each storage once, that autograd saves in one step on noise."""
    labels = torch.arange(2 * config.batch_size) % num_classes
    faces = Images(torch.empty(0), labels, identities=torch.arange(len(labels)) // num_classes)
    batch = make_batches(objective, config, 0, faces)[0]
    model.to(memory_format=torch.channels_last)
    images = torch.randn(len(batch.positions), 3, config.crop, config.crop).to(memory_format=torch.channels_last)
    weights = (weight for module in (model, objective) for weight in module.parameters())
    (loss, _), held = keeping(lambda: BatchLoss(model, objective)(images, labels[batch.positions], batch, 1.0), weights)
    return held if loss.requires_grad else 0


# --- the published tables -----------------------------------------------------------------------------------------


def plan(tables: Iterable[str] = tuple(OWN_DATA), *, tflops: float, step_ms: float = STEP_MS, gpus: int = 1) -> pd.DataFrame:
    """What each published table takes on its own data, one line a table, and all of them together: runs that tables share,
    and pre-trainings, count once there.

    Args:
        tables: keys of OWN_DATA.
        tflops, step_ms: as `Expected.minutes` takes them.
        gpus: that share the runs.

    Columns: table, data, runs, pre-trainings, hours (of one GPU each run, divided by `gpus`), longest run (minutes), GPU (GB
    of the largest batch), disk (GB: decoded images and kept weights).
    """
    rows = [{"table": name} | plan_runs(runs_for([name]), tflops, step_ms, gpus) for name in tables]
    together = [{"table": "together"} | plan_runs(runs_for(tables), tflops, step_ms, gpus)] if len(rows) > 1 else []
    return pd.DataFrame(rows + together)


def plan_runs(runs: list[RunConfig], tflops: float, step_ms: float, gpus: int) -> dict[str, object]:
    """One line of `plan`."""
    first = {config.pretraining for config in runs} - {None}
    sets = dict.fromkeys(DATA_NAMES[parse_name(config.data)[0]] for config in runs)
    needs = {config: expect(config) for config in [*runs, *first]}
    minutes = [need.minutes(tflops, step_ms) for need in needs.values()]
    stores = {(parse_name(config.data)[0], config.image_size): need.store_bytes for config, need in needs.items()}
    disk = sum(stores.values()) + sum(need.run_bytes for need in needs.values())
    return {
        "data": ", ".join(sets),
        "runs": len(runs),
        "pre-trainings": len(first),
        "hours": sum(minutes) / 60 / gpus,
        "longest run": max(minutes),
        "GPU": max(need.gpu_bytes for need in needs.values()) / 1e9,
        "disk": disk / 1e9,
    }


def to_text(table: pd.DataFrame) -> pd.DataFrame:
    """A plan as it is printed: a few digits, for it is no more exact than that."""
    digits = {"hours": "{:.1f}", "longest run": "{:.0f}", "GPU": "{:.1f}", "disk": "{:.0f}"}
    return table.assign(**{name: [form.format(value) for value in table[name]] for name, form in digits.items()})
