"""Train one network by one config: a single loop, made to be read from top to bottom."""

import math
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from filelock import Timeout
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from fercore.checkpoint import load_checkpoint, save_checkpoint
from fercore.config import RunConfig
from fercore.data import Images, Splits, load_data
from fercore.data.augment import augment, center_crop, normalize
from fercore.data.store import StoredImages
from fercore.distributed import (
    any_process,
    average_gradients,
    copy_buffers,
    first_before_others,
    gather,
    is_first,
    meet,
    on_first,
    share,
    share_statistics,
)
from fercore.errors import ConfigError, StoreError
from fercore.losses.centers import world_size
from fercore.losses.checks import at_least_float32, nan_passes
from fercore.methods import Step, find_method
from fercore.metrics import confusion_matrix, recalls, summarize, vote
from fercore.models.build import build_model, output_shapes
from fercore.models.weights import load_weights
from fercore.paths import ROOT
from fercore.runs import (
    RunResult,
    find_result,
    forget_checkpoint,
    local_folder,
    open_folder,
    require_trainable,
    run_lock,
    save_result,
)
from fercore.torchrun import launched, local_rank
from fercore.tuples import TupleBatch

DIVERGED_LOSS = 1e6  # above it no run here has ever come back
GUARD_EVERY = 20  # steps between two looks at the loss; each look makes a GPU wait
PRECISIONS = ("auto", "fp32", "bf16")
EVAL_BATCH = 1000
EVAL_PIXELS = 2_000_000  # of a batch without gradients: 246 crops of 90 px, 39 of 224
KEPT_DIMENSIONS = 24  # of the test embeddings in a result
SNAPSHOT_PER_CLASS = 100  # training images whose embeddings are kept after every epoch
FLOAT16_MAX = 6e4


def train(
    config: RunConfig,
    *,
    device: str = "auto",
    precision: str = "auto",
    fresh: bool = False,
    sync_batchnorm: bool = False,
    compiled: bool = False,
) -> RunResult:
    """The result of `config`: from a store if it was trained before, else by training it now.

    A killed training goes on from its last finished epoch, bit for bit on the same machine and thread count.
    Another process that trains the same run is waited for, and its result returned.

    Under torchrun all processes call this together; each works on its share of every batch, and all return the result.

    Args:
        config: what to train.
        device: "auto" (cuda if there is one, else cpu), "cpu", "cuda" or "cuda:1". Under torchrun "cuda" is a GPU each.
        precision: of the network's arithmetic in training: "fp32", "bf16", or "auto", which is bf16 where the device has it.
            Losses, centers, statistics and evaluation are in float32 all the same.
        fresh: train again even where a finished run exists.
        sync_batchnorm: under torchrun, batch normalization by the whole batch; else each process normalizes by its share.
            One process does not know the difference.
        compiled: the step by torch.compile, which takes a minute to begin and pays in long trainings on a GPU; its rounding
            differs.

    Raises:
        ConfigError: this machine has no such device, or the precision is unknown.
        DataError: the data set is missing or damaged.
        StoreError: the run store cannot be written.
        NotShipped: the run is not shipped, and FERCORE_SHIPPED_ONLY=1 forbids training it.
    """
    meet(device)
    if result := on_first(lambda: find_result(config, fresh=fresh)):
        return result
    if not fresh:
        require_trainable(config)
    target = find_device(device)
    kind = find_precision(precision, target)
    data = first_before_others(lambda: load_data(config.data, **config.data_options))
    with ExitStack() as locked:
        on_first(lambda: take_lock(config, locked, forget=fresh))
        result = on_first(lambda: find_result(config, fresh=fresh))
        return result or fit(config, data.to(target), target, kind, sync_batchnorm, compiled)


def take_lock(config: RunConfig, locked: ExitStack, *, forget: bool) -> None:
    """Hold the run until `locked` ends, having waited for whoever trains it; `forget` what an earlier session left of it."""
    lock = run_lock(config)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"waiting for another process that trains {config.id}", file=sys.stderr)
        lock.acquire()
    locked.callback(lock.release)
    if forget:
        forget_checkpoint(config)


