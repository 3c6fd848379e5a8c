"""Train one network by one config: a single loop, made to be read from top to bottom."""

import math
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from fercore.checks import at_least_float32, nan_passes
from fercore.config import RunConfig
from fercore.data import Splits, load_data
from fercore.data.augment import normalize
from fercore.errors import StoreError
from fercore.evaluation.artifacts import collect_snapshots, cpu_copy, snapshot_positions, take_snapshot, test_once
from fercore.evaluation.evaluate import finite_or_none, look, make_step, validate
from fercore.methods.batches import make_batches, training_views
from fercore.methods.objectives import Step, make_objective
from fercore.models.build import build_model, output_shapes
from fercore.models.weights import load_weights
from fercore.parallel.devices import autocast, find_device, find_precision, seed_everything
from fercore.parallel.distributed import (
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
from fercore.parallel.sums import world_size
from fercore.runs.find import find_result, require_trainable
from fercore.runs.local import load_checkpoint, local_folder, open_folder, save_checkpoint, save_result
from fercore.runs.result import RunResult
from fercore.runs.session import describe_machine, take_lock
from fercore.tuples import TupleBatch

DIVERGED_LOSS = 1e6  # above it no run here has ever come back
GUARD_EVERY = 20  # steps between two looks at the loss; each look makes a GPU wait


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
    objective = make_objective(config, data.num_classes, dim, features).to(device)
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


def has_diverged(loss: Tensor) -> bool:
    return not abs(loss.item()) < DIVERGED_LOSS  # true for NaN too


def progress_bar(config: RunConfig, total: int, done: int) -> tqdm:
    """One line on stderr with the time left; a log file gets a line every ten seconds instead."""
    quiet = os.environ.get("FERCORE_PROGRESS") == "0" or not is_first()
    every = 0.5 if sys.stderr.isatty() else 10
    label = f"{config.method} seed {config.seed} ({config.profile})"
    layout = "{desc}: {percentage:3.0f} % of {total_fmt} steps, {elapsed} done, {remaining} left{postfix}"
    return tqdm(total=total, initial=done, desc=label, file=sys.stderr, mininterval=every, bar_format=layout, disable=quiet)
