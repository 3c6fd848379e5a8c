"""Notebooks as a course: the whole one at profile quick, trained for real, and small ones that fail."""

import os
import subprocess
import sys

import nbformat
import pytest

from fercore.course.notebooks import course_table, run_course
from fercore.errors import FercoreError
from fercore.paths import NOTEBOOKS, ROOT
from tests.messages import one_line

KERNEL = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}


def test_whole_course_trains_at_quick_with_an_empty_store(tmp_path):
    command = [sys.executable, "-m", "fercore", "course", "--profile", "quick"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"FERCORE_RUNS": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    for path in NOTEBOOKS.glob("[0-9]*.ipynb"):
        assert path.stem in done.stdout
    stored = list((tmp_path / "store").glob("*/result.json"))
    assert len(stored) > 10, "the course must have trained, not looked results up"


@pytest.fixture
def write_course(tmp_path, monkeypatch):
    """Make a course of notebooks of one cell each: `write_course("print(1)", ...)`."""
    monkeypatch.setattr("fercore.course.notebooks.NOTEBOOKS", tmp_path)
    parameters = nbformat.v4.new_code_cell('PROFILE: str = "laptop"', metadata={"tags": ["parameters"]})

    def write(*sources: str) -> None:
        for number, source in enumerate(sources):
            cells = [parameters, nbformat.v4.new_code_cell(source)]
            nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNEL), tmp_path / f"{number:02}.ipynb")

    return write


def test_a_course_is_told_in_its_order_whichever_is_ready_first(write_course):
    write_course("import time; time.sleep(2); print(PROFILE, '✓')", "print('✓'); print('✓')")
    executed = run_course("quick")
    assert [(one.name, one.checks) for one in executed] == [("00", 1), ("01", 2)]
    assert "quick" in executed[0].output.read_text()
    assert [line.split()[0] for line in course_table(executed).splitlines()] == ["notebook", "00", "01"]


def test_a_failed_notebook_is_one_line_and_ends_the_course(write_course, store):
    write_course("1 / 0", "import time; time.sleep(5)", "print()", "print()")
    with pytest.raises(FercoreError, match=r"^00\.ipynb failed in cell \d: ZeroDivisionError: division by zero") as caught:
        run_course("quick")
    assert one_line(caught.value)
    assert not (store.parent / "quick" / "03.ipynb").exists()
