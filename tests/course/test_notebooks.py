"""The notebooks: their shape, and the figures that they export."""

import pkgutil
import re

import nbformat
import papermill
import pytest

from fercore.paths import NOTEBOOKS, ROOT

PATHS = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
LONGEST_CELL = 40
COMPARED_AT_LEAST = 4  # cells with an output that nbval compares
CHECKS_AT_LEAST = 2


@pytest.fixture(scope="module", params=PATHS, ids=lambda path: path.stem)
def notebook(request):
    """Read once for all tests, which only look at it."""
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


def test_figures_index_and_folder_agree():
    listed = set(re.findall(r"\((\w+)\.png\)", (ROOT / "figures" / "INDEX.md").read_text()))
    assert {path.stem for path in (ROOT / "figures").glob("*.png")} == listed
    assert {path.stem for path in (ROOT / "figures").glob("*.pdf")} == listed - {"plane"}  # the end of the README's film


# --- what a reader meets ------------------------------------------------------------------------------------------------

WORDS_A_MINUTE, LINES_A_MINUTE = 130, 10  # of text that is worked through, and of code
LONGEST_READING = 45  # minutes


def text_of(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def test_a_chapter_is_read_in_one_sitting(notebook):
    words = len(re.sub(r"<details>.*?</details>", "", text_of(notebook), flags=re.S).split())
    lines = sum(len(cell.source.splitlines()) for cell in code_cells(notebook) if "hide-input" not in tags(cell))
    assert words / WORDS_A_MINUTE + lines / LINES_A_MINUTE < LONGEST_READING


def test_a_chapter_ends_in_what_was_built_and_what_is_doubtful(notebook):
    last = notebook.cells[-1].source
    assert last.index("**What you built**: ") < last.index("**What you now doubt**: ") < last.index("## Exercises")
    assert 2 <= len(re.findall(r"^\*\*\d\.\*\* ", last, re.M)) <= 4
    assert last.count("<details><summary>Answer</summary>") == len(re.findall(r"^\*\*\d\.\*\* ", last, re.M))


def test_every_name_in_the_text_is_in_the_library(notebook):
    text = text_of(notebook)
    for name in set(re.findall(r"\b(?:fercore|simfer)(?:\.\w+)+", text)) - {"fercore.py"}:
        pkgutil.resolve_name(name)
    named = re.findall(r"`((?:fercore|simfer|tests|figures|results)/[\w./]+)`", text)
    assert not [name for name in named if not (ROOT / name).exists()]
