"""Which cells are folded: a rule, which the committed notebooks follow."""

import ast
import json

import pytest

from book.fold import fold_file, is_plumbing
from fercore.paths import NOTEBOOKS

PATHS = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
TAUGHT = {"torch", "ms_nss"}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_committed_notebooks_are_folded_by_the_rule(path):
    same = fold_file(path) == path.read_text(encoding="utf-8")
    assert same, f"{path.name} has cells that the rule folds otherwise: python -m book.fold"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_parameters_cell_keeps_its_tag_first(path):
    cells = json.loads(fold_file(path))["cells"]
    tags = [cell["metadata"].get("tags", []) for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    assert tags == [["parameters", "hide-input"]]


@pytest.mark.parametrize(
    "code",
    [
        "import torch\nfrom fercore.samplers import ms_nss\nuse_style()",
        'figure = draw(torch.ones(3))\nsave_figure(figure, "name", PROFILE)',
        'x = torch.ones(3)\ncheck("three", x.sum() == 3)',
        'if PROFILE == "laptop":\n    check("three", numbers == 3)',
        "show_table(pd.DataFrame(rows))",
        'configs = {"a": 1} | others(PROFILE)',
        "def label(run):\n    return run.config.method",
    ],
)
def test_plumbing_is_folded(code):
    assert is_plumbing(ast.parse(code), TAUGHT)


@pytest.mark.parametrize(
    "code",
    [
        "def my_loss(x, y):\n    return (x - y).sum()",
        'def shape(run):\n    """[K] how long a class is."""\n    return run.length',
        "n = ms_nss(x, y, c)",
        'print(f"{torch.ones(3).sum()}")',
        "accuracies['DDA'] - accuracies['softmax']",
    ],
)
def test_what_teaches_stays_open(code):
    assert not is_plumbing(ast.parse(code), TAUGHT)
