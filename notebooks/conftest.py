"""How the committed notebooks are compared with what they print now: `pytest notebooks --nbval ...`, see the Makefile."""

import os

os.environ["FERCORE_SHIPPED_ONLY"] = "1"  # for the kernels: the shipped results are shown, and nothing is trained
os.environ["OMP_NUM_THREADS"] = "1"  # one a worker


def pytest_collectstart(collector):
    """Text is compared strictly; progress lines, HTML twins of text and vector twins of pictures are not."""
    if collector.path.suffix == ".ipynb" and hasattr(collector, "skip_compare"):
        collector.skip_compare += ("stderr", "text/html", "image/svg+xml", "application/pdf")
