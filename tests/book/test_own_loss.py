"""The project "add your own loss", done from its text: what stands there runs, at the shortest profile made shorter."""

import re
import sys

import pytest

from fercore.methods.table import METHODS
from fercore.paths import ROOT
from fercore.profiles import RECIPES

PAGE = ROOT / "book" / "exercises" / "own_loss.md"


def forget() -> None:
    """As in a fresh kernel: the method is unknown until its module is imported."""
    METHODS.pop("soft-center", None)
    sys.modules.pop("my_loss", None)


@pytest.fixture
def without_traces(monkeypatch, tmp_path):
    """A folder of one's own to import from; the table of methods and the imported modules are as before, afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    forget()


@pytest.fixture
def short_recipes(monkeypatch) -> None:
    """The page's trainings on digits and on faces see few images, once, in narrow networks."""
    for data, share in (("wmnist", 0.02), ("simfer", 0.1)):
        shorter = RECIPES[data]["quick"] | {"data_fraction": share, "epochs": 1, "width": 0.0625}
        monkeypatch.setitem(RECIPES[data], "quick", shorter)


@pytest.mark.usefixtures("short_recipes")
def test_the_page_leads_to_a_place_on_the_leaderboard(without_traces, capsys):
    file, check, *steps = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    name = re.match(r"# (\w+\.py)\n", file)[1]
    (without_traces / name).write_text(file, encoding="utf-8")
    exec(check, {})
    forget()
    space = {}
    for step in steps:
        exec(step.replace('PROFILE = "laptop"', 'PROFILE = "quick"'), space)
    printed = capsys.readouterr().out
    assert "distance 10.0: pull 0.10, center loss 10.00" in printed
    assert re.search(r"soft center loss is number [12] of 2\n", printed)