@nan_passes()
def fit(
    config: RunConfig,
    data: Splits,
    device: torch.device,
    precision: str = "fp32",
    sync_batchnorm: bool = False,
    compiled: bool = False,
    watch: Callable[[Tensor, Step], None] | None = None,
) -> RunResult:
    """The training loop; see `train`. `watch` is shown every step's loss, before its backward pass, and what it was made of."""
    folder = on_first(lambda: open_folder(config))
    start = starting_weights(config, device)  # may train another run, and so comes before the seed
    seed_everything(config.seed)
    model = build_model(config, data.num_classes)
    if start:
        first_before_others(lambda: load_weights(model, start))
    features, dim = output_shapes(model, config)
    model.to(device, memory_format=torch.channels_last)
    objective = find_method(config.method).objective(config, data.num_classes, dim, features).to(device)
    training = Training(model, objective, precision)
    if sync_batchnorm:
        share_statistics(training, device)
    weights = list(training.parameters())
    optimizer = make_optimizer(config, weights)
    steps_per_epoch = len(make_batches(objective, config, 0, data.train))
    total_steps = steps_per_epoch * config.epochs
    snapshot = snapshot_positions(data.train.labels) if dim == 2 else None
    parts = {"model": model, "objective": objective, "optimizer": optimizer}

    state = on_first(lambda: load_checkpoint(folder / "checkpoint.pt"))
    state = state or {"epochs": [], "snapshots": [], "best": None, "seconds": 0.0}
    for name, part in parts.items():
        if name in state:
            part.load_state_dict(state[name])
    training = average_gradients(torch.compile(training) if compiled else training)
    started = time.perf_counter() - state["seconds"]
    status, radius = "finished", torch.tensor(math.nan)
    bar = progress_bar(config, total_steps, done=len(state["epochs"]) * steps_per_epoch)

    for epoch in range(len(state["epochs"]), config.epochs):
        loss_sum = torch.zeros((), device=device)
        batches = make_batches(objective, config, epoch, data.train)
        arriving = data.train.read_ahead(batch.positions[share(len(batch.positions))] for batch in batches)
        for number, (batch, images) in enumerate(zip(batches, arriving, strict=True)):
            step = epoch * steps_per_epoch + number
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(config, step, steps_per_epoch)
            own = share(len(batch.positions))  # of the batch; all of it where this process is alone
            views = training_views(config, images, step, total=len(batch.positions), own=own)
            labels = data.train.labels[batch.positions.to(device)]
            inputs = normalize(views, data.mean, data.std)
            loss, seen = training(inputs, labels, batch, (step + 1) / total_steps)
            if watch:
                watch(loss, seen)
            optimizer.zero_grad()
            loss.backward()
            if config.clip_norm:
                nn.utils.clip_grad_norm_(weights, config.clip_norm)
            optimizer.step()
            objective.after_step(seen)

            loss_sum += loss.detach()
            if number % GUARD_EVERY == 0:
                if any_process(has_diverged(loss)):
                    status = "diverged"
                    break
                radius = seen.embeddings.detach().norm(dim=1).mean()
            bar.update()
        mean_loss = loss_sum / (number + 1)
        row = {"epoch": epoch + 1, "step": step + 1, "lr": optimizer.param_groups[0]["lr"]}
        row |= {"radius": finite_or_none(radius.item()), "loss": finite_or_none(mean_loss.item())}
        if status == "diverged" or any_process(has_diverged(mean_loss)):
            status = "diverged"
            state["epochs"].append(row | {"seconds": time.perf_counter() - started})
            break
        copy_buffers(model)
        row |= validate(model, objective, data, config)
        state["seconds"] = row["seconds"] = time.perf_counter() - started
        state["epochs"].append(row)
        if snapshot is not None:
            state["snapshots"].append(take_snapshot(model, objective, data, snapshot))
        if state["best"] is None or row["val_balanced_accuracy"] > state["best"]["val_balanced_accuracy"]:
            state["best"] = {"val_balanced_accuracy": row["val_balanced_accuracy"], "model": cpu_copy(model)}
        saved = state | {name: part.state_dict() for name, part in parts.items()}
        on_first(lambda saved=saved: save_checkpoint(folder / "checkpoint.pt", saved))
        bar.set_postfix(loss=f"{row['loss']:.3f}", val=f"{100 * row['val_balanced_accuracy']:.1f} %")
    bar.close()

    test, arrays = {}, {}
    if status == "finished":
        test, arrays = test_once(model, state["best"]["model"], data, config, folder)
        on_first(lambda: save_file(cpu_copy(objective), folder / "objective.safetensors"))
        if snapshot is not None:
            arrays |= collect_snapshots(state["snapshots"], data.train.labels[snapshot])
    provenance = describe_machine(config, device, data, seconds=time.perf_counter() - started)
    provenance |= {
        "precision": precision,
        "processes": world_size(),
        "sync_batchnorm": sync_batchnorm and world_size() > 1,
        "compiled": compiled,
    }
    result = on_first(lambda: save_result(RunResult(config, status, state["epochs"], test, provenance), arrays))
    on_first(lambda: (folder / "checkpoint.pt").unlink(missing_ok=True))
    return result


