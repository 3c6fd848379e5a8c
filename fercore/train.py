"""Train one network by one config: a single loop, made to be read from top to bottom.

`train` asks whether the run was trained before; `fit` trains it, epoch by epoch; a `Trainer` takes the steps of an epoch.
"""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from fercore.checks import at_least_float32, nan_passes
from fercore.config import RunConfig
from fercore.data import Splits, load_data
from fercore.data.augment import normalize
from fercore.errors import StoreError
from fercore.evaluation.artifacts import collect_snapshots, cpu_copy, first_of_each, take_snapshot, test_once
from fercore.evaluation.evaluate import finite_or_none, look, make_step, validate
from fercore.methods import build
from fercore.methods.batches import epoch_labels, make_batches, training_views
from fercore.methods.objectives import Step
from fercore.models.weights import load_weights
from fercore.parallel.devices import Execution, autocast, find_device, find_precision, seed_everything
from fercore.parallel.distributed import (
    any_process,
    average_gradients,
    copy_buffers,
    first_before_others,
    gather,
    is_first,
    meet,
    share,
    share_statistics,
)
from fercore.progress import progress_bar
from fercore.runs.result import RunResult
from fercore.runs.session import Record, Session, describe_machine
from fercore.tuples import TupleBatch

DIVERGED_LOSS = 1e6  # above it no run here has ever come back
STEPS = "{desc}: {percentage:3.0f} % of {total_fmt} steps, {elapsed} done, {remaining} left{postfix}"
GUARD_EVERY = 20  # steps between two looks at the loss; each look makes a GPU wait

Watch = Callable[[Tensor, Step], None]
OnEpoch = Callable[[dict[str, Any]], None]


def train(
    config: RunConfig,
    *,
    device: str = "auto",
    precision: str = "auto",
    fresh: bool = False,
    sync_batchnorm: bool = False,
    compiled: bool = False,
    on_epoch: OnEpoch | None = None,
) -> RunResult:
    """The result of `config`: from a store if it was trained before, else by training it now.

    A killed training goes on from its last finished epoch, bit for bit on the same machine and thread count. Another process
    that trains the same run is waited for. Under torchrun all processes call this together, and each works on its share of
    every batch.

    Args:
        config: what to train.
        device: "auto" (cuda if there is one, else cpu), "cpu", "cuda" or "cuda:1". Under torchrun "cuda" is a GPU each.
        precision: of the network in training: "fp32", "bf16", or "auto", which is bf16 where the device computes it itself.
            Losses, centers, statistics and evaluation are in float32 all the same.
        fresh: train again even where a finished run exists.
        sync_batchnorm: under torchrun, normalize by the whole batch; else each process normalizes by its share.
        compiled: by torch.compile, which begins slowly and pays in long trainings on a GPU; its rounding differs.
        on_epoch: called with each epoch's row (a line of `RunResult.epochs`) as soon as it is kept, for curves elsewhere; under
            torchrun by the first process. Of a stored result it sees nothing, of a resumed training what was left.

    Raises:
        ConfigError: this machine has no such device, or the precision is unknown.
        DataError: the data set is missing or damaged.
        StoreError: the run store cannot be written.
        NotShipped: the run is not shipped, and FERCORE_SHIPPED_ONLY=1 forbids training it.
    """
    meet(device)
    session = Session(config, fresh=fresh)
    if result := session.find():
        return result
    target = find_device(device)
    execution = Execution(target, find_precision(precision, target), sync_batchnorm, compiled)
    data = first_before_others(load_data, config.data, **config.data_options)
    with session.locked():
        return session.find() or fit(session, data.to(target), execution, on_epoch=on_epoch)


