"""Who may import whom, as one table: read from the import statements, the lazy ones inside functions too.

And how long a function may be.
"""

import ast
import sys
from pathlib import Path

import pytest

from fercore.paths import ROOT

MATHEMATICS = ("checks", "mining", "tuples", "losses", "samplers", "models", "parallel.sums")
DESCRIBED = (
    *MATHEMATICS,
    "methods",
    "profiles",
    "config",
    "data",
    "parallel",
    "choices",
    "errors",
    "paths",
    "progress",
)  # what a run is
LIBRARY = (*DESCRIBED, "runs", "evaluation", "train", "sweep", "trained")

# Of fercore's modules, what each may import beside what stands in it. A longer name goes before the package that it is in.
MAY_IMPORT = {
    "errors": (),
    "paths": (),
    "choices": (),
    "limits": ("errors",),
    "progress": (),
    "checks": (),
    "parallel.sums": (),
    "mining": ("checks",),
    "tuples": ("checks",),
    "losses": ("checks", "choices", "mining", "parallel.sums"),
    "samplers": ("checks", "choices", "losses", "parallel.sums"),
    "models": ("checks", "choices"),
    "models.own": ("errors",),
    "models.weights": ("models", "checks", "errors", "paths"),
    "data": ("choices", "errors", "paths", "progress"),
    "data.names": ("errors",),
    "parallel": ("choices", "errors", "paths"),
    "methods": (*MATHEMATICS, "data.augment", "errors"),
    "methods.table": ("methods.recipes", "errors"),
    "methods.recipes": (),
    "profiles": ("data.names", "errors"),
    "config": ("choices", "limits", "methods.table", "profiles", "data.names", "errors"),
    "runs": ("config", "data", "parallel", "errors", "paths", "progress"),
    "evaluation": (*DESCRIBED, "runs"),
    "train": (*DESCRIBED, "runs", "evaluation"),
    "sweep": (*DESCRIBED, "runs", "evaluation", "train"),
    "trained": (*DESCRIBED, "runs", "evaluation", "train"),
    "plots": ("paths",),
    "papers": LIBRARY,
    "course": (*LIBRARY, "plots", "papers"),
    "cli": (*LIBRARY, "limits", "plots", "papers", "course"),
    "__init__": ("config", "methods", "trained"),
    "__main__": ("cli",),
}
TORCH_ALONE = dict.fromkeys(MATHEMATICS, ("torch",)) | {"models.weights": ("torch", "torchvision", "safetensors")}
OURS = ("fercore", "simfer", "tests", "benchmarks", "notebooks")


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def module(file: Path) -> str:
    """A file of a package as its name within it: "losses.dda"; a package's own file is the package, fercore's "__init__"."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts[1:]).removesuffix(".__init__")


MODULES = {module(file): file for file in files("fercore")}


def imported(file: Path) -> set[str]:
    """Every module that `file` imports; `from a import b` is a.b where that is a module of fercore, else a."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name} has a relative import"
            inside = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            names |= {full if full.removeprefix("fercore.") in MODULES else node.module for full in inside.values()}
    return names


def within(name: str, places: tuple[str, ...]) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def row_of(name: str) -> str | None:
    """The longest row of the table that module `name` stands in."""
    return max((row for row in MAY_IMPORT if within(name, (row,))), key=len, default=None)


def test_every_module_stands_in_the_table_and_every_row_is_a_module():
    assert not [name for name in MODULES if row_of(name) is None]
    assert not MAY_IMPORT.keys() - MODULES.keys()


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_what_its_row_allows(name):
    row = row_of(name)
    ours = {found for found in imported(MODULES[name]) if within(found, OURS)}
    allowed = tuple(f"fercore.{place}" for place in (row, *MAY_IMPORT[row]))
    assert not [found for found in ours if not within(found, allowed)]


@pytest.mark.parametrize("name", [name for name in MODULES if row_of(name) in TORCH_ALONE])
def test_the_mathematics_knows_torch_alone(name):
    others = {found for found in imported(MODULES[name]) if not within(found, OURS)}
    assert not [
        found for found in others if found.split(".")[0] not in sys.stdlib_module_names | set(TORCH_ALONE[row_of(name)])
    ]


@pytest.mark.parametrize("name", MODULES)
def test_no_function_is_longer_than_a_screen(name):
    """Its docstring aside, which tells shapes, units, errors and sources."""
    functions = [node for node in ast.walk(ast.parse(MODULES[name].read_text())) if isinstance(node, ast.FunctionDef)]
    assert not [node.name for node in functions if lines_of_code(node) > 40]


def lines_of_code(function: ast.FunctionDef) -> int:
    document = function.body[0] if ast.get_docstring(function) else None
    return function.end_lineno - function.lineno + 1 - (document.end_lineno - document.lineno + 1 if document else 0)


@pytest.mark.parametrize("file", files("simfer"), ids=lambda file: file.stem)
def test_the_renderer_knows_nothing_of_fercore(file):
    assert not [found for found in imported(file) if within(found, OURS) and not within(found, ("simfer",))]