# --- the pieces of the loop ------------------------------------------------------------------------------------------


def learning_rate(config: RunConfig, step: int, steps_per_epoch: int) -> float:
    """The rate of step 0, 1, ...: a function of the config alone, so that a resumed run needs no scheduler state."""
    if config.schedule == "step":
        return config.lr / config.lr_decay ** (step // steps_per_epoch // config.lr_step)
    done = (step + 1) / (steps_per_epoch * config.epochs)
    return config.lr * min(1.0, done / 0.1, (1 - done) / 0.3)


def make_optimizer(config: RunConfig, weights: list[nn.Parameter]) -> torch.optim.Optimizer:
    """SGD with momentum, or Adam with `momentum` as its first beta."""
    if config.optimizer == "adam":
        betas = (config.momentum, 0.999)
        return torch.optim.Adam(weights, lr=config.lr, betas=betas, weight_decay=config.weight_decay, fused=True)
    return torch.optim.SGD(weights, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay, fused=True)


def make_batches(objective: nn.Module, config: RunConfig, epoch: int, split: Images) -> list[TupleBatch]:
    """An epoch's batches: the method's own tuples, or a random order of the images, from config and epoch alone."""
    tuples = objective.tuples(split.labels, split.identities, epoch)
    return tuples or [TupleBatch(positions, []) for positions in epoch_batches(config, epoch, len(split))]


def look(model: nn.Module, objective: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
    """Embeddings [m, D] and logits [m, K] of normalized images, and attention [m, D] where the method has it."""
    features = model.features(images)
    attention = objective.attend(features)
    return model.head(features) if attention is None else (*model.head(features), attention)


class Training(nn.Module):
    """A step as one module, as DistributedDataParallel wants it: the loss of a batch from this process's share of it."""

    def __init__(self, model: nn.Module, objective: nn.Module, precision: str) -> None:
        super().__init__()
        self.model, self.objective, self.precision = model, objective, precision

    def forward(self, images: Tensor, labels: Tensor, batch: TupleBatch, progress: float) -> tuple[Tensor, Step]:
        with autocast(images.device, self.precision):
            outputs = look(self.model, self.objective, images)
        whole = [gather(at_least_float32(values), len(labels)) for values in outputs]
        seen = make_step(whole, labels, batch, progress)
        return self.objective(seen), seen


def make_step(outputs: Sequence[Tensor], labels: Tensor, batch: TupleBatch, progress: float) -> Step:
    """What `look` saw, in float32 for the losses."""
    embeddings, logits, *attention = (at_least_float32(values) for values in outputs)
    return Step(embeddings, logits, labels, progress, attention[0] if attention else None, batch)


def epoch_order(seed: int, epoch: int, size: int) -> Tensor:
    """The order of an epoch's images, from seed and epoch alone."""
    generator = torch.Generator().manual_seed(1_000_003 * seed + epoch)
    return torch.randperm(size, generator=generator)


def epoch_batches(config: RunConfig, epoch: int, size: int) -> tuple[Tensor, ...]:
    """Positions of an epoch's batches. For faces a last batch of one image is left out: batch normalization would divide
    by the spread of one. The order is another in each epoch, and so is the image that waits.
    """
    batches = epoch_order(config.seed, epoch, size).split(config.batch_size)
    alone = config.crop is not None and len(batches) > 1 and len(batches[-1]) == 1
    return batches[:-1] if alone else batches


def training_views(
    config: RunConfig, images: Tensor, step: int, *, total: int | None = None, own: slice = slice(None)
) -> Tensor:
    """What the network sees of a batch at `step`: random views of faces, drawn from seed and step alone; digits as they are.

    Of a batch of `total` images, `images` may be the `own` ones alone: they are seen as they would be in the whole.
    """
    if config.crop is None:
        return images
    generator = torch.Generator().manual_seed(1_000_003 * config.seed + step)
    options = {"erasing": config.erasing, "generator": generator, "total": total, "own": own}
    return augment(images, config.augment, config.crop, **options)


def starting_weights(config: RunConfig, device: torch.device) -> str | Path | None:
    """What `load_weights` is to start from; None for fresh weights.

    What `pretraining_of` names is trained first where its weights are not here.
    """
    first = pretraining_of(config)
    if first is None:
        kind, _, path = (config.pretrained or "none").partition(":")
        return {"none": None, "imagenet": "imagenet", "msceleb": path}[kind]
    weights = local_folder(first) / "best.safetensors"
    if on_first(lambda: not weights.exists()):
        known = on_first(lambda: find_result(first))  # a shipped result has no weights
        train(first, device=str(device), fresh=known is not None)
    if on_first(lambda: not weights.exists()):
        raise StoreError(f"{first.id} left no weights to start from: it diverged; choose pretrained=none")
    return weights


def pretraining_of(config: RunConfig) -> RunConfig | None:
    """The run from whose weights `config` starts, one for all seeds and methods: softmax on SimFER's expressions (simfer) or
    identities (simfer-id), or on FER2013, with this run's network and profile. None where it starts from no run.
    """
    if config.pretrained not in ("simfer", "simfer-id", "fer2013"):
        return None
    same = {key: getattr(config, key) for key in ("profile", "trunk", "width", "image_size", "crop")}
    return RunConfig(method="softmax", data=config.pretrained, **same)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The network in bfloat16 or float32; losses are computed in float32 all the same."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def find_precision(name: str, device: torch.device) -> str:
    """ "fp32" or "bf16"; of "auto" bf16 where the device computes it itself: emulated, it is slower than float32."""
    check_precision(name)
    if name != "auto":
        return name
    known = getattr(torch.cpu, "get_capabilities", dict)()
    native = device.type == "cuda" or known.get("avx512_bf16") or known.get("amx_bf16")
    return "bf16" if native else "fp32"


def check_precision(name: str) -> None:
    """Raise ConfigError unless `name` is one of PRECISIONS."""
    if name not in PRECISIONS:
        raise ConfigError(f"unknown precision {name!r}; known: {', '.join(PRECISIONS)}")


def has_diverged(loss: Tensor) -> bool:
    return not abs(loss.item()) < DIVERGED_LOSS  # true for NaN too


@torch.no_grad()
def evaluate(
    model: nn.Module,
    images: Tensor | StoredImages,
    data: Splits,
    crop: int | None,
    objective: nn.Module | None = None,
    rows: slice = slice(None),
) -> tuple[Tensor, ...]:
    """Embeddings [N, D] and logits [N, K] of uint8 images, faces cropped at their center; float32 on the model's device.

    With an objective that has attention, attention [N, D] is the third. `rows` says which images, all if left out; they are
    read a batch at a time.
    """
    device = next(model.parameters()).device
    size = max(1, min(EVAL_BATCH, EVAL_PIXELS // (crop or images.shape[-1]) ** 2))
    first, last, _ = rows.indices(len(images))
    model.eval()
    outputs = []
    for start in range(first, last, size):
        batch = images[start : min(start + size, last)].to(device)
        views = normalize(batch if crop is None else center_crop(batch, crop), data.mean, data.std)
        outputs.append(look(model, objective, views) if objective else model(views))
    model.train()
    return tuple(at_least_float32(torch.cat(kind)) for kind in zip(*outputs, strict=True))


def evaluate_together(model: nn.Module, images: Tensor | StoredImages, *rest: Any) -> tuple[Tensor, ...]:
    """`evaluate`, where each process takes its share of the images and all get all outputs."""
    found = evaluate(model, images, *rest, rows=share(len(images)))
    return tuple(gather(outputs, len(images)) for outputs in found)


@torch.no_grad()
def validate(model: nn.Module, objective: nn.Module, data: Splits, config: RunConfig) -> dict[str, float]:
    """Loss, accuracy and balanced accuracy on the validation split, and what attention there is.

    A loss of relations between a batch's images is taken in batches like the training's, the same after every epoch.
    """
    objective.eval()
    labels = data.val.labels
    outputs = evaluate_together(model, data.val.images, data, config.crop, objective)
    batches = [TupleBatch(torch.arange(len(labels)), [])]
    if not objective.samplewise:
        batches = make_batches(objective, config, 0, data.val)
    losses = []
    for batch in batches:
        chosen = batch.positions.to(labels.device)
        losses.append(objective(make_step([values[chosen] for values in outputs], labels[chosen], batch, progress=1.0)))
    objective.train()
    row = {"val_loss": finite_or_none(torch.stack(losses).mean().item())}
    confusion = confusion_matrix(outputs[1].argmax(dim=1), labels, data.num_classes).cpu().numpy()
    row |= {f"val_{name}": value for name, value in summarize(confusion).items()}
    if len(outputs) > 2:
        spread, mean = torch.std_mean(outputs[2])
        row |= {"attention_mean": mean.item(), "attention_spread": spread.item()}
    return row


def test_once(
    model: nn.Module, best: dict[str, Tensor], data: Splits, config: RunConfig, folder: Path
) -> tuple[dict[str, dict[str, Any]], dict[str, np.ndarray]]:
    """Test metrics of the last epoch's weights and of the best-on-validation ones, and the last one's arrays for figures."""
    test = {}
    last = cpu_copy(model)
    for name, weights in (("best", best), ("last", last)):
        if is_first():
            save_file(weights, folder / f"{name}.safetensors")
        model.load_state_dict(weights)
        embeddings, logits = evaluate_together(model, data.test.images, data, config.crop)
        predictions = logits.argmax(dim=1)
        confusion = confusion_matrix(predictions, data.test.labels, data.num_classes).cpu().numpy()
        test[name] = summarize(confusion) | {"recall": recalls(confusion).tolist(), "confusion": confusion.tolist()}
        if data.test.sequences is not None:
            voted = confusion_matrix(*vote(logits, data.test.labels, data.test.sequences), data.num_classes).cpu().numpy()
            test[name] |= {"sequence_accuracy": summarize(voted)["accuracy"], "sequence_confusion": voted.tolist()}
    arrays = {"test_embeddings": compact(principal(embeddings))}
    arrays["test_labels"] = class_numbers(data.test.labels)
    arrays["test_predictions"] = class_numbers(predictions)
    return test, arrays


def principal(embeddings: Tensor) -> Tensor:
    """[N, D] embeddings; of a large D the first KEPT_DIMENSIONS principal coordinates, [N, KEPT_DIMENSIONS].

    A shipped run must stay small. Distances within these are nearly those of all: K classes lie along about K directions.
    """
    if embeddings.shape[1] <= KEPT_DIMENSIONS:
        return embeddings
    centered = (embeddings - embeddings.mean(dim=0)).double().cpu()
    directions = torch.linalg.eigh(centered.T @ centered).eigenvectors.flip(1)
    return centered @ directions[:, :KEPT_DIMENSIONS]


def class_numbers(labels: Tensor) -> np.ndarray:
    """The smallest integers that hold them: SimFER has hundreds of identities."""
    return labels.cpu().numpy().astype(np.uint8 if labels.max() < 256 else np.uint16)


def snapshot_positions(labels: Tensor) -> Tensor:
    """Positions of the first SNAPSHOT_PER_CLASS training images of each class."""
    return torch.cat([(labels == k).nonzero()[:SNAPSHOT_PER_CLASS, 0] for k in labels.unique()])


def take_snapshot(model: nn.Module, objective: nn.Module, data: Splits, positions: Tensor) -> dict[str, Tensor]:
    """Where the snapshot images and the centers lie after an epoch; the plane is for digits, which are not cropped."""
    embeddings, _ = evaluate_together(model, data.train.read(positions), data, None)
    snapshot = {"embeddings": embeddings.cpu()}
    if hasattr(objective, "centers"):
        snapshot["centers"] = objective.centers.cpu().clone()
    return snapshot


def collect_snapshots(snapshots: list[dict[str, Tensor]], labels: Tensor) -> dict[str, np.ndarray]:
    """snapshot_embeddings [epochs, S, D], snapshot_labels [S] and, where the method has centers, centers [epochs, K, D]."""
    arrays = {
        "snapshot_embeddings": compact(torch.stack([s["embeddings"] for s in snapshots])),
        "snapshot_labels": labels.cpu().numpy().astype(np.uint8),
    }
    if "centers" in snapshots[0]:
        arrays["centers"] = torch.stack([s["centers"] for s in snapshots]).numpy()
    return arrays


def compact(values: Tensor) -> np.ndarray:
    """float16 where the values fit, float32 otherwise: a figure needs three digits."""
    values = values.cpu()
    return (values.half() if values.abs().max() < FLOAT16_MAX else values.float()).numpy()


def cpu_copy(model: nn.Module) -> dict[str, Tensor]:
    return {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in model.state_dict().items()
    }


def finite_or_none(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None


def seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def find_device(name: str) -> torch.device:
    """The torch device called `name`; ConfigError where the machine has none such."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and launched() > 1:
        name = f"cuda:{local_rank()}"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device {name!r} cannot be used here ({reason}); use cpu, cuda or auto") from None
    return device


def progress_bar(config: RunConfig, total: int, done: int) -> tqdm:
    """One line on stderr with the time left; a log file gets a line every ten seconds instead."""
    quiet = os.environ.get("FERCORE_PROGRESS") == "0" or not is_first()
    every = 0.5 if sys.stderr.isatty() else 10
    label = f"{config.method} seed {config.seed} ({config.profile})"
    layout = "{desc}: {percentage:3.0f} % of {total_fmt} steps, {elapsed} done, {remaining} left{postfix}"
    return tqdm(total=total, initial=done, desc=label, file=sys.stderr, mininterval=every, bar_format=layout, disable=quiet)


def describe_machine(config: RunConfig, device: torch.device, data: Splits, seconds: float) -> dict[str, Any]:
    """Where, when and with what a run was made."""
    commit, dirty = git_state()
    return {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "seed": config.seed,
        "commit": commit,
        "dirty": dirty,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": np.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {platform.machine()}",
        "threads": torch.get_num_threads(),
        "data": data.name,
        "data_fingerprint": data.fingerprint,
        "train_images": len(data.train),
        "class_names": list(data.class_names),
        "mean": list(data.mean),
        "std": list(data.std),
        "minority": list(data.minority),
    }


def git_state() -> tuple[str | None, bool | None]:
    """The commit that is checked out and whether tracked files differ from it; None outside a git checkout."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return None, None
