"""Runs that take a second, for tests that break their files."""

from pathlib import Path

import pytest

from fercore.config import RunConfig
from fercore.papers.analyses import examine
from fercore.runs.session import Session
from fercore.train import train
from tests.faces import TINY

KINDS = ("result.json", "arrays.npz", "last.safetensors", "best.safetensors", "objective.safetensors", "probabilities.npz")


def config_of(tree: Path, **values: object) -> RunConfig:
    return RunConfig(**({"method": "center", "data": f"simfer:{tree}", "lr": 0.01} | TINY | values))


def train_with_answers(config: RunConfig) -> None:
    """Train, and ask one analysis: every kind of file that a finished run has."""
    train(config, device="cpu")
    examine(config, "probabilities", device="cpu")


def break_off(config: RunConfig) -> None:
    """Train one epoch, of which a checkpoint stays."""
    save = Session.save

    def save_and_stop(*arguments: object) -> None:
        save(*arguments)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            train(config, device="cpu")
