"""Two processes train as one does with the same batch: the real loop in float64, step by step."""

import contextlib
import dataclasses
import itertools
import os
import socket
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
import torch.distributed.run
from safetensors.torch import load_file
from torch import Tensor
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException
from torch.optim.optimizer import register_optimizer_step_pre_hook

import fercore.train as loop
from fercore.cli import main
from fercore.config import RunConfig
from fercore.data import Images, load_data
from fercore.errors import DataError
from fercore.losses.class_centers import ClassCenters
from fercore.parallel.distributed import bounds, gather, meet, on_first, share
from fercore.runs.local import local_folder
from fercore.runs.result import RunResult
from fercore.samplers import MisclassificationRecord
from fercore.train import train
from tests.digits import TINY
from tests.forks import in_processes
from tests.killed import die_when_saved

# 94 images, two epochs of six steps: shares of 8 and 9; last batches of 9, shares of 4 and 5.
TWELVE_STEPS = TINY | {"data_fraction": 0.003, "batch_size": 17, "epochs": 2, "width": 1 / 32}
CASES = {
    name: RunConfig(**TWELVE_STEPS | values)
    for name, values in {
        "softmax": {"method": "softmax"},
        "center": {"method": "center"},
        "dda": {"method": "dda", "lr": 0.001},
        "dda released": {"method": "dda", "lr": 0.001, "normalization": "released"},
        "dacl": {"method": "dacl"},
        "amtc3l-mm": {"method": "amtc3l-mm"},
        "amtc3l-ns": {"method": "amtc3l-ns"},
        "tc3l-ns, each batch": {"method": "tc3l-ns", "memory": "batch"},
        "nplusm-2b": {"method": "nplusm-2b"},
        "nplusm-2b, queries": {"method": "nplusm-2b", "softmax_of": "queries", "data_fraction": 0.001, "epochs": 1},
        "triplet": {"method": "triplet"},
        "clipped": {"method": "dda", "clip_norm": 0.1},
        "adam": {"method": "softmax", "optimizer": "adam", "lr": 0.001},
        "last batch of one image": {"method": "center", "batch_size": 31},
        "diverged": {"method": "dda", "gamma": 1e6},
    }.items()
}
EXACT = 1e-9  # in float64; the step that two processes differ in first is rounding


@cache
def load_short(name: str, **options: Any):
    splits = load_data(name, **options)
    return dataclasses.replace(splits, test=Images(splits.test.images[:51], splits.test.labels[:51]))


@contextlib.contextmanager
def float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def watch(config: RunConfig) -> dict[str, Any]:
    """Train in float64; every step's loss, gradient, centers and record, every epoch's numbers, and the last weights."""
    seen: dict[str, list[Any]] = {"loss": [], "gradient": [], "centers": [], "record": []}

    def see_loss(loss: Tensor | float, lost=loop.has_diverged) -> bool:
        seen["loss"].append(torch.as_tensor(loss).detach())
        return lost(loss)

    def see_gradient(optimizer: torch.optim.Optimizer, *_: object) -> None:
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        seen["gradient"].append(torch.cat([weight.grad.flatten() for weight in weights]))

    def see_centers(self, *arguments: Any, update=ClassCenters.update, **options: Any) -> None:
        update(self, *arguments, **options)
        seen["centers"].append(self.centers.clone())

    def see_record(self, *arguments: Any, update=MisclassificationRecord.update) -> None:
        update(self, *arguments)
        seen["record"].append(self.matrix.clone())

    hook = register_optimizer_step_pre_hook(see_gradient)
    with (
        float64(),
        patch.object(loop, "GUARD_EVERY", 1),
        patch.object(loop, "has_diverged", see_loss),
        patch.object(loop, "load_data", load_short),
        patch.object(ClassCenters, "update", see_centers),
        patch.object(MisclassificationRecord, "update", see_record),
    ):
        result = train(config, device="cpu", precision="fp32", sync_batchnorm=True)
    hook.remove()
    return seen | told(result)


def told(result: RunResult) -> dict[str, Any]:
    """What a result says, without times; the weights of the last epoch too."""
    epochs = [{key: value for key, value in row.items() if key != "seconds"} for row in result.epochs]
    path = local_folder(result.config) / "last.safetensors"
    weights = load_file(path) if path.exists() else {}
    return {"status": result.status, "epochs": epochs, "test": result.test, "weights": weights}


