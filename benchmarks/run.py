"""Speed of training loop, losses, samplers, input and sweeps, as ratios inside one run, by `make bench` into RESULTS.md.

Each pair is timed in turns, and the median of the ratios is told: a machine that is busy with other work slows both.
"""

import os
import statistics
import time
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F
from input_pipeline import pipeline_rows
from losses import loss_rows, sampler_rows
from sweep_scaling import sweep_rows
from timing import alternate, ratio
from torch import Tensor

import fercore.train as loop
from fercore.config import RunConfig
from fercore.data import load_data
from fercore.models import LeNetsPP

BATCH = 64
CONFIG = RunConfig(method="softmax", profile="laptop", epochs=1, batch_size=BATCH, data_fraction=0.117, schedule="trapezoid")


def main() -> None:
    rows = [loop_against_bare(), *loss_rows(), *sampler_rows(), *pipeline_rows(), *sweep_rows()]
    header = ("what", "fercore", "compared with", "that", "ratio of times")
    lines = ["| " + " | ".join(row) + " |" for row in (header, ("---",) * 5, *rows)]
    machine = f"{len(os.sched_getaffinity(0))} cores, {torch.get_num_threads()} threads, PyTorch {torch.__version__}, CPU"
    note = "Made by `make bench`. Medians; a ratio above 1 means that fercore is slower."
    text = "\n".join(["# Speed", "", f"{note} Machine: {machine}.", "", *lines, ""])
    Path(__file__).with_name("RESULTS.md").write_text(text)
    print(text)


# --- the training loop ------------------------------------------------------------------------------------------------


def loop_against_bare(repetitions: int = 5) -> tuple[str, ...]:
    """`train`'s steps against the shortest loop over the same images, already floats in memory."""
    data = load_data("wmnist", fraction=CONFIG.data_fraction, val_fraction=CONFIG.val_fraction)
    images, labels = loop.normalize(data.train.images, data.mean, data.std), data.train.labels
    ours, bare = alternate(lambda: loop_seconds(data), lambda: bare_seconds(images, labels), repetitions)
    speed = [f"{len(labels) / statistics.median(seconds):,.0f} images/s" for seconds in (ours, bare)]
    name = f"training loop, half-width LeNets++, batch {BATCH}"
    return name, speed[0], "a bare loop over float images", speed[1], ratio(ours, bare)


class EpochDoneError(Exception):
    """Raised in place of the validation, when the steps of the epoch are done."""


def loop_seconds(data: object) -> float:
    """Seconds between the start of the progress bar and the end of the first epoch's steps."""
    started, bar = [], loop.progress_bar

    def start(*arguments: object, **options: object):
        started.append(time.perf_counter())
        return bar(*arguments, **options)

    replaced = {"progress_bar": start, "load_checkpoint": lambda _: None}
    replaced["open_folder"] = lambda _: Path()
    replaced["validate"] = mock.Mock(side_effect=EpochDoneError)
    with mock.patch.multiple(loop, **replaced):
        try:
            loop.fit(CONFIG, data, torch.device("cpu"))
        except EpochDoneError:
            return time.perf_counter() - started[0]
    raise RuntimeError("the training loop did not validate")


def bare_seconds(images: Tensor, labels: Tensor) -> float:
    model = LeNetsPP(width=CONFIG.width).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=CONFIG.momentum, weight_decay=CONFIG.weight_decay)
    started = time.perf_counter()
    for batch in torch.randperm(len(labels)).split(BATCH):
        optimizer.zero_grad()
        F.cross_entropy(model(images[batch])[1], labels[batch]).backward()
        optimizer.step()
    return time.perf_counter() - started


if __name__ == "__main__":
    os.environ["FERCORE_PROGRESS"] = "0"
    main()
