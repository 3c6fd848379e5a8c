"""The page "How do I bring my own faces, network and tracker?": its code runs from top to bottom, in one folder."""

import json
import re
import shlex
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fercore.cli import main
from fercore.config import RunConfig
from fercore.paths import ROOT
from fercore.train import train
from fercore.trained import load_trained, predict
from simfer.dataset import PRESETS, draw, items
from tests.data.trees import class_folders

PAGE = (ROOT / "book" / "own_run.md").read_text()
BLOCKS = re.findall(r"^```(python|bash)\n(.*?)^```", PAGE, re.M | re.S)


class Writer:
    """What TensorBoard's SummaryWriter is called with."""

    scalars: list[tuple[str, float, int]] = []  # noqa: RUF012

    def __init__(self, folder: str) -> None:
        assert folder == "curves"

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars.append((name, value, step))


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """An empty folder with faces of three classes, where one stands and Python looks for modules."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "data"))
    class_folders(tmp_path / "faces", ["calm", "glad", "tense"], {"": (9, 9, 9)}, file="{i:04d}.png")
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=Writer))
    yield tmp_path
    sys.modules.pop("my_trunk", None)


def call(line: str) -> None:
    """A command of the page."""
    python, dash, module, *arguments = shlex.split(line)
    assert (python, dash, module) == ("python", "-m", "fercore")
    with pytest.raises(SystemExit) as finished:
        main(arguments)
    assert not finished.value.code


def test_the_page_runs_from_top_to_bottom(place, capfd):
    assert len(BLOCKS) == PAGE.count("```") / 2
    known = {}
    for language, block in BLOCKS:
        if language == "bash":
            for line in block.splitlines():
                call(line)
        elif name := re.match(r"# (\w+\.py)\n", block):
            (place / name[1]).write_text(block)
        elif "import cv2" not in block:
            exec(compile(block, "own_run.md", "exec"), known)
    assert {(name, step) for name, _, step in Writer.scalars} >= {("loss", 1), ("val_loss", 1)}
    out = capfd.readouterr().out
    rows = json.loads(out[out.index("\n[\n") :])
    assert [row["status"] for row in rows] == ["finished"] * 2
    assert all(0 <= row["accuracy"] <= 1 for row in rows)


def test_a_face_is_found_in_a_big_picture(place, capsys):
    pytest.importorskip("cv2")
    (block,) = [block for _, block in BLOCKS if "import cv2" in block]
    face = draw(items(PRESETS["people"], 2, "train")[0], PRESETS["people"], 2).resize((160, 160))
    picture = Image.new("RGB", (600, 400), "gray")
    picture.paste(face, (200, 100))
    picture.save("picture.png")
    known = {"Image": Image, "result": train(RunConfig(method="softmax", data="folder:faces", width=0.0625, epochs=1))}
    exec(compile(block, "own_run.md", "exec"), known)
    x, y, width, height = known["boxes"][0]
    assert abs(x + width / 2 - 280) < 40
    assert abs(y + height / 2 - 180) < 40
    assert known["probabilities"].shape == (len(known["boxes"]), 3)
    assert np.allclose(known["probabilities"].sum(axis=1), 1)


# --- a network of one's own ---------------------------------------------------------------------------------------------


NETWORKS = """
import torch
from torch import nn

def embedding():
    layers = nn.Conv2d(3, 16, 3, stride=2), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2), nn.BatchNorm2d(32)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())

def flat():
    return nn.Flatten(2)

def several():
    return nn.AdaptiveMaxPool2d(1, return_indices=True)

def needs_more(size):
    return nn.Conv2d(3, size, 3)

made_already = nn.Conv2d(3, 8, 3)

def whole_numbers():
    return Plain(lambda network, images: network.conv(images).long())

def one_of_all():
    return Plain(lambda network, images: network.conv(images)[:1])

class Plain(nn.Module):
    # with numbers that are in no file of weights, and a look at them
    def __init__(self, then=lambda network, images: network.conv(images) * network.kept * network.attribute):
        super().__init__()
        self.conv, self.then, self.attribute = nn.Conv2d(3, 8, 3, stride=4), then, torch.ones(1)
        self.register_buffer("kept", torch.full((8, 1, 1), 2.0), persistent=False)

    def forward(self, images):
        return self.then(self, images) if self.attribute.item() == 1 else None