@nan_passes()
def fit(
    session: Session, data: Splits, execution: Execution, watch: Watch | None = None, on_epoch: OnEpoch | None = None
) -> RunResult:
    """Train the run of a locked session, from the last epoch that it finished.

    `watch` is shown every step's loss, before its backward pass, and what it was made of; `on_epoch` is as in `train`.
    """
    config = session.config
    start = starting_weights(config, execution)  # may train another run, and so comes before the seed
    trainer = Trainer(config, data, execution, start, watch)
    record = session.resume(trainer.parts, data)
    started = time.perf_counter() - record.seconds
    done, diverged = len(record.epochs) * trainer.steps_per_epoch, False
    label, shown = f"{config.method} seed {config.seed} ({config.profile})", {"bar_format": STEPS, "quiet": not is_first()}
    with progress_bar(label, total=trainer.total_steps, initial=done, **shown) as bar:  # closed, whatever ends the training
        for epoch in range(len(record.epochs), config.epochs):
            row, diverged = trainer.epoch(epoch, bar)
            record.seconds = row["seconds"] = time.perf_counter() - started
            record.epochs.append(row)
            if not diverged:
                trainer.remember(record)
                session.save(record, trainer.parts)
            if on_epoch and is_first():
                on_epoch(dict(row))
            if diverged:
                break
            bar.set_postfix(loss=f"{row['loss']:.3f}", val=f"{100 * row['val_balanced_accuracy']:.1f} %")

    session.forget_other(record)
    test, arrays = ({}, {}) if diverged else trainer.test(record, session)
    provenance = describe_machine(config, execution, data, seconds=time.perf_counter() - started)
    status = "diverged" if diverged else "finished"
    return session.finish(RunResult(config, status, record.epochs, test, provenance), arrays)


class Trainer:
    """What the steps of one training share.

    Attributes:
        model, objective: the network, and what the method adds to it; see `fercore.methods.build`.
        weights: of both, as the optimizer moves them.
        batch_loss: both as one module, shared between processes and compiled where that was asked for.
        snapshot: positions of the training images whose embeddings are kept after each epoch, of digits, whose embeddings lie
            in a plane; None for faces.
    """

    def __init__(
        self, config: RunConfig, data: Splits, execution: Execution, start: str | Path | None, watch: Watch | None
    ) -> None:
        self.config, self.data, self.device, self.watch = config, data, execution.device, watch
        seed_everything(config.seed)
        self.model, self.objective = build(config, data.num_classes)
        if start:
            first_before_others(load_weights, self.model, start)
        self.model.to(self.device, memory_format=torch.channels_last)
        self.objective.to(self.device)
        step = BatchLoss(self.model, self.objective, execution.precision)
        if execution.sync_batchnorm:
            share_statistics(step, self.device)
        self.weights = list(step.parameters())
        self.optimizer = make_optimizer(config, self.weights)
        self.batch_loss = average_gradients(torch.compile(step) if execution.compiled else step)
        self.steps_per_epoch = len(make_batches(self.objective, config, 0, data.train))
        self.total_steps = self.steps_per_epoch * config.epochs
        self.snapshot = first_of_each(data.train.labels) if config.crop is None else None

    @property
    def parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        """What a checkpoint keeps."""
        return {"model": self.model, "objective": self.objective, "optimizer": self.optimizer}

    def epoch(self, epoch: int, bar: tqdm) -> tuple[dict[str, Any], bool]:
        """Train on every batch and validate: the epoch's row, and whether the training diverged, which ends it at once."""
        loss_sum, radius = torch.zeros((), device=self.device), torch.tensor(math.nan)
        self.labels = epoch_labels(self.config.seed, epoch, self.data.train)
        for number, (batch, images) in enumerate(self.batches(epoch)):
            step = epoch * self.steps_per_epoch + number
            loss, seen = self.step(step, batch, images)
            loss_sum += loss
            if number % GUARD_EVERY == 0:
                if diverged := any_process(has_diverged(loss)):
                    break
                radius = seen.embeddings.detach().norm(dim=1).mean()
            bar.update()
        mean_loss = loss_sum / (number + 1)
        row = {"epoch": epoch + 1, "step": step + 1, "lr": self.optimizer.param_groups[0]["lr"]}
        row |= {"radius": finite_or_none(radius.item()), "loss": finite_or_none(mean_loss.item())}
        if diverged or any_process(has_diverged(mean_loss) or not is_finite(self.model, self.objective)):
            return row, True
        copy_buffers(self.model)
        validated = validate(self.model, self.objective, self.data, self.config)
        if any_process(has_diverged(validated["val_loss"])):
            return row, True
        return row | validated, False

    def batches(self, epoch: int) -> Iterator[tuple[TupleBatch, Tensor]]:
        """An epoch's batches, each with the images of this process's share of it."""
        batches = make_batches(self.objective, self.config, epoch, self.data.train)
        arriving = self.data.train.read_ahead(batch.positions[share(len(batch.positions))] for batch in batches)
        return zip(batches, arriving, strict=True)

    def step(self, number: int, batch: TupleBatch, images: Tensor) -> tuple[Tensor, Step]:
        """One step of the whole training: views of the images, their loss, its gradient, and what that moves."""
        config, data = self.config, self.data
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, number, self.steps_per_epoch)
        total = len(batch.positions)
        views = training_views(config, images, number, total=total, own=share(total))
        labels = self.labels[batch.positions.to(self.device)]
        inputs = normalize(views, data.mean, data.std)
        loss, seen = self.batch_loss(inputs, labels, batch, (number + 1) / self.total_steps)
        if self.watch:
            self.watch(loss, seen)
        self.optimizer.zero_grad()
        loss.backward()
        if config.clip_norm:
            nn.utils.clip_grad_norm_(self.weights, config.clip_norm)
        self.optimizer.step()
        self.objective.after_step(seen)
        return loss.detach(), seen

    def remember(self, record: Record) -> None:
        """Keep what the last epoch of `record` leaves: a snapshot, and the weights if none were better on validation."""
        if self.snapshot is not None:
            record.snapshots.append(take_snapshot(self.model, self.objective, self.data, self.snapshot))
        accuracy = record.epochs[-1]["val_balanced_accuracy"]
        if record.best is None or accuracy > record.best["val_balanced_accuracy"]:
            record.best = {"val_balanced_accuracy": accuracy, "model": cpu_copy(self.model)}

    def test(self, record: Record, session: Session) -> tuple[dict[str, dict[str, Any]], dict[str, np.ndarray]]:
        """Look at the test set, once, when the training is over: its metrics, and the arrays that figures need."""
        weights = {"best": record.best["model"], "last": cpu_copy(self.model)}
        session.keep(weights | {"objective": cpu_copy(self.objective)})
        test, arrays = test_once(self.model, weights, self.data, self.config)
        if self.snapshot is not None:
            arrays |= collect_snapshots(record.snapshots, self.data.train.labels[self.snapshot])
        return test, arrays


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


