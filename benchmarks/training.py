"""Speed of training: the loop against a bare one, how near it is to what the cores can multiply, and what each method adds."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F
from timing import alternate, ratio
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import fercore.train as loop
from fercore.config import RunConfig
from fercore.data import load_data
from fercore.data.augment import center_crop, normalize
from fercore.data.splits import Images, Splits
from fercore.methods.objectives import Step, make_objective
from fercore.methods.table import METHODS
from fercore.models.build import build_model, output_shapes

Row = tuple[str, ...]
CPU = torch.device("cpu")
LENETS = dict(method="softmax", profile="laptop", epochs=1, data_fraction=0.117, lr=0.001)
NETWORKS = {  # what is trained for one epoch, through `fercore.train.fit` and through the bare loop
    "LeNets++, half width, batch 128": RunConfig(**LENETS),
    "LeNets++, full width, batch 128": RunConfig(**LENETS | {"data_fraction": 0.05}, width=1.0),
    "ResNet-18, quarter width, 40 px, batch 32": RunConfig(method="softmax", data="simfer", profile="quick", epochs=1),
}
MATRIX = 2048  # of the matrix product whose speed is the machine's peak


def training_rows(repetitions: int = 5) -> list[Row]:
    """Images/s of `train`'s steps beside the shortest loop over the same images, already floats in memory; then the share of
    the peak that the bare arithmetic of the network reaches.
    """
    rows = []
    for name, config in NETWORKS.items():
        data = load_data(config.data, **config.data_options)
        images = normalize(views(data, config), data.mean, data.std)
        ours, bare = alternate(
            lambda c=config, d=data: loop_seconds(c, d), lambda c=config, x=images, d=data: bare_seconds(c, x, d), repetitions
        )
        count = len(data.train)
        speed = [f"{count / statistics.median(seconds):,.0f} images/s" for seconds in (ours, bare)]
        rows.append((f"training loop, {name}", speed[0], "a bare loop over float images", speed[1], ratio(ours, bare)))
        work, peak = step_gigaflops(config, data) / statistics.median(ours) * count / config.batch_size, peak_gigaflops()
        rows.append(
            (
                f"arithmetic, {name}",
                f"{work:,.0f} GFLOP/s",
                f"a product of matrices of {MATRIX}",
                f"{peak:,.0f} GFLOP/s",
                f"{peak / work:.2f}",
            )
        )
    return rows


def views(data: Splits, config: RunConfig) -> Tensor:
    images = data.train.images[:]
    return images if config.crop is None else center_crop(images, config.crop)


class EpochDoneError(Exception):
    """Raised in place of the validation, when the steps of the epoch are done."""


def loop_seconds(config: RunConfig, data: Splits) -> float:
    """Seconds between the start of the progress bar and the end of the first epoch's steps."""
    started, bar = [], loop.progress_bar

    def start(*arguments: object, **options: object):
        started.append(time.perf_counter())
        return bar(*arguments, **options)

    replaced = {"progress_bar": start, "load_checkpoint": lambda _: None, "open_folder": lambda _: Path()}
    with mock.patch.multiple(loop, **replaced, validate=mock.Mock(side_effect=EpochDoneError)):
        try:
            loop.fit(config, data, CPU)
        except EpochDoneError:
            return time.perf_counter() - started[0]
    raise RuntimeError("the training loop did not validate")


def bare_seconds(config: RunConfig, images: Tensor, data: Splits) -> float:
    model = build_model(config, data.num_classes).to(memory_format=torch.channels_last)
    optimizer = loop.make_optimizer(config, list(model.parameters()))
    labels = data.train.labels
    started = time.perf_counter()
    for batch in torch.randperm(len(labels)).split(config.batch_size):
        optimizer.zero_grad()
        F.cross_entropy(model(images[batch])[1], labels[batch]).backward()
        optimizer.step()
    return time.perf_counter() - started


def step_gigaflops(config: RunConfig, data: Splits) -> float:
    """Of forward and backward of one batch."""
    model = build_model(config, data.num_classes)
    images = normalize(views(data, config)[: config.batch_size], data.mean, data.std)
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(model(images)[1], data.train.labels[: config.batch_size]).backward()
    return counter.get_total_flops() / 1e9


def peak_gigaflops(repetitions: int = 8) -> float:
    first, second = torch.randn(2, MATRIX, MATRIX)
    seconds = [timed(lambda: first @ second) for _ in range(repetitions)]
    return 2 * MATRIX**3 / min(seconds) / 1e9


def timed(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


# --- methods ----------------------------------------------------------------------------------------------------------


def method_rows(repetitions: int = 3) -> list[Row]:
    """A step of each method beside one of softmax with its network, ResNet-18 at 90 pixels, batch 64, and its loss alone."""
    rows, reference = [], make_step("softmax")
    for method in METHODS:
        step, loss_alone = make_step(method)
        ours, softmax = alternate(lambda s=step: timed(s), lambda: timed(reference[0]), repetitions)
        times = [f"{1e3 * statistics.median(seconds):,.0f} ms" for seconds in (ours, softmax)]
        rows.append((f"step of {method}", times[0], "step of softmax", times[1], ratio(ours, softmax)))
        loss_alone()
        own = statistics.median(timed(loss_alone) for _ in range(20))
        rows.append(
            (
                f"loss of {method}, forward and backward",
                f"{1e3 * own:.2f} ms",
                "step of softmax",
                times[1],
                f"{own / statistics.median(softmax):.4f}",
            )
        )
    return rows


def make_step(method: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """A whole training step on random faces, and the objective alone on what the network gave."""
    config = RunConfig(
        method=method, data="simfer", profile="paper", pretrained="none", trunk="resnet18", batch_size=64, crop=90
    )
    torch.manual_seed(0)
    labels, identities = torch.randint(7, (640,)), torch.randint(20, (640,))
    split = Images(torch.randint(0, 256, (640, 3, 90, 90), dtype=torch.uint8), labels, identities)
    model = build_model(config, 7)
    features, dim = output_shapes(model, config)
    model.to(memory_format=torch.channels_last)
    objective = make_objective(config, 7, dim, features)
    weights = [*model.parameters(), *objective.parameters()]
    optimizer = loop.make_optimizer(config, weights)
    batch = loop.make_batches(objective, config, 0, split)[0]
    images = normalize(split.read(batch.positions), (0.5,) * 3, (0.2,) * 3)

    def seen() -> Step:
        return loop.make_step(loop.look(model, objective, images), labels[batch.positions], batch, progress=1.0)

    def step() -> None:
        found = seen()
        optimizer.zero_grad()
        objective(found).backward()
        if config.clip_norm:
            nn.utils.clip_grad_norm_(weights, config.clip_norm)
        optimizer.step()
        objective.after_step(found)

    given = detached(seen())

    def loss_alone() -> None:
        objective(given).backward()
        objective.after_step(given)

    return step, loss_alone


def detached(found: Step) -> Step:
    """The same numbers, with gradients that end there."""
    leaves = {
        name: getattr(found, name).detach().requires_grad_()
        for name in ("embeddings", "logits", "attention")
        if getattr(found, name) is not None
    }
    return found._replace(**leaves)
