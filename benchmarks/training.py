"""Speed of training: the loop against a bare one, how near it is to what the cores can multiply, what precision and waiting
threads do to it, and what each method adds.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F
from timing import alternate, ratio
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

import fercore.train as loop
from fercore.config import RunConfig
from fercore.data import load_data
from fercore.data.augment import center_crop, normalize
from fercore.data.splits import Images, Splits
from fercore.evaluation.compare import signed
from fercore.evaluation.stats import paired_difference
from fercore.methods import build
from fercore.methods.objectives import Step
from fercore.methods.table import METHODS
from fercore.models.build import build_model
from fercore.parallel.devices import Execution
from fercore.paths import ROOT
from fercore.sweep import sweep

Row = tuple[str, ...]
CPU = torch.device("cpu")
LENETS = dict(method="softmax", profile="laptop", epochs=1, data_fraction=0.117, lr=0.001)
NETWORKS = {  # what is trained for one epoch, by a `fercore.train.Trainer` and through the bare loop
    "LeNets++, half width, batch 128": RunConfig(**LENETS),
    "LeNets++, full width, batch 128": RunConfig(**LENETS | {"data_fraction": 0.05}, width=1.0),
    "ResNet-18, quarter width, 40 px, batch 32": RunConfig(method="softmax", data="simfer", profile="quick", epochs=1),
}
FEW = LENETS | {"data_fraction": 0.012}  # 4 steps
WIDTHS = {f"LeNets++, width {width}, batch 128": RunConfig(**FEW, width=width) for width in (0.25, 0.5, 1.0)} | {
    name: config for name, config in NETWORKS.items() if "ResNet" in name
}
SEEDED = {  # trained to their ends in both precisions
    "softmax": dict(method="softmax"),
    "DDA as printed, LeNets++ as its author published it": dict(method="dda", gamma=1.0, lenets="normalized"),
    "softmax on faces": dict(method="softmax", data="simfer"),
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
        trainer = make_trainer(config, data)
        ours, bare = alternate(
            lambda t=trainer: epoch_seconds(t), lambda c=config, x=images, d=data: bare_seconds(c, x, d), repetitions
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


def precision_rows(repetitions: int = 3) -> list[Row]:
    """The same steps with the network in bfloat16 and in float32."""
    rows = []
    for name, config in WIDTHS.items():
        data = load_data(config.data, **config.data_options)
        trainers = [make_trainer(config, data, precision) for precision in ("bf16", "fp32")]
        seconds = alternate(*(lambda t=trainer: epoch_seconds(t) for trainer in trainers), repetitions)
        speed = [f"{trainers[0].steps_per_epoch / statistics.median(times):,.1f} steps/s" for times in seconds]
        rows.append((f"bfloat16, {name}", speed[0], "float32", speed[1], ratio(*seconds)))
    return rows


def equivalence_rows(seeds: int = 10) -> list[Row]:
    """Test accuracy of quick trainings in bfloat16 beside the same in float32, and the paired difference in points; a seed that
    diverges in one of them is left out, and missing in the count.
    """
    rows = []
    for name, own in SEEDED.items():
        configs = [RunConfig(profile="quick", seed=seed, **own) for seed in range(seeds)]
        ours, theirs = (accuracies(configs, precision) for precision in ("bf16", "fp32"))
        both = sorted(ours.keys() & theirs.keys())
        means = [f"{statistics.mean(percent[seed] for seed in both):.2f} %" for percent in (ours, theirs)]
        difference = signed(paired_difference(ours, theirs))
        rows.append((f"{len(both)} seeds of {name}, bfloat16", means[0], "float32", means[1], difference))
    return rows


def accuracies(configs: list[RunConfig], precision: str) -> dict[int, float]:
    """{seed: percent}, trained in a store of their own, for a run's id does not say in which precision it was."""
    with tempfile.TemporaryDirectory() as store, mock.patch.dict(os.environ, FERCORE_RUNS=store):
        runs = sweep(configs, device="cpu", precision=precision)
    return {run.config.seed: 100 * run.accuracy for run in runs if not run.diverged}


SPINNING = "import torch"  # before fercore: threads wait as OpenMP's default has it, for a while in a loop that does nothing
EPOCH = """
{first}
from fercore.config import RunConfig
from fercore.data import load_data
from training import LENETS, epoch_seconds, make_trainer
config = RunConfig(**LENETS)
print(epoch_seconds(make_trainer(config, load_data(config.data, **config.data_options))))
"""


def waiting_rows(repetitions: int = 3) -> list[Row]:
    """Threads that sleep while they wait, as `import fercore` asks for, against OpenMP's default: with the cores for
    themselves, and beside a program that keeps one of them busy.
    """
    rows = []
    for place, others in (("alone", 0), ("beside a busy program", 1)):
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(others)]
        try:
            seconds = alternate(lambda: seconds_in_python(""), lambda: seconds_in_python(SPINNING), repetitions)
        finally:
            for process in busy:
                process.kill()
        times = [f"{statistics.median(found):.1f} s" for found in seconds]
        rows.append((f"sleeping threads, an epoch {place}", times[0], "OpenMP's default", times[1], ratio(*seconds)))
    return rows


def seconds_in_python(first: str) -> float:
    """Of an epoch of LeNets++ at half width in a Python of its own, where OpenMP's policy is the one that it starts with."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), str(ROOT)])
    code = [sys.executable, "-c", EPOCH.format(first=first)]
    return float(subprocess.run(code, env=environment, capture_output=True, text=True, check=True).stdout)


def views(data: Splits, config: RunConfig) -> Tensor:
    images = data.train.images[:]
    return images if config.crop is None else center_crop(images, config.crop)


def make_trainer(config: RunConfig, data: Splits, precision: str = "fp32") -> loop.Trainer:
    return loop.Trainer(config, data, Execution(CPU, precision), start=None, watch=None)


def epoch_seconds(trainer: loop.Trainer) -> float:
    """Of the steps of the first epoch, without the validation."""
    with mock.patch.object(loop, "validate", return_value={"val_loss": 0.0}):
        return timed(lambda: trainer.epoch(0, tqdm(disable=True)))


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
    model, objective = build(config, 7)
    model.to(memory_format=torch.channels_last)
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
