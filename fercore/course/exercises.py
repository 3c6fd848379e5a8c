"""Exercises that check themselves: one source holds text, starter, check, hint and solution; readers get a notebook without
the solution's lines, and with it folded away below.

A source is a Python file of cells, each begun by a line `# %% KIND`: `text` and `hint` are strings of Markdown, `code` is
given as it is, `task` has the solution between two marks, and `check` calls `expect`.
"""

import ast
import re
from collections.abc import Mapping
from pathlib import Path

import nbformat
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from fercore.course.cells import CHECK_MARK
from fercore.errors import FercoreError

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
KINDS = ("text", "code", "task", "check", "hint")
YOURS = "...  # your lines here"
FOLDED = {"jupyter": {"source_hidden": True}, "mystnb": {"code_prompt_show": "the check"}, "tags": ["hide-input"]}


def expect(name: str, got: object, wanted: object, mistakes: Mapping[str, object] | None = None) -> None:
    """Check a reader's result against the right one: a line where they agree, else what is wrong.

    Args:
        name: what a reader calls it.
        got, wanted: a number, or numbers in a tensor, an array or a list; they agree to 1e-6 of the largest.
        mistakes: {what to say: the result to which this mistake leads}, for the mistakes that are made.

    Raises:
        AssertionError: they differ; the message says how, in one line.
    """
    if got is None or got is ...:
        raise AssertionError(f"{name} is still empty: put your lines where the dots are")
    if problem := difference(as_numbers(name, got), as_numbers(name, wanted), mistakes or {}):
        raise AssertionError(f"{name} {problem}")
    print(f"{CHECK_MARK} {name} is right")


def as_numbers(name: str, values: object) -> torch.Tensor:
    try:
        return torch.as_tensor(values).detach().double()
    except (TypeError, ValueError, RuntimeError):
        raise AssertionError(
            f"{name} is {type(values).__name__}: it should be a number, a tensor or a list of numbers"
        ) from None


def difference(got: torch.Tensor, wanted: torch.Tensor, mistakes: Mapping[str, object]) -> str:
    """What is wrong, as the end of a sentence; empty where nothing is."""
    if close(got, wanted):
        return ""
    for explanation, wrong in mistakes.items():
        if close(got, torch.as_tensor(wrong).detach().double()):
            return f"is wrong: {explanation}"
    if got.shape != wanted.shape:
        return f"has shape {list(got.shape)}, and should have {list(wanted.shape)}"
    if not got.isfinite().all():
        return "is not finite: a logarithm of 0, a division by 0, or an exponential of something large"
    factor = (got * wanted).sum() / wanted.square().sum()
    if factor and close(got / factor, wanted):
        return "has the wrong sign" if factor == -1 else f"differs by a factor of {factor:.4g} from the right one"
    worst = (got - wanted).abs().flatten().argmax()
    return f"is wrong: at its worst it has {got.flatten()[worst]:.6g} where {wanted.flatten()[worst]:.6g} is right"


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=1e-6 * float(other.abs().max()) + 1e-12)


# --- from the source to a notebook ----------------------------------------------------------------------------------------


def read_cells(source: Path) -> list[tuple[str, str]]:
    """The (kind, content) of an exercise file's cells.

    Raises:
        FercoreError: a cell of another kind, or a task without a solution.
    """
    parts = re.split(r"^# %% (\w+)\n", source.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    cells = list(zip(parts[::2], (content.strip("\n") for content in parts[1::2]), strict=True))
    for kind, content in cells:
        if kind not in KINDS:
            raise FercoreError(f"{source.name}: a cell is of kind {kind!r}, and not one of {', '.join(KINDS)}")
        if kind == "task" and not (BEGIN in content and END in content):
            raise FercoreError(f"{source.name}: a task needs its solution between {BEGIN!r} and {END!r}")
    return cells


def starter(task: str) -> str:
    """A task without its solution."""
    return re.sub(rf"( *){BEGIN}\n.*?{END}", rf"\1{YOURS}", task, flags=re.DOTALL)


def solution(task: str) -> str:
    """A task without its marks."""
    return "\n".join(line for line in task.splitlines() if line.strip() not in (BEGIN, END))


def to_notebook(source: Path) -> nbformat.NotebookNode:
    """The exercise as a reader gets it: checks are folded, hints and solutions are behind a click."""
    cells, task = [], ""
    for kind, content in read_cells(source):
        if kind == "text":
            cells.append(new_markdown_cell(ast.literal_eval(content).strip()))
        elif kind == "hint":
            cells.append(new_markdown_cell(behind("Hint", ast.literal_eval(content).strip())))
            cells.append(new_markdown_cell(behind("Solution", f"```python\n{solution(task)}\n```")))
        else:
            task = content if kind == "task" else task
            code = starter(content) if kind == "task" else content
            cells.append(new_code_cell(code, metadata=FOLDED if kind == "check" else {}))
    for position, cell in enumerate(cells):
        cell["id"] = f"e{position:02}"  # the same file every time
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def behind(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>"


def write_notebooks(sources: Path, folder: Path) -> list[Path]:
    """Make a notebook in `folder` from every exercise file in `sources`."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for source in sorted(sources.glob("[0-9]*.py")):
        written.append(folder / f"{source.stem}.ipynb")
        nbformat.write(to_notebook(source), written[-1])
    return written
