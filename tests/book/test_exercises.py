"""The exercises: solutions pass, starters do not, and every mistake that a check knows is answered by its words."""

import contextlib
import io

import nbformat
import pytest
import torch

from fercore.course import exercises
from fercore.course.exercises import BEGIN, expect, read_cells, solution, starter, to_notebook, write_notebooks
from fercore.errors import FercoreError
from fercore.paths import NOTEBOOKS, ROOT

SOURCES = sorted((ROOT / "book" / "exercises").glob("[0-9]*.py"))
CHAPTERS = sorted(path.name[:2] for path in NOTEBOOKS.glob("[0-9]*.ipynb"))


@pytest.fixture(params=SOURCES, ids=lambda path: path.stem)
def source(request):
    return request.param


def run(cells, change):
    """Execute the code of an exercise, its tasks changed; what the checks printed."""
    space, printed = {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        for kind, content in cells:
            if kind in ("code", "check", "task"):
                exec(change(content) if kind == "task" else content, space)
    return printed.getvalue()


def test_two_exercises_for_each_chapter():
    assert [path.name[:2] for path in SOURCES] == CHAPTERS
    for path in SOURCES:
        assert [kind for kind, _ in read_cells(path)].count("task") == 2


def test_the_solutions_pass(source):
    assert run(read_cells(source), solution).count("is right") >= 2


def test_each_starter_is_told_that_it_is_empty(source):
    cells = read_cells(source)
    for position in [i for i, (kind, _) in enumerate(cells) if kind == "task"]:
        solved = [(kind, solution(content) if kind == "task" else content) for kind, content in cells[:position]]
        unsolved = (cells[position][0], starter(cells[position][1]))
        with pytest.raises(AssertionError, match="still empty: put your lines where the dots are"):
            run([*solved, unsolved, cells[position + 1]], str)


def test_every_known_mistake_is_answered(source, monkeypatch):
    asked = []
    monkeypatch.setattr(exercises, "expect", lambda *arguments: asked.append(arguments))
    run(read_cells(source), solution)
    known = {explanation for _, _, _, *mistakes in asked for explanation in dict(*mistakes)}
    answered = set()
    for name, _, wanted, *mistakes in asked:
        for explanation, wrong in dict(*mistakes).items():
            with contextlib.suppress(AssertionError):
                expect(name, wrong, wanted)
                continue  # here the mistake happens to give the right number
            with pytest.raises(AssertionError) as told:
                expect(name, wrong, wanted, *mistakes)
            answered |= {one for one in known if one in str(told.value)} & {explanation}
    assert answered == known


def test_a_readers_notebook_holds_no_solution_in_its_code(source):
    notebook = to_notebook(source)
    nbformat.validate(notebook)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert BEGIN not in code
    assert code.count(exercises.YOURS) == 2
    folded = [cell for cell in notebook.cells if cell.source.startswith("<details><summary>Solution")]
    assert len(folded) == 2


def test_the_notebooks_are_made_the_same_every_time(tmp_path):
    first, second = (write_notebooks(SOURCES[0].parent, tmp_path / name) for name in ("one", "two"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert len(first) == len(CHAPTERS)


@pytest.mark.parametrize(
    ("got", "told"),
    [
        (None, "it is still empty"),
        ("three", "it should be a number"),
        ([1.0, 2.0], r"it has shape \[2\], and should have \[3\]"),
        ([1.0, 2.0, float("nan")], "it is not finite"),
        ([-1.0, -2.0, -3.0], "it has the wrong sign"),
        ([2.0, 4.0, 6.0], "it differs by a factor of 2"),
        ([1.0, 2.0, 4.0], "it is wrong: at its worst it has 4 where 3 is right"),
        ([1.0, 1.0, 1.0], "it is wrong: all ones"),
    ],
)
def test_the_check_says_what_is_wrong(got, told):
    with pytest.raises(AssertionError, match=told):
        expect("it", got, torch.tensor([1.0, 2.0, 3.0]), {"all ones": torch.ones(3)})


@pytest.mark.parametrize(
    ("text", "told"),
    [("# %% note\n1\n", "of kind 'note'"), ("# %% task\nreturn 1\n", "a task needs its solution")],
)
def test_a_damaged_source_is_named(tmp_path, text, told):
    path = tmp_path / "01_damaged.py"
    path.write_text(text)
    with pytest.raises(FercoreError, match=told):
        read_cells(path)
