"""One run's dealings with the store, from the look whether it is there to its result."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from fercore.config import RunConfig
from fercore.data import Splits
from fercore.errors import StoreError
from fercore.parallel.devices import Execution
from fercore.parallel.distributed import by_first
from fercore.parallel.sums import world_size
from fercore.paths import CHECKOUT, ROOT, shown
from fercore.runs import files
from fercore.runs.find import find_result, require_trainable
from fercore.runs.identity import describe_change, facts_of
from fercore.runs.local import forget_checkpoint, local_folder, open_folder
from fercore.runs.result import RunResult, read_result, write_result

Parts = Mapping[str, nn.Module | torch.optim.Optimizer]  # what learns, by the names under which a checkpoint keeps it


@dataclass
class Record:
    """What a training has reached.

    Attributes:
        data: what it trains on, see `identity.facts_of`.
        epochs: a row each, see `RunResult`.
        snapshots: where chosen images and the centers lie after each epoch, see `evaluation.artifacts.take_snapshot`.
        best: of the epoch that is best on the validation split, its "val_balanced_accuracy" and weights ("model").
        seconds: that it took, interruptions left out.
    """

    data: dict[str, Any] = field(default_factory=dict)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    snapshots: list[dict[str, Tensor]] = field(default_factory=list)
    best: dict[str, Any] | None = None
    seconds: float = 0.0


class Session:
    """One run in the store, on behalf of all processes that train it together.

    The first process does each step. The others wait for it and get what it got: a result, a record, or the error. In the
    order of a training: `find` it, and where it is not there, keep it `locked`, `resume`, `save` after each epoch, `keep` the
    weights, `finish`.

    Args:
        config: the run.
        fresh: train again what an earlier session trained, from the beginning.
    """

    def __init__(self, config: RunConfig, *, fresh: bool = False) -> None:
        self.config, self.fresh = config, fresh
        self.folder = local_folder(config)
        self.checkpoint = self.folder / "checkpoint.pt"
        self.lock = FileLock(self.folder / "lock")  # released by the system when its holder dies

    @by_first
    def find(self) -> RunResult | None:
        """The finished run; None where it is to be trained.

        Raises:
            NotShipped: it is not there, and FERCORE_SHIPPED_ONLY=1 forbids training it.
        """
        result = find_result(self.config, fresh=self.fresh)
        if result is None and not self.fresh:
            require_trainable(self.config)
        return result

    @by_first
    def weights(self, epoch: str) -> Path | None:
        """The file of the "best" or "last" epoch's weights; None where it is not here, as a shipped run's is not."""
        file = self.folder / f"{epoch}.safetensors"
        return file if file.exists() else None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run, having waited for whoever trains it.

        Raises:
            StoreError: its folder cannot be written.
        """
        self.take_lock()
        try:
            yield
        finally:
            self.lock.release()

    @by_first
    def take_lock(self) -> None:
        open_folder(self.config)
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            print(f"waiting for another process that trains {self.config.id}", file=sys.stderr)
            self.lock.acquire()
        except OSError as error:  # a link or a folder of its name
            raise files.unwritable(self.folder / "lock", error) from None
        if self.fresh:
            forget_checkpoint(self.config)

    def resume(self, parts: Parts, data: Splits) -> Record:
        """What an interrupted session reached, its state put into `parts`; an empty record where there was none.

        Raises:
            StoreError: its checkpoint is damaged, or of another run or network, or the data were changed since.
        """
        state, now = self.load(), facts_of(data)
        if state is None:
            return Record(now)
        try:
            if change := describe_change(state.setdefault("data", now), now):
                mend = "delete it to start again, or give the changed set a name of its own"
                raise StoreError(f"{shown(self.checkpoint)} is of a training on other data ({change}); {mend}")
            for name, part in parts.items():
                part.load_state_dict(state[name])
            record = Record(**{known.name: state[known.name] for known in fields(Record)})
            if [row["epoch"] for row in record.epochs] != list(range(1, self.config.epochs + 1))[: len(record.epochs)]:
                raise ValueError("its epochs are others")
            return record
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise StoreError(f"{shown(self.checkpoint)} is not of this run ({reason}); delete it to start again") from None

    @by_first
    def load(self) -> dict[str, Any] | None:
        return files.read(self.checkpoint, self.config.id) if os.path.lexists(self.checkpoint) else None

    @by_first
    def save(self, record: Record, parts: Parts) -> None:
        """Make this the place from which a killed training goes on."""
        state = vars(record) | {name: part.state_dict() for name, part in parts.items()}
        files.write(self.checkpoint, state, self.config.id)

    @by_first
    def forget_other(self, record: Record) -> None:
        """Delete the result of an earlier training of this run, and what was asked of its network, unless it learned the same.

        So a process that is killed while it writes leaves no old result beside new weights, but its checkpoint alone.
        """
        before = read_result(self.folder, self.config.id)
        losses = [row["loss"] for row in record.epochs]
        if before is None or before.losses != losses or describe_change(before.provenance, record.data):
            for file in (self.folder / "result.json", *self.folder.glob("*.npz")):
                file.unlink(missing_ok=True)

    @by_first
    def keep(self, weights: Mapping[str, dict[str, Tensor]]) -> None:
        """Write NAME.safetensors for each name."""
        for name, tensors in weights.items():
            files.write(self.folder / f"{name}.safetensors", tensors, self.config.id)

    @by_first
    def finish(self, result: RunResult, arrays: dict[str, np.ndarray]) -> RunResult:
        """Store the result, with which the run is finished; there is nothing to go on with any more."""
        stored = write_result(self.folder, result, arrays)
        self.checkpoint.unlink(missing_ok=True)
        return stored


# --- provenance ---------------------------------------------------------------------------------------------------------


def describe_machine(config: RunConfig, execution: Execution, data: Splits, seconds: float) -> dict[str, Any]:
    """Where, when and with what a run was made."""
    device = execution.device
    return {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "seed": config.seed,
        "dirty": git_state()[1],
        **versions(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {platform.machine()}",
        "threads": torch.get_num_threads(),
        "data": data.name,
        **facts_of(data),
        "class_names": list(data.class_names),
        "mean": list(data.mean),
        "std": list(data.std),
        "minority": list(data.minority),
        "precision": execution.precision,
        "processes": world_size(),
        "sync_batchnorm": execution.sync_batchnorm and world_size() > 1,
        "compiled": execution.compiled,
    }


def made_otherwise(result: RunResult, again: RunResult | None = None) -> list[str]:
    """With which other versions a stored run was made, as "torch 2.9.0 (here 2.10.0)"; and, trained `again`, how else."""
    then, now = result.provenance, versions()
    now |= {name: again.provenance.get(name) for name in ("device", "threads", "data_fingerprint")} if again else {}
    return [f"{name} {then[name]} (here {here})" for name, here in now.items() if here and then.get(name, here) != here]


def versions() -> dict[str, str | None]:
    """What may change a training's numbers: the code and what it stands on."""
    return {
        "commit": git_state()[0],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": version("torchvision"),
        "numpy": np.__version__,
    }


@cache
def git_state() -> tuple[str | None, bool | None]:
    """The commit of the code that this process runs and whether tracked files differ from it; None outside a git checkout."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    if not CHECKOUT:  # installed packages may lie in a folder of somebody else's repository
        return None, None
    try:
        return git("rev-parse", "--short=12", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return None, None
