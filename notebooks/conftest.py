"""How the committed notebooks are compared with what they print now (`make test` runs nbval over this folder)."""


def pytest_collectstart(collector):
    """Text is compared strictly; progress lines, HTML twins of text and vector twins of pictures are not."""
    if collector.path.suffix == ".ipynb" and hasattr(collector, "skip_compare"):
        collector.skip_compare += ("stderr", "text/html", "image/svg+xml", "application/pdf")
