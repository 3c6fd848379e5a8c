"""Train one network by one config: a single loop, made to be read from top to bottom."""

import math
import os
import platform
import random
import subprocess
import sys
import time
from datetime import UTC, datetime
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
from fercore.errors import ConfigError
from fercore.methods import find_method
from fercore.metrics import confusion_matrix, recalls, summarize
from fercore.models import LeNetsPP
from fercore.paths import ROOT
from fercore.runs import RunResult, find_result, forget_checkpoint, open_folder, require_trainable, run_lock, save_result

DIVERGED_LOSS = 1e6  # above it no run here has ever come back
GUARD_EVERY = 20  # steps between two looks at the loss; each look makes a GPU wait
EVAL_BATCH = 1000
SNAPSHOT_PER_CLASS = 100  # training images whose embeddings are kept after every epoch
FLOAT16_MAX = 6e4


def train(config: RunConfig, *, device: str = "auto", fresh: bool = False) -> RunResult:
    """The result of `config`: from a store if it was trained before, else by training it now.

    A killed training goes on from its last finished epoch, bit for bit on the same machine and thread count.
    Another process that trains the same run is waited for, and its result returned.

    Args:
        config: what to train.
        device: "auto" (cuda if there is one, else cpu), "cpu", "cuda" or "cuda:1".
        fresh: train again even where a finished run exists.

    Raises:
        DataError: the data set is missing or damaged.
        StoreError: the run store cannot be written.
        NotShipped: the run is not shipped, and FERCORE_SHIPPED_ONLY=1 forbids training it.
    """
    if result := find_result(config, fresh=fresh):
        return result
    if not fresh:
        require_trainable(config)
    target = find_device(device)
    data = load_data(config.data, fraction=config.data_fraction, val_fraction=config.val_fraction)
    lock = run_lock(config)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"waiting for another process that trains {config.id}", file=sys.stderr)
        lock.acquire()
    with lock:
        if fresh:
            forget_checkpoint(config)
        return find_result(config, fresh=fresh) or fit(config, data.to(target), target)


def fit(config: RunConfig, data: Splits, device: torch.device) -> RunResult:
    """The training loop; see `train`."""
    folder = open_folder(config)
    seed_everything(config.seed)
    model = LeNetsPP(data.num_classes, width=config.width).to(device, memory_format=torch.channels_last)
    objective = find_method(config.method).objective(config, data.num_classes, model.classify.in_features).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
    steps_per_epoch = math.ceil(len(data.train) / config.batch_size)
    total_steps = steps_per_epoch * config.epochs
    snapshot = snapshot_positions(data.train.labels)
    parts = {"model": model, "objective": objective, "optimizer": optimizer}

    state = load_checkpoint(folder / "checkpoint.pt") or {"epochs": [], "snapshots": [], "best": None, "seconds": 0.0}
    for name, part in parts.items():
        if name in state:
            part.load_state_dict(state[name])
    started = time.perf_counter() - state["seconds"]
    status, radius = "finished", torch.tensor(math.nan)
    bar = progress_bar(config, total_steps, done=len(state["epochs"]) * steps_per_epoch)

    for epoch in range(len(state["epochs"]), config.epochs):
        loss_sum = torch.zeros((), device=device)
        order = epoch_order(config.seed, epoch, len(data.train)).to(device)
        for number, batch in enumerate(order.split(config.batch_size)):
            step = epoch * steps_per_epoch + number
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(config, step, steps_per_epoch)
            images, labels = normalize(data.train.images[batch], data), data.train.labels[batch]
            with autocast(device):
                embeddings, logits = model(images)
            loss = objective(embeddings.float(), logits.float(), labels, progress=(step + 1) / total_steps)
            optimizer.zero_grad()
            loss.backward()
            if config.clip_norm:
                nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
            optimizer.step()
            objective.after_step(embeddings.detach().float(), labels)

            loss_sum += loss.detach()
            if number % GUARD_EVERY == 0:
                if has_diverged(loss):
                    status = "diverged"
                    break
                radius = embeddings.detach().norm(dim=1).mean()
            bar.update()
        mean_loss = loss_sum / (number + 1)
        row = {"epoch": epoch + 1, "step": step + 1, "lr": optimizer.param_groups[0]["lr"]}
        row |= {"radius": finite_or_none(radius.item()), "loss": finite_or_none(mean_loss.item())}
        if status == "diverged" or has_diverged(mean_loss):
            status = "diverged"
            state["epochs"].append(row | {"seconds": time.perf_counter() - started})
            break
        row |= validate(model, objective, data)
        state["seconds"] = row["seconds"] = time.perf_counter() - started
        state["epochs"].append(row)
        state["snapshots"].append(take_snapshot(model, objective, data, snapshot))
        if state["best"] is None or row["val_balanced_accuracy"] > state["best"]["val_balanced_accuracy"]:
            state["best"] = {"val_balanced_accuracy": row["val_balanced_accuracy"], "model": cpu_copy(model)}
        save_checkpoint(folder / "checkpoint.pt", state | {name: part.state_dict() for name, part in parts.items()})
        bar.set_postfix(loss=f"{row['loss']:.3f}", val=f"{100 * row['val_balanced_accuracy']:.1f} %")
    bar.close()

    test, arrays = {}, {}
    if status == "finished":
        test, arrays = test_once(model, state["best"]["model"], data, folder)
        arrays |= collect_snapshots(state["snapshots"], data.train.labels[snapshot])
    provenance = describe_machine(config, device, data, seconds=time.perf_counter() - started)
    result = save_result(RunResult(config, status, state["epochs"], test, provenance), arrays)
    (folder / "checkpoint.pt").unlink(missing_ok=True)
    return result


