"""The course where there is no checkout: its notebooks and shipped results, put into a folder, and JupyterLab there."""

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

from fercore.errors import FercoreError

MATERIAL = Path(__file__).parent / "material"  # which the wheel has, see setup.py
START = "notebooks/00_start_here.ipynb"


def unpack(folder: Path) -> int:
    """Copy the course into `folder`, but for files that are there already, such as notebooks with a reader's own changes.

    Returns:
        How many files were copied.

    Raises:
        FercoreError: this installation has no course in it, or `folder` cannot be written.
    """
    if not MATERIAL.is_dir():
        raise FercoreError("this installation holds no course: install the wheel of fercore, or clone the repository")
    missing = [file for file in MATERIAL.rglob("*") if file.is_file() and not (folder / file.relative_to(MATERIAL)).exists()]
    for file in missing:
        target = folder / file.relative_to(MATERIAL)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        except OSError as error:
            reason = error.strerror or error
            raise FercoreError(f"cannot put the course into {folder} ({reason}); name another folder") from None
    return len(missing)


def open_lab(folder: Path) -> NoReturn:
    """Become JupyterLab, in `folder`, with the first notebook open.

    Raises:
        ModuleNotFoundError: JupyterLab is not installed.
    """
    import jupyterlab  # noqa: F401  asked here, where the answer is one line

    folder = folder.resolve()
    os.chdir(folder)
    command = ["-m", "jupyterlab", f"--ServerApp.root_dir={folder}", f"--LabApp.default_url=/lab/tree/{START}"]
    os.execv(sys.executable, [sys.executable, *command])
