"""One training's dealings with the store."""

import platform
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
import torchvision
from filelock import Timeout

from fercore.config import RunConfig
from fercore.data import Splits
from fercore.paths import ROOT
from fercore.runs.local import forget_checkpoint, run_lock


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