class BatchLoss(nn.Module):
    """A step as one module, as DistributedDataParallel wants it: the loss of a batch from this process's share of it."""

    def __init__(self, model: nn.Module, objective: nn.Module, precision: str = "fp32") -> None:
        super().__init__()
        self.model, self.objective, self.precision = model, objective, precision

    def forward(self, images: Tensor, labels: Tensor, batch: TupleBatch, progress: float) -> tuple[Tensor, Step]:
        with autocast(images.device, self.precision):
            outputs = look(self.model, self.objective, images)
        whole = [gather(at_least_float32(values), len(labels)) for values in outputs]
        seen = make_step(whole, labels, batch, progress)
        return self.objective(seen), seen


def starting_weights(config: RunConfig, execution: Execution) -> str | Path | None:
    """What `load_weights` is to start from; None for fresh weights.

    What `config.pretraining` names is trained first, with the same precision, where its weights are not here.
    """
    first = config.pretraining
    if first is None:
        kind, _, path = (config.pretrained or "none").partition(":")
        return {"none": None, "imagenet": "imagenet", "msceleb": path}[kind]
    pretraining = Session(first)
    if not pretraining.weights("best"):
        known = pretraining.find() is not None  # a shipped result has no weights
        train(first, device=str(execution.device), precision=execution.precision, fresh=known)
    if weights := pretraining.weights("best"):
        return weights
    raise StoreError(f"{first.id} left no weights to start from: it diverged; choose pretrained=none")


def has_diverged(loss: Tensor | float) -> bool:
    return not abs(float(loss)) < DIVERGED_LOSS  # true for NaN too


def is_finite(*modules: nn.Module) -> bool:
    """Whether all weights, centers and statistics are numbers; a loss says nothing of the step that comes after it."""
    values = [value for module in modules for value in module.state_dict().values() if value.is_floating_point()]
    return bool(torch.stack([value.isfinite().all() for value in values]).all())
