"""What pyproject.toml cannot say: the wheel also holds the course, which `fercore lab` puts into a folder."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

COURSE = (
    "notebooks/[0-9]*.ipynb", "results/**/*.*", "ERRATA.md", "data/README.md", "figures/start_here.png", "figures/*.md",
    "benchmarks/*.md",
)  # fmt: skip


class WithCourse(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for file in (file for pattern in COURSE for file in Path().glob(pattern) if file.is_file()):
                target = Path(self.build_lib, "fercore", "course", "material", file)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)


setup(cmdclass={"build_py": WithCourse})
