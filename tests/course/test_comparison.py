"""The strict comparison of the committed notebooks can fail: in a copy of the tree, one thing is broken at a time.

That they pass where nothing is broken is what `make test` compares; so each test here names the cell that is the first to fail.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from fercore.config import RunConfig
from fercore.paths import ROOT
from fercore.runs.files import file_sum


@pytest.fixture(scope="module")
def copied_tree(tmp_path_factory):
    """A copy of the tracked tree, to be broken."""
    tree = tmp_path_factory.mktemp("copy")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tree / name)
    return tree


def compare_notebook(tree: Path, name: str, *needed: str) -> subprocess.CompletedProcess:
    """What `make test` does to a notebook, inside `tree`; of its cells those with parameters, imports and `needed`."""
    book = nbformat.read(ROOT / "notebooks" / name, as_version=4)
    parts = ("PROFILE: str", "use_style()\n", *needed)
    book.cells = [cell for cell in book.cells if cell.cell_type == "code" and any(part in f"{cell.source}\n" for part in parts)]
    assert len(book.cells) == len(parts), [cell.source for cell in book.cells]
    nbformat.write(book, tree / "notebooks" / name)
    environment = os.environ | {"PYTHONPATH": str(tree), "FERCORE_SHIPPED_ONLY": "1", "FERCORE_RUNS": str(tree / "runs")}
    command = [sys.executable, "-m", "pytest", f"notebooks/{name}", "-q", "-x", "--nbval", "--nbval-current-env"]
    command += ["--nbval-sanitize-with", "tests/nbval_sanitize.cfg", "-p", "no:cacheprovider"]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)


def break_file(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) >= 1, f"{path} has no {old!r} to break"
    path.write_text(text.replace(old, new, 1))


@contextlib.contextmanager
def restored(*paths: Path):
    """Files that may be broken for a while."""
    good = {path: path.read_bytes() for path in paths}
    try:
        yield
    finally:
        for path, content in good.items():
            path.write_bytes(content)


def shipped_softmax(tree: Path) -> Path:
    """The run of chapter 01's first row."""
    config = RunConfig(method="softmax", data="wmnist", profile="laptop")
    return tree / "results" / "runs" / config.id / "result.json"


def change_test_accuracy(result: Path) -> None:
    """Another test accuracy after the last epoch, by enough to show in a table's second decimal."""
    head, last = result.read_text().split('"last"', 1)
    accuracy = re.search(r'"accuracy": (0\.\d+)', last).group(1)
    other = "0.5" if accuracy != "0.5" else "0.6"
    result.write_text(f'{head}"last"{last.replace(accuracy, other, 1)}')


def test_a_changed_constant_in_dda_loss_turns_its_notebook_red(copied_tree):
    source = copied_tree / "fercore" / "losses" / "dda.py"
    with restored(source):
        break_file(source, "extra_factor(len(x), normalization) / 2", "extra_factor(len(x), normalization) / 2.001")
        done = compare_notebook(copied_tree, "02_dda_gamma_sweep.ipynb", "def my_dda_loss", "dda_loss equals these lines")
    assert "does not hold: dda_loss equals these lines" in done.stdout, done.stdout[-2000:]


def test_a_changed_shipped_number_turns_the_notebook_red(copied_tree):
    result = shipped_softmax(copied_tree)
    with restored(result):
        change_test_accuracy(result)
        done = compare_notebook(copied_tree, "01_softmax_and_center.ipynb", "sweep_rows(configs")
    assert "result.json is not what results/index.csv lists" in done.stdout, done.stdout[-2000:]


def test_a_changed_number_is_noticed_even_where_the_index_was_changed_with_it(copied_tree):
    """The printed tables themselves are compared, not only the checksums."""
    table = 'name: {"paper": published[name]} | compare(configs[name], baseline=configs["softmax"])'
    result, index = shipped_softmax(copied_tree), copied_tree / "results" / "index.csv"
    with restored(result, index):
        before = file_sum(result)
        change_test_accuracy(result)
        break_file(index, before, file_sum(result))
        done = compare_notebook(copied_tree, "01_softmax_and_center.ipynb", "sweep_rows(configs", table)
    assert "Cell outputs differ" in done.stdout, done.stdout[-2000:]
    assert table in done.stdout
