"""Speed and memory as ratios inside one run, by `make bench` into RESULTS.md; `run.py losses store` measures these parts alone.

Each pair is timed in turns, and the median of the ratios is told: a machine that is busy with other work slows both.
"""

import os
import platform
import re
import sys
from pathlib import Path

import numpy as np
import torch
import torchvision
from input_pipeline import pipeline_rows
from losses import loss_rows, sampler_rows
from storage import simfer_rows, store_rows
from sweep_scaling import sweep_rows
from training import equivalence_rows, method_rows, precision_rows, training_rows, waiting_rows

RESULTS = Path(__file__).with_name("RESULTS.md")
PARTS = {  # in the order of the page: what is measured, and what is wanted of it
    "training": (
        training_rows,
        "The loop is to reach 95 % of the bare one (ratio at most 1.05), LeNets++ 75 % of the peak (1.33).",
    ),
    "precision": (precision_rows, "Below 1 where the processor computes bfloat16 itself, as precision=auto finds out."),
    "equivalence": (
        equivalence_rows,
        "Accuracy on the test images; the last column is the mean paired difference in points, whose interval is to hold 0.",
    ),
    "waiting": (waiting_rows, "To cost nothing alone (1.00), and to pay beside another program."),
    "methods": (method_rows, "The loss alone is to cost at most 3 % of a step (0.03)."),
    "losses": (
        loss_rows,
        "At most 1.10 of the better of the direct form and pytorch-metric-learning. Forward and backward, in processor time.",
    ),
    "samplers": (
        sampler_rows,
        "ms_nss is to take at most 64 MB at 10,000 classes, at 7 to be no slower than the direct way. In processor time.",
    ),
    "input": (pipeline_rows, "At least 10 times as fast at crop 90 (0.10), 3 times at 224 (0.33)."),
    "store": (store_rows, "Reading is to be 5 times as fast as decoding (0.20), and memory the same within 10 %."),
    "simfer": (simfer_rows, "Rendered in processes that share nothing."),
    "sweep": (sweep_rows, "At most 0.6 of one single-threaded process's time, and 1 of one process's with two threads."),
}
HEADER = ("what", "fercore", "compared with", "that", "ratio of times")


def main(chosen: list[str]) -> None:
    """Measure the chosen parts, all if none is named, and write them; the others' tables stay as they are."""
    if unknown := set(chosen) - set(PARTS):
        sys.exit(f"error: no part is called {sorted(unknown)[0]!r}; there are: {', '.join(PARTS)}")
    for name in chosen or PARTS:
        measure, wanted = PARTS[name]
        before = machine()
        lines = ["| " + " | ".join(row) + " |" for row in (HEADER, ("---",) * 5, *measure())]
        text = "\n".join([f"{wanted} {before}", "", *lines])
        print(f"## {name}\n\n{text}\n", flush=True)
        write(name, text)


def machine() -> str:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    cores = (
        f"{len(os.sched_getaffinity(0))} cores ({model[1] if model else platform.machine()}), {torch.get_num_threads()} threads"
    )
    versions = f"Python {platform.python_version()}, PyTorch {torch.__version__}, torchvision {torchvision.__version__}"
    return f"*{cores}; {versions}, NumPy {np.__version__}; load {os.getloadavg()[0]:.1f} before the part began.*"


def write(name: str, text: str) -> None:
    """Put a part into its place on the page."""
    known = dict(re.findall(r"^## (\w+)\n\n(.*?)\n*(?=^## |\Z)", RESULTS.read_text(), flags=re.MULTILINE | re.DOTALL))
    known[name] = text
    parts = [f"## {part}\n\n{known[part]}\n" for part in PARTS if part in known]
    intro = "Made by `make bench`. Medians; a ratio above 1 means that fercore is slower than what it is compared with."
    RESULTS.write_text("\n".join([f"# Speed and memory\n\n{intro}\n", *parts]))


if __name__ == "__main__":
    os.environ["FERCORE_PROGRESS"] = "0"
    main(sys.argv[1:])