# --- two processes ------------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def join(rank: int, folder: str, port: int, processes: int = 2) -> None:
    """Be one of torchrun's processes."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"FERCORE_RUNS": f"{folder}/runs", "FERCORE_PROGRESS": "0"}
    os.environ.pop("FERCORE_SHIPPED_ONLY", None)


def train_all(rank: int, folder: str, port: int) -> None:
    join(rank, folder, port)
    torch.save({name: watch(config) for name, config in CASES.items()}, f"{folder}/{rank}.pt")


@pytest.fixture(scope="module")
def together(mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes saw of every case."""
    folder = tmp_path_factory.mktemp("together")
    in_processes(2, train_all, str(folder), free_port())
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in (0, 1)]


def number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def agree(found: object, wanted: object) -> None:
    torch.testing.assert_close(found, wanted, rtol=EXACT, atol=EXACT, equal_nan=True)


@pytest.mark.parametrize("name", CASES)
def test_two_processes_train_as_one(name, together):
    alone = watch(CASES[name])
    for process in together:
        there = process[name]
        assert there["status"] == alone["status"]
        assert len(there["loss"]) == len(alone["loss"])
        for kind in ("loss", "gradient", "centers", "record"):
            agree(there[kind], alone[kind])
        agree(there["weights"], alone["weights"])
        assert len(there["epochs"]) == len(alone["epochs"])
        for found, wanted in zip(there["epochs"], alone["epochs"], strict=True):
            assert found.keys() == wanted.keys()
            agree(list(map(number, found.values())), list(map(number, wanted.values())))
        assert there["test"] == alone["test"]


def test_the_cases_are_what_they_are_meant_to_be(together):
    for name, found in together[0].items():
        if name == "diverged":
            assert found["status"] == "diverged"
            continue
        assert found["status"] == "finished"
        assert len(found["gradient"]) == {"last batch of one image": 8, "nplusm-2b, queries": 31}.get(name, 12)
    assert together[0]["amtc3l-ns"]["record"][-1].sum() > 20
    assert len(together[0]["dacl"]["centers"]) == 12


# --- the pieces ---------------------------------------------------------------------------------------------------------


def refuse() -> None:
    raise DataError("no such folder: nowhere")


def use_pieces(rank: int, folder: str, port: int) -> None:
    join(rank, folder, port)
    meet("cpu")
    found: dict[str, Any] = {}
    for total in (1, 2, 5):
        rows = torch.arange(2.0 * total).view(total, 2)[share(total)].requires_grad_()
        whole = gather(rows, total)
        (whole * whole).sum().backward()
        found[f"gathered {total}"] = (whole.detach(), rows.grad)
    found["decided"] = on_first(lambda: f"by {rank}")
    try:
        on_first(refuse)
    except DataError as error:
        found["error"] = str(error)
    torch.save(found, f"{folder}/{rank}.pt")


def test_rows_are_gathered_and_gradients_come_home(tmp_path):
    in_processes(2, use_pieces, str(tmp_path), free_port())
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    for total in (1, 2, 5):
        rows = torch.arange(2.0 * total).view(total, 2)
        for whole, _ in (first[f"gathered {total}"], second[f"gathered {total}"]):
            assert torch.equal(whole, rows)
        gradients = [first[f"gathered {total}"][1], second[f"gathered {total}"][1]]
        if total == 1:  # the first has no row that counts
            assert gradients[0].tolist() == [[0.0, 0.0]]
            gradients = gradients[1:]
        assert torch.equal(torch.cat(gradients), 2 * 2 * rows)
    assert first["decided"] == second["decided"] == "by 0"
    assert "nowhere" in first["error"]
    assert first["error"] == second["error"]


def test_shares_are_disjoint_and_complete(monkeypatch):
    monkeypatch.setattr("fercore.parallel.distributed.world_size", lambda: 3)
    for total in range(1, 12):
        found = [bounds(total, process) for process in range(3)]
        assert found[0][0] == 0
        assert found[-1][1] == total
        assert all(one[1] == following[0] for one, following in itertools.pairwise(found))
        sizes = [stop - start for start, stop in found]
        assert max(sizes) - min(sizes) <= 1


def test_one_process_has_the_whole_batch():
    rows = torch.zeros(3, 2)
    assert share(3) == slice(0, 3)
    assert gather(rows, 3) is rows
    assert on_first(lambda: 5) == 5


