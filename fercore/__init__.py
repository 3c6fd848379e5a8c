"""Metric learning for facial expression recognition: a library, and the course and the papers' tables that stand on it.

- `losses`, `samplers`, `mining`, `tuples`, `models`: the mathematics, pure functions and modules of PyTorch.
- `config`, `methods`, `profiles`: what a run is. `data`, `train`, `sweep`, `trained`: what happens to it.
- `runs`, `evaluation`, `parallel`: where results lie, what is measured of them, on how many processes.
- `papers`, `course`, `plots`, `cli`: published tables beside ours, the notebooks, their figures, the command line.

    from fercore import METHODS, RunConfig, load_trained, predict
    from fercore.train import train

PyTorch is imported with the first part that computes.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fercore.config import RunConfig
    from fercore.methods.table import METHODS
    from fercore.trained import load_trained, predict

__version__ = "0.1.0"

# Before PyTorch is loaded: threads that spin while they wait for each other are many times slower beside another program.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__all__ = ["METHODS", "RunConfig", "load_trained", "predict"]
LAZY = {"METHODS": "methods.table", "RunConfig": "config", "load_trained": "trained", "predict": "trained"}


def __getattr__(name: str) -> Any:
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{LAZY[name]}"), name)
