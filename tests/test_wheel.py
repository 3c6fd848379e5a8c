"""The wheel: every file that the packages need and no other, and a library that works where there is nothing but it."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from PIL import Image

from fercore.paths import NOTEBOOKS, ROOT
from tests.data.trees import class_folders
from tests.digits import SETTINGS
from tests.test_environment import PROJECT

TINY = (*SETTINGS, "--device", "cpu")
# What the course brings, by the names of its modules: where the library alone is installed, none of it is there.
MATERIAL = "fercore/course/material/"
COURSE = ("notebooks", "results", "figures", "data", "benchmarks")
COURSE_ONLY = ["ipykernel", "jupyterlab", "matplotlib", "nbformat", "pandas", "papermill", "seaborn", "sklearn", "umap"]


BUILD = """
from setuptools.build_meta import build_wheel  # what pip calls
build_wheel(".", {"--build-option": "--compression=stored"})
"""


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder of installed packages, with the wheel's alone and without the course's."""
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for name in ("fercore", "simfer", *COURSE):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "MNIST", "store", "*.pdf"))
    for name in ("pyproject.toml", "setup.py", "README.md", "ERRATA.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run([sys.executable, "-c", BUILD], cwd=source, check=True, capture_output=True)
    zipfile.ZipFile(next(source.glob("*.whl"))).extractall(site)
    (site / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({COURSE_ONLY}))\n")
    return site


@pytest.fixture
def run(site, tmp_path, monkeypatch):
    """Run a module of the installed library in an empty folder without git."""
    place = tmp_path / "place"
    place.mkdir()
    for name in [name for name in os.environ if name.startswith("FERCORE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("FERCORE_PROGRESS", "0")

    def run(module: str, *arguments: str, cwd: str = "", **env: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", module, *arguments]
        return subprocess.run(command, cwd=place / cwd, env=os.environ | env, capture_output=True, text=True, timeout=300)

    run.place = place
    return run


def test_the_wheel_holds_both_packages_whole_and_nothing_else(site):
    found = {name for name in files_below(site) if ".dist-info/" not in name and name != "sitecustomize.py"}
    library = {f"{name}/{file}" for name in ("fercore", "simfer") for file in files_below(ROOT / name)}
    assert {name for name in found if not name.startswith(MATERIAL)} == library


def test_the_wheel_holds_what_the_notebooks_need(site):
    found = {name.removeprefix(MATERIAL) for name in files_below(site) if name.startswith(MATERIAL)}
    assert {name for name in found if name.startswith("results/")} == {
        f"results/{file}" for file in files_below(ROOT / "results")
    }
    assert {name for name in found if name.endswith(".ipynb")} == {
        f"notebooks/{path.name}" for path in NOTEBOOKS.glob("*.ipynb")
    }
    for path in NOTEBOOKS.glob("*.ipynb"):
        text = path.read_text()
        links = re.findall(r"\]\(\.\./([^)#]+)\)", text) + [
            f"figures/{name}" for name in re.findall(r"FIGURES / .\"([\w.]+)", text)
        ]
        assert not [link for link in links if link not in found], path.name


def test_the_course_goes_into_a_folder_and_chapters_find_its_results(run):
    made = run("fercore", "lab", "mine", "--copy-only")
    assert made.returncode == 0, made.stderr
    assert made.stdout.endswith(" files of the course put into mine; what was there is unchanged\n")
    start = run.place / "mine" / "notebooks" / "00_start_here.ipynb"
    start.write_text("mine")
    assert run("fercore", "lab", "mine", "--copy-only").stdout.startswith("0 files")
    assert start.read_text() == "mine"
    told = run("fercore", "doctor", cwd="mine/notebooks")
    assert told.returncode == 0, told.stdout
    assert re.search(r"shipped results +\d+ runs finished, \d+ diverged; every file as it was written", told.stdout)
    assert "folder ../runs" in told.stdout or f"folder {run.place}/mine/runs" in told.stdout


def test_a_chapter_runs_in_that_folder(run, site, tmp_path):
    (tmp_path / "sitecustomize.py").touch()  # before the one that hides the course's packages
    assert run("fercore", "lab", "mine", "--copy-only").returncode == 0
    everything = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{site}", "FERCORE_SHIPPED_ONLY": "1"}
    told = run("fercore", "course", "--profile", "laptop", "--only", "09", cwd="mine", **everything)
    assert told.returncode == 0, told.stderr
    assert (run.place / "mine" / "runs" / "laptop" / "09_leaderboard.ipynb").is_file()


def test_the_base_installation_takes_nothing_of_the_course(site):
    metadata = PathDistribution(next(site.glob("*.dist-info")))
    base = {Requirement(text).name for text in metadata.requires if "extra ==" not in text}
    assert base == {Requirement(text).name for text in PROJECT["dependencies"]}
    assert not base & {Requirement(text).name for text in PROJECT["optional-dependencies"]["course"]}
    assert [(script.name, script.value) for script in metadata.entry_points] == [("fercore", "fercore.cli:main")]


def test_it_trains_and_predicts_in_the_folder_where_one_stands(run, site, mnist):
    before = files_below(site)
    trained = run("fercore", "train", *TINY, FERCORE_DATA=str(mnist.parents[1]))
    assert trained.returncode == 0, trained.stderr
    folder = Path(re.search(r"^stored in (\S+)$", trained.stdout, flags=re.MULTILINE)[1])
    assert folder.parent == Path("runs/store")
    assert (run.place / folder / "best.safetensors").is_file()
    Image.new("L", (28, 28), 90).save(run.place / "digit.png")
    predicted = run("fercore", "predict", "digit.png", "--run", folder.name)
    assert predicted.stdout.startswith("digit.png: "), predicted.stderr
    assert files_below(site) == before
    assert '"commit": null' in (run.place / folder / "result.json").read_text()


def test_faces_of_ones_own_train_are_predicted_and_leave_as_onnx(run):
    class_folders(run.place / "my faces", ["calm", "glad", "tense"], {"train": (9, 9, 9), "test": (2, 2, 2)})
    (run.place / "one.py").write_text(ALL_IN_ONE)
    done = run("one")
    exports = importlib.util.find_spec("onnxscript") is not None
    assert done.returncode == 0 or not exports, done.stderr
    checked, trained, predicted = done.stdout.split("---\n")
    assert checked.endswith("folder in my faces can be trained on\n"), done.stderr
    assert re.search(r"^stored in (\S+)$", trained, flags=re.MULTILINE), done.stderr
    assert {"calm", "glad", "tense"} <= set(re.findall(r"\w+", predicted)), done.stderr
    made = {path.name for path in run.place.iterdir()} - {"one.py", "__pycache__"}
    assert made == {"data", "my faces", "runs"} | ({"network.onnx"} if exports else set())
    if not exports:
        pytest.skip("onnxscript is not installed")


ALL_IN_ONE = """
from pathlib import Path
from fercore.cli import main
def command(*words):
    try:
        main(list(words))
    except SystemExit as end:
        if end.code:
            raise
command("data", "check", "folder", "my faces")
print("---")
command("train", "--data", "folder:my faces", "--width", "0.0625", "--epochs", "1", "--device", "cpu")
print("---")
name, = (path.name for path in Path("runs/store").iterdir())
command("predict", "my faces/test/glad/0029.jpg", "--run", name)
import torch
from fercore.trained import load_trained
network = load_trained(name, "cpu").model
torch.onnx.export(network, (torch.zeros(2, 3, 40, 40),), "network.onnx", dynamic_shapes=[{0: "images"}], external_data=False)
"""


def test_doctor_tells_what_is_not_there_and_finds_nothing_wrong(run):
    told = run("fercore", "doctor")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "folder runs " in told.stdout
    assert told.stdout.count("checkout") == 2
    assert not files_below(run.place)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["fercore", "--help"], ""),
        (["fercore", "data", "check", "simfer"], "data/simfer/quick"),
        (["fercore", "predict", "x.png", "--run", "mine"], "no finished run 'mine' here"),
        (["fercore", "figures"], "figures needs a checkout of the repository"),
        (["fercore", "lab", "mine"], "lab needs the package jupyterlab: pip install 'fercore[course]'"),
        (["fercore", "report"], "report needs the package pandas: pip install 'fercore[course]'"),
        (["simfer", "--check", "faces"], "faces"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_every_command_works_or_says_in_a_line_what_it_lacks(run, command, said):
    process = run(*command)
    assert (process.returncode == 0) == (not said)
    assert len(process.stderr.splitlines()) == bool(said), process.stderr
    assert said in process.stderr
