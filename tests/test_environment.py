"""requirements.txt, environment.yml and pyproject.toml say the same."""

import re
import tomllib

from packaging.requirements import Requirement

from fercore import __version__
from fercore.course.doctor import pinned
from fercore.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA = (ROOT / "environment.yml").read_text()


def test_conda_and_pip_pin_the_same_versions():
    assert dict(re.findall(r"- ([\w.-]+)==(\S+)", CONDA)) == pinned()


def test_every_dependency_is_pinned_inside_its_range():
    wanted = [*PROJECT["dependencies"], *(text for extra in PROJECT["optional-dependencies"].values() for text in extra)]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pinned()[requirement.name]), requirement
    assert {Requirement(text).name for text in wanted} == pinned().keys()


def test_conda_takes_a_python_that_the_project_accepts():
    version = re.search(r"python=([\d.]+)", CONDA)[1]
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(version)


def test_the_version_stands_in_one_piece():
    assert PROJECT["version"] == __version__
