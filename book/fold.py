"""Fold the plumbing of the notebooks: `python -m book.fold` marks the cells whose code a reader of the text can skip.

A folded cell shows what it prints or draws, and its code at a click: the tag `hide-input` is for the book,
`jupyter.source_hidden` for JupyterLab. Which cells are folded is a rule (`is_plumbing`), so that new cells need no thought;
nbval and papermill read neither mark. Nothing else in the files changes.
"""

import ast
import json
from pathlib import Path

from fercore.paths import NOTEBOOKS

TAG = "hide-input"
MATHEMATICS = ("torch", "fercore.losses", "fercore.samplers", "fercore.mining", "fercore.models", "fercore.tuples")
SHOWN_BY = {"check", "save_figure", "show_table"}  # a cell that calls one of these is read by its output


def fold_file(path: Path) -> str:
    """The notebook's text with the cells of the rule, and no others, folded."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    taught = set()  # names that the notebook's imports take from the mathematics
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            tree = ast.parse("".join(cell["source"]))
            taught |= {name for name, module in imported_names(tree) if within_mathematics(module)}
            mark(cell["metadata"], is_plumbing(tree, taught) or "parameters" in cell["metadata"].get("tags", []))
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def is_plumbing(tree: ast.Module, taught: set[str]) -> bool:
    """Whether a cell's code can be skipped.

    Imports can, and cells that check, export or tabulate; so can what only prepares values for the next cell. A cell stays
    open where it writes a method out (`my_...`) or defines something that it also explains (a docstring), and where it
    computes with names of the mathematics (`taught`) for more than a check or a figure.
    """
    calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    if any(node.name.startswith("my_") or ast.get_docstring(node) for node in defined):
        return False
    if imports_more_than_it_does(tree) or "save_figure" in calls:
        return True
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if used & taught:
        return "check" in calls and only_checks(tree)
    return bool(calls & SHOWN_BY) or (bool(tree.body) and not prints(tree))


def imports_more_than_it_does(tree: ast.Module) -> bool:
    lines = [0, 0]
    for node in tree.body:
        lines[isinstance(node, ast.Import | ast.ImportFrom)] += node.end_lineno - node.lineno + 1
    return lines[True] > lines[False]


def only_checks(tree: ast.Module) -> bool:
    """Whether the cell ends in a check, of which all else is the preparation."""
    last = tree.body[-1]
    while isinstance(last, ast.If | ast.For):
        last = last.body[-1]
    return isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) and getattr(last.value.func, "id", "") == "check"


def prints(tree: ast.Module) -> bool:
    """Whether the cell shows something: a print, or an expression at its end."""
    calls_print = any(isinstance(node, ast.Name) and node.id == "print" for node in ast.walk(tree))
    return calls_print or isinstance(tree.body[-1], ast.Expr)


def imported_names(tree: ast.Module) -> list[tuple[str, str]]:
    """Every (name in the notebook, module it comes from)."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.asname or alias.name.split(".")[0], alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def within_mathematics(module: str) -> bool:
    return any(module == one or module.startswith(f"{one}.") for one in MATHEMATICS)


def mark(metadata: dict, folded: bool) -> None:
    """Set or remove the two marks; the keys in the order in which nbformat writes them."""
    tags = [tag for tag in metadata.pop("tags", []) if tag != TAG] + [TAG] * folded
    jupyter = {key: value for key, value in metadata.pop("jupyter", {}).items() if key != "source_hidden"}
    jupyter |= {"source_hidden": True} if folded else {}
    metadata |= {key: value for key, value in (("jupyter", jupyter), ("tags", tags)) if value}
    ordered = dict(sorted(metadata.items()))
    metadata.clear()
    metadata.update(ordered)


if __name__ == "__main__":
    for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")):
        path.write_text(fold_file(path), encoding="utf-8")
