"""How the committed notebooks are compared with what they print now: `pytest notebooks --nbval ...`, see the Makefile."""

import sys

import pytest
from tests.kernels import FORKS, LOADED, fork_kernels

KERNELS = {
    "FERCORE_SHIPPED_ONLY": "1",
    "OMP_NUM_THREADS": "1",
}  # shipped results are shown, nothing is trained; one a worker

fork_kernels()
forks = sys.modules.get("tests.forks")  # where they run in the same process: there is one server for all
FORKS.set_forkserver_preload([*(forks.PRELOADED if forks else ()), *LOADED])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    """A notebook's kernel starts in the setup of its first cell; tests of the same process never see what it is told."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KERNELS.items():
            patch.setenv(name, value)
        return (yield)


def pytest_collectstart(collector):
    """Text is compared strictly; progress lines, HTML twins of text and vector twins of pictures are not."""
    if collector.path.suffix == ".ipynb" and hasattr(collector, "skip_compare"):
        collector.skip_compare += ("stderr", "text/html", "image/svg+xml", "application/pdf")