"""
TINY = {"data": "folder:faces", "image_size": 32, "crop": 32, "epochs": 1, "batch_size": 8}


@pytest.mark.parametrize("method", ["softmax", "dacl", "amtc3l-ms", "nplusm-2b"])
def test_a_network_that_returns_embeddings_trains_with_every_kind_of_method(place, method):
    (place / "my_trunk.py").write_text(NETWORKS)
    result = train(RunConfig(method=method, trunk="my_trunk:embedding", **TINY), device="cpu")
    assert result.status == "finished"


def test_numbers_that_no_file_of_weights_has_are_there_when_a_network_is_loaded(place):
    (place / "my_trunk.py").write_text(NETWORKS)
    config = RunConfig(method="softmax", trunk="my_trunk:Plain", **TINY)
    train(config, device="cpu")
    state = torch.get_rng_state()
    trunk = load_trained(config, "cpu").model.trunk
    assert trunk.network.kept.unique().tolist() == [2]
    assert torch.equal(torch.get_rng_state(), state)
    _, probabilities = predict(sorted(Path("faces").rglob("*.png"))[:2], config)
    assert np.isfinite(probabilities).all()


@pytest.mark.parametrize(
    ("trunk", "said"),
    [
        (
            "my_trunk:flat",
            r"my_trunk:flat must return a feature map \[m, C, h, w\] or an embedding \[m, C\], got \[2, 3, 1024\] ",
        ),
        ("my_trunk:whole_numbers", r"my_trunk:whole_numbers must return .* got \[2, 8, 8, 8\] of torch.int64 for 2 images"),
        ("my_trunk:one_of_all", r"my_trunk:one_of_all must return .* got \[1, 8, 8, 8\] of torch.float32 for 2 images"),
        ("my_trunk:needs_more", "my_trunk:needs_more must be a function or class that makes a module when it is called"),
        ("my_trunk:made_already", "my_trunk:made_already must be a function or class that makes a module when it is called"),
        ("my_trunk:several", "my_trunk:several must return .* got tuple"),
        ("my_trunk:none", "my_trunk:none is not found .* Python must be able to import it"),
        ("my_trink:embedding", "my_trink:embedding is not found .*No module named 'my_trink'"),
        ("embedding", "or a network of your own as package.module:name, got 'embedding'"),
        ("my_trunk:", "or a network of your own as package.module:name, got 'my_trunk:'"),
    ],
)
def test_what_is_no_trunk_is_refused_in_a_line(place, capsys, trunk, said):
    (place / "my_trunk.py").write_text(NETWORKS)
    with pytest.raises(SystemExit) as exit_:
        main(["train", "--data", "folder:faces", "--image-size", "32", "--crop", "32", "--trunk", trunk])
    assert re.search(said, exit_.value.code)
    assert "\n" not in exit_.value.code


# --- rows of epochs -----------------------------------------------------------------------------------------------------


def test_epochs_are_handed_out_when_they_are_kept(place):
    config = RunConfig(method="softmax", width=0.0625, **TINY | {"epochs": 3})
    rows = []

    def stop_after_two(row):
        rows.append(row)
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, device="cpu", on_epoch=stop_after_two)
    result = train(config, device="cpu", on_epoch=rows.append)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows == result.epochs
    train(config, device="cpu", on_epoch=rows.append)
    assert len(rows) == 3


def test_a_progress_line_shares_its_line_with_nothing(place, monkeypatch, capsys):
    """Neither with what is printed after an interruption nor, in a log file, with a table."""
    monkeypatch.delenv("FERCORE_PROGRESS")

    def interrupt(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(RunConfig(method="softmax", width=0.0625, **TINY), device="cpu", on_epoch=interrupt)
    assert re.search(r"\d % of \d+ steps.*\n$", capsys.readouterr().err)
    call("python -m fercore data check folder faces")
    assert re.search(r"^decoding: .*\n$", capsys.readouterr().err.rpartition("\r")[2])


def test_an_epoch_that_diverges_is_handed_out_too(place):
    rows = []
    result = train(RunConfig(method="softmax", width=0.0625, lr=1e3, **TINY), device="cpu", on_epoch=rows.append)
    assert result.diverged
    assert rows == result.epochs