# --- the pieces of the loop ------------------------------------------------------------------------------------------


def learning_rate(config: RunConfig, step: int, steps_per_epoch: int) -> float:
    """The rate of step 0, 1, ...: a function of the config alone, so that a resumed run needs no scheduler state."""
    if config.schedule == "step":
        return config.lr / config.lr_decay ** (step // steps_per_epoch // config.lr_step)
    done = (step + 1) / (steps_per_epoch * config.epochs)
    return config.lr * min(1.0, done / 0.1, (1 - done) / 0.3)


def epoch_order(seed: int, epoch: int, size: int) -> Tensor:
    """The order of an epoch's images, from seed and epoch alone."""
    generator = torch.Generator().manual_seed(1_000_003 * seed + epoch)
    return torch.randperm(size, generator=generator)


def normalize(images: Tensor, data: Splits) -> Tensor:
    """uint8 [m, C, H, W] to floats of mean 0 and spread 1, channels last."""
    mean = torch.tensor(data.mean, device=images.device).view(1, -1, 1, 1)
    std = torch.tensor(data.std, device=images.device).view(1, -1, 1, 1)
    return ((images.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 where a GPU makes it worthwhile; losses are computed in float32 all the same."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def has_diverged(loss: Tensor) -> bool:
    return not abs(loss.item()) < DIVERGED_LOSS  # true for NaN too


@torch.no_grad()
def evaluate(model: nn.Module, images: Images, data: Splits) -> tuple[Tensor, Tensor]:
    """Embeddings [N, D] and logits [N, K] of a whole split, float32 on its device."""
    model.eval()
    outputs = [model(normalize(batch, data)) for batch in images.images.split(EVAL_BATCH)]
    model.train()
    return tuple(torch.cat(kind).float() for kind in zip(*outputs, strict=True))


@torch.no_grad()
def validate(model: nn.Module, objective: nn.Module, data: Splits) -> dict[str, float]:
    """Loss, accuracy and balanced accuracy on the validation split."""
    embeddings, logits = evaluate(model, data.val, data)
    loss = objective(embeddings, logits, data.val.labels, progress=1.0).item()
    confusion = confusion_matrix(logits.argmax(dim=1), data.val.labels, data.num_classes).cpu().numpy()
    return {"val_loss": finite_or_none(loss)} | {f"val_{name}": value for name, value in summarize(confusion).items()}


def test_once(model: nn.Module, best: dict[str, Tensor], data: Splits, folder: Any) -> tuple[dict, dict]:
    """Test metrics of the last epoch's weights and of the best-on-validation ones, and the arrays for figures."""
    test, arrays = {}, {}
    last = cpu_copy(model)
    for name, weights in (("best", best), ("last", last)):
        save_file(weights, folder / f"{name}.safetensors")
        model.load_state_dict(weights)
        embeddings, logits = evaluate(model, data.test, data)
        predictions = logits.argmax(dim=1)
        confusion = confusion_matrix(predictions, data.test.labels, data.num_classes).cpu().numpy()
        test[name] = summarize(confusion) | {"recall": recalls(confusion).tolist(), "confusion": confusion.tolist()}
    if embeddings.shape[1] == 2:
        arrays["test_embeddings"] = compact(embeddings)
    arrays["test_labels"] = data.test.labels.cpu().numpy().astype(np.uint8)
    arrays["test_predictions"] = predictions.cpu().numpy().astype(np.uint8)
    return test, arrays


def snapshot_positions(labels: Tensor) -> Tensor:
    """Positions of the first SNAPSHOT_PER_CLASS training images of each class."""
    return torch.cat([(labels == k).nonzero()[:SNAPSHOT_PER_CLASS, 0] for k in labels.unique()])


def take_snapshot(model: nn.Module, objective: nn.Module, data: Splits, positions: Tensor) -> dict[str, Tensor]:
    """Where the snapshot images and the centers lie after an epoch."""
    embeddings, _ = evaluate(model, Images(data.train.images[positions], data.train.labels[positions]), data)
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
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device {name!r} cannot be used here ({reason}); use cpu, cuda or auto") from None
    return device


def progress_bar(config: RunConfig, total: int, done: int) -> tqdm:
    """One line on stderr with the time left; a log file gets a line every ten seconds instead."""
    quiet = os.environ.get("FERCORE_PROGRESS") == "0"
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
