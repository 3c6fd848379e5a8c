"""The notebooks: their shape, the whole course trained for real, and that the strict comparison can fail."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest

from fercore.paths import NOTEBOOKS, ROOT
from fercore.runs.result import sha256

PATHS = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
LONGEST_CELL = 40
COMPARED_AT_LEAST = 4  # cells with an output that nbval compares
CHECKS_AT_LEAST = 2


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def printed(cell):
    """All text a cell shows."""
    texts = [out.get("text", "") + str(out.get("data", {}).get("text/plain", "")) for out in cell.outputs]
    return "".join(texts)


def test_cells_were_run_once_from_top_to_bottom(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1)), "run `Restart and run all`, then commit the outputs with their counts"


def test_kernel_is_python3(notebook):
    assert notebook.metadata.kernelspec.name == "python3"


def test_one_parameters_cell_declares_the_profile_that_is_shipped(notebook):
    cells = [cell for cell in code_cells(notebook) if "parameters" in tags(cell)]
    assert len(cells) == 1
    assert 'PROFILE: str = "laptop"' in cells[0].source


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_papermill_finds_the_parameters(path):
    assert {"PROFILE", "DEVICE", "FRESH"} <= papermill.inspect_notebook(path).keys()


def test_enough_is_compared_and_nothing_failed(notebook):
    compared = [cell for cell in code_cells(notebook) if printed(cell) and "nbval-ignore-output" not in tags(cell)]
    assert len(compared) >= COMPARED_AT_LEAST
    assert sum(printed(cell).count("✓") for cell in compared) >= CHECKS_AT_LEAST
    assert not any(out.output_type == "error" for cell in code_cells(notebook) for out in cell.outputs)


def test_cells_are_short(notebook):
    lengths = sorted(len(cell.source.splitlines()) for cell in code_cells(notebook))
    assert lengths[-1] <= LONGEST_CELL
    assert lengths[len(lengths) // 2] <= 8


def test_three_exercises_with_folded_answers(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert text.count("<details>") == text.count("</details>") == 3


def test_no_path_of_a_machine_in_any_output(notebook):
    for cell in code_cells(notebook):
        assert not re.search(r"/(home|root|work|tmp|Users|opt)/", printed(cell)), printed(cell)


def test_metadata_is_clean(notebook):
    assert "papermill" not in notebook.metadata
    assert not any({"papermill", "execution"} & set(cell.metadata) for cell in notebook.cells)


def test_whole_course_trains_at_quick_with_an_empty_store(tmp_path):
    command = [sys.executable, "-m", "fercore", "course", "--profile", "quick"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"FERCORE_RUNS": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    for path in PATHS:
        assert path.stem in done.stdout
    stored = list((tmp_path / "store").glob("*/result.json"))
    assert len(stored) > 10, "the course must have trained, not looked results up"


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


def compare_notebook(tree: Path, name: str) -> subprocess.CompletedProcess:
    """What `make test` does to one notebook, inside `tree`."""
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
    return next((tree / "results" / "runs").glob("softmax-wmnist-laptop-s0-*/result.json"))


def change_test_accuracy(result: Path) -> None:
    """Another test accuracy after the last epoch, by enough to show in a table's second decimal."""
    head, last = result.read_text().split('"last"', 1)
    accuracy = re.search(r'"accuracy": (0\.\d+)', last).group(1)
    other = "0.5" if accuracy != "0.5" else "0.6"
    result.write_text(f'{head}"last"{last.replace(accuracy, other, 1)}')


def test_a_changed_constant_in_dda_loss_turns_its_notebook_red(copied_tree):
    source = copied_tree / "fercore" / "losses" / "dda.py"
    with restored(source):
        break_file(source, "labels.long()) / 2", "labels.long()) / 2.001")
        done = compare_notebook(copied_tree, "02_dda_gamma_sweep.ipynb")
    assert done.returncode == 1, done.stdout[-2000:]
    assert "dda_loss equals these lines" in done.stdout


def test_a_changed_shipped_number_turns_the_notebook_red(copied_tree):
    result = shipped_softmax(copied_tree)
    with restored(result):
        change_test_accuracy(result)
        done = compare_notebook(copied_tree, "01_softmax_and_center.ipynb")
    assert done.returncode == 1, done.stdout[-2000:]
    assert "index.csv" in done.stdout


def test_a_changed_number_is_noticed_even_where_the_index_was_changed_with_it(copied_tree):
    """The printed tables themselves are compared, not only the checksums."""
    result, index = shipped_softmax(copied_tree), copied_tree / "results" / "index.csv"
    with restored(result, index):
        before = sha256(result)
        change_test_accuracy(result)
        break_file(index, before, sha256(result))
        done = compare_notebook(copied_tree, "01_softmax_and_center.ipynb")
    assert done.returncode == 1, done.stdout[-2000:]
    assert "index.csv" not in done.stdout


def test_committed_notebooks_pass_the_same_comparison(copied_tree):
    """Without this, the three tests above could fail for a reason of their own."""
    for name in ("01_softmax_and_center.ipynb", "02_dda_gamma_sweep.ipynb"):
        done = compare_notebook(copied_tree, name)
        assert done.returncode == 0, done.stdout[-3000:]


def test_figures_index_and_folder_agree():
    listed = set(re.findall(r"\((\w+)\.png\)", (ROOT / "figures" / "INDEX.md").read_text()))
    assert {path.stem for path in (ROOT / "figures").glob("*.png")} == listed
    assert {path.stem for path in (ROOT / "figures").glob("*.pdf")} == listed
