"""Processes that kill themselves when they have saved their first checkpoint."""

import os
import signal
from typing import Any

import pytest
from torch.multiprocessing import ProcessExitedException

from fercore.config import RunConfig, config_from
from fercore.runs.session import Session
from fercore.train import train
from tests.forks import in_processes


def die_when_saved() -> None:
    """From now on, the first checkpoint that this process saves is its end."""
    save = Session.save

    def save_and_die(*arguments: object) -> None:
        save(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    Session.save = save_and_die


def train_and_die(rank: int, values: dict[str, Any]) -> None:
    die_when_saved()
    train(config_from(values))


def kill_after_one_epoch(config: RunConfig) -> None:
    """Train in another process, which knows nothing of what a test patched in this one, and kill it."""
    with pytest.raises(ProcessExitedException, match="SIGKILL"):
        in_processes(1, train_and_die, config.to_dict())
