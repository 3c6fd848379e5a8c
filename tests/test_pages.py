"""The pages of the repository: every link and named file is there, the map names every room, the README's code runs."""

import re
import sys
import types

import nbformat
import pytest
import torch
from PIL import Image

from fercore.config import RunConfig
from fercore.methods import build, objectives, table
from fercore.methods.objectives import Step
from fercore.paths import ROOT

PAGES = ["README.md", "CONTRIBUTING.md", "ERRATA.md", "data/README.md", "figures/INDEX.md", "figures/REPORT.md"]
PLACEHOLDER = re.compile("NN_name|/ID/|yours")
README = (ROOT / "README.md").read_text()
FINDINGS = re.findall(r"^- .*$", README.split("What the chapters found")[1].split("```")[0], re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file(page):
    links = re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text())
    local = [link for link in links if not link.startswith("http")]
    assert not [link for link in local if not ((ROOT / page).parent / link).exists()]


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_is_named_is_there(page):
    named = re.findall(r"`((?:fercore|simfer|tests|results|figures|notebooks)/[\w./]*)`", (ROOT / page).read_text())
    assert not [name for name in named if not (ROOT / name).exists() and not PLACEHOLDER.search(name)]


def test_numbers_that_a_page_explains_stand_in_the_report():
    explained = re.findall(r"^\*\*`(.+?)`\*\*", (ROOT / "book" / "intervals.md").read_text(), flags=re.MULTILINE)
    assert len(explained) == 3
    report = (ROOT / "figures" / "REPORT.md").read_text()
    assert not [number for number in explained if number not in report]


@pytest.mark.parametrize("finding", FINDINGS)
def test_the_numbers_of_a_finding_stand_in_its_chapter(finding):
    (chapter,) = re.findall(r"\]\((notebooks/\S+?)\)", finding)
    cells = nbformat.read(ROOT / chapter, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    printed = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]
    told = " ".join(printed + [cell.source for cell in cells if cell.cell_type == "markdown"]).replace("−", "-")
    numbers = re.findall(r"[+-]?\d+\.?\d*", re.sub(r"\[\d\d\]\(.*?\)", "", finding))
    assert not [number for number in numbers if not re.search(rf"(?<![\d.]){re.escape(number.rstrip('.'))}(?![\d])", told)]


def test_the_map_names_every_room_of_the_library():
    drawn = (ROOT / "CONTRIBUTING.md").read_text().split("```")[1]
    rooms = [path.name for path in (ROOT / "fercore").iterdir() if not path.name.startswith(("__init__", "__pycache__"))]
    assert not [room for room in rooms if not re.search(rf"\b{re.escape(room)}\b", drawn)]
    assert not [name for name in re.findall(r"(\w+\.py)\b", drawn) if name not in rooms and name != "test_layers.py"]


def test_the_readmes_loop_trains():
    (loop,) = re.findall(r"```python\n(.*?)```", README.split("## Use one loss in your own loop")[1].split("\n## ")[0], re.S)
    torch.manual_seed(0)
    batches = list(zip(torch.randn(4, 16, 8), torch.randint(10, (4, 16)), strict=True))
    trunk, classifier = torch.nn.Linear(8, 32), torch.nn.Linear(32, 10)
    yours = {"loader": batches, "trunk": trunk, "classifier": classifier}
    yours["optimizer"] = torch.optim.SGD([*trunk.parameters(), *classifier.parameters()], lr=0.1)
    before = trunk.weight.detach().clone()
    exec(loop, yours)
    assert yours["loss"].isfinite()
    assert not trunk.weight.equal(before)


def test_the_moving_picture_is_small_and_its_still_is_its_end():
    with Image.open(ROOT / "figures" / "plane.gif") as film, Image.open(ROOT / "figures" / "plane.png") as still:
        assert film.n_frames > 12
        film.seek(film.n_frames - 1)
        assert film.convert("RGB").tobytes() == still.convert("RGB").tobytes()
    assert (ROOT / "figures" / "plane.gif").stat().st_size < 1.5e6


def test_the_readmes_loss_is_a_method(monkeypatch):
    loss, row = README.split("## Add a loss of your own")[1].split("```python\n")[1:3]
    written = types.SimpleNamespace(your_loss=lambda embeddings, labels, centers: (embeddings - centers[labels]).abs().sum())
    monkeypatch.setitem(sys.modules, "fercore.losses.yours", written)
    own = dict(vars(objectives))
    exec(loss.split("```")[0], own)
    monkeypatch.setattr(objectives, "Yours", own["Yours"], raising=False)
    monkeypatch.setattr(table, "METHODS", dict(table.METHODS))
    exec(row.split("```")[0], vars(table))
    config = RunConfig(method="yours", data="wmnist", profile="quick", weight=2.0)
    _, objective = build(config, 10)
    x, labels = torch.randn(4, 2, requires_grad=True), torch.arange(4)
    step = Step(x, torch.zeros(4, 10), labels)
    added = objective(step) - objectives.Softmax.forward(objective, step)
    assert added.item() == pytest.approx(2 * (x - objective.centers[labels]).abs().sum().item())