# --- torchrun -----------------------------------------------------------------------------------------------------------

MILD = TINY | {"epochs": 3, "lr": 0.001}
COMMAND = ["train", "--method", "dda", "--device", "cpu", "--precision", "fp32"]  # bf16 would round more than is allowed
COMMAND += [part for key, value in MILD.items() for part in ("--set", f"{key}={value}")]
CONFIG = RunConfig(method="dda", **MILD)


def be_torchrun(rank: int, folder: Path, arguments: tuple[str, ...]) -> None:
    """torchrun, forked: the processes that it starts are what this is about, and they are those of the command."""
    for stream, name in ((1, "out"), (2, "errors")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    torch.distributed.run.main(["--standalone", "--nproc-per-node", "2", *arguments])


def torchrun(folder: Path, *arguments: str) -> tuple[str, str, str]:
    """In what torchrun ended, if not well; the output and the errors."""
    failure = ""
    try:
        in_processes(1, be_torchrun, folder, arguments)
    except ProcessRaisedException as error:
        failure = str(error)
    return failure, (folder / "out").read_text(), (folder / "errors").read_text()


@pytest.fixture(scope="module")
def alone(mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """The run, made by one process in a store of its own."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("FERCORE_RUNS", str(tmp_path_factory.mktemp("alone")))
        return train(CONFIG, device="cpu", precision="fp32")


def assert_nearly(found: RunResult, wanted: RunResult) -> None:
    """Equal, but for what rounding in float32 does in a training."""
    assert len(found.epochs) == len(wanted.epochs)
    for one, other in zip(found.epochs, wanted.epochs, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert one["val_loss"] == pytest.approx(other["val_loss"], rel=1e-4)
    np.testing.assert_allclose(found.arrays["centers"], wanted.arrays["centers"], atol=1e-3)
    assert found.accuracy == pytest.approx(wanted.accuracy, abs=0.01)


def test_torchrun_trains_one_run_and_says_so_once(alone, tmp_path):
    failure, out, errors = torchrun(tmp_path, "-m", "fercore", *COMMAND)
    assert not failure, errors
    assert out.count(f"{CONFIG.id}: test accuracy") == 1
    assert out.count("stored in") == 1
    assert sorted(file.name for file in local_folder(CONFIG).iterdir() if file.name != "lock") == [
        "arrays.npz",
        "best.safetensors",
        "last.safetensors",
        "objective.safetensors",
        "result.json",
    ]
    found = train(CONFIG)  # stored: it is not trained again
    assert found.provenance["processes"] == 2
    assert alone.provenance["processes"] == 1
    assert_nearly(found, alone)


def obey(rank: int, folder: str, port: int, processes: int, *, dies: bool = False) -> None:
    """Do what the command asks for, as torchrun's process of this rank does."""
    join(rank, folder, port, processes)
    if dies:
        die_when_saved()
    main(COMMAND)


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_another_number_of_processes_goes_on_with_a_run(before, after, alone, tmp_path):
    with pytest.raises((ProcessExitedException, ProcessRaisedException)):  # where one is killed, the other misses it
        in_processes(before, partial(obey, dies=True), str(tmp_path), free_port(), before)
    assert (local_folder(CONFIG) / "checkpoint.pt").exists()
    state = torch.load(local_folder(CONFIG) / "checkpoint.pt", weights_only=True)
    assert len(state["epochs"]) == 1
    in_processes(after, obey, str(tmp_path), free_port(), after)
    found = train(CONFIG)
    assert found.provenance["processes"] == after
    assert found.epochs[0] == state["epochs"][0]
    assert_nearly(found, alone)


def test_an_error_under_torchrun_is_said_once(tmp_path):
    command = ("train", "--data", f"rafdb:{tmp_path / 'nowhere'}", "--device", "cpu")
    failure, _, errors = torchrun(tmp_path, "-m", "fercore", *command)
    assert "ChildFailedError" in failure
    assert errors.count("error: ") == 1, errors
    assert str(tmp_path / "nowhere") in errors
    assert "fercore/train.py" not in errors + failure


@pytest.mark.parametrize("command", [["sweep"], ["course"], ["doctor"]])
def test_torchrun_is_for_one_training(command, run_cli):
    done = run_cli(*command, env={"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"})
    assert done.returncode == 1
    assert done.stderr.startswith("error: this command does not run under torchrun")
    assert len(done.stderr.splitlines()) == 1
