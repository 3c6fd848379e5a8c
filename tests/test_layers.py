"""Who may know whom: read from the import statements, the lazy ones inside functions too."""

import ast
import sys
from pathlib import Path

import pytest

from fercore.paths import ROOT


def modules(*places: str) -> list[Path]:
    """The files of these packages or modules, as far as they exist."""
    found = [file for place in places for file in (ROOT / f"{place}.py", *(ROOT / place).rglob("*.py")) if file.exists()]
    return sorted(found)


def imported(file: Path) -> set[str]:
    """Every module that `file` imports, with dots; `from a import b` counts as a and as a.b."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name} has a relative import"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def path_id(file: Path) -> str:
    return str(file.relative_to(ROOT))


PURE = [f"fercore/{name}" for name in ("losses", "samplers", "mining", "tuples", "models")]
READS_FILES = {"fercore/models/weights.py": ("torchvision", "safetensors", "fercore.errors", "fercore.paths")}


@pytest.mark.parametrize("file", modules(*PURE), ids=path_id)
def test_losses_and_models_know_torch_alone(file):
    own = [name.replace("/", ".") for name in PURE]
    for name in imported(file) - {"fercore"}:
        known = within(name, "torch", *own, *READS_FILES.get(path_id(file), ()))
        assert known or name.split(".")[0] in sys.stdlib_module_names, name


@pytest.mark.parametrize("file", modules("fercore/losses"), ids=path_id)
def test_losses_know_no_model(file):
    assert not [name for name in imported(file) if within(name, "fercore.models")]


@pytest.mark.parametrize("file", modules("fercore/data"), ids=path_id)
def test_data_knows_no_model_and_no_training(file):
    allowed = ("fercore.data", "fercore.errors", "fercore.paths")
    assert all(within(name, *allowed) for name in imported(file) if within(name, "fercore") and name != "fercore")


@pytest.mark.parametrize("file", modules("fercore/plots"), ids=path_id)
def test_plots_never_train(file):
    banned = ("fercore.train", "fercore.sweep", "fercore.methods", "fercore.data", "fercore.models", "fercore.losses")
    assert not [name for name in imported(file) if within(name, *banned)]


@pytest.mark.parametrize("file", modules("fercore"), ids=path_id)
def test_the_library_knows_no_notebook_and_no_test(file):
    assert not [name for name in imported(file) if within(name, "notebooks", "tests", "benchmarks", "simfer.fercore")]


@pytest.mark.parametrize("file", modules("fercore/config", "fercore/methods", "fercore/profiles", "fercore/runs"), ids=path_id)
def test_what_describes_a_run_does_not_train_it(file):
    assert not [name for name in imported(file) if within(name, "fercore.train", "fercore.sweep", "fercore.cli")]
