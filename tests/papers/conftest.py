"""What tests of tables and verdicts need: the repository's own results in place of a test's empty ones."""

import pytest

from fercore.paths import RESULTS
from fercore.runs import shipped


@pytest.fixture
def shipped_results(monkeypatch):
    """results/index.csv by run id, and nothing but it is looked at."""
    monkeypatch.setenv("FERCORE_SHIPPED_ONLY", "1")
    monkeypatch.setattr(shipped, "RESULTS", RESULTS)
    shipped.shipped_index.cache_clear()
    return shipped.shipped_index()


@pytest.fixture
def no_data(tmp_path, monkeypatch):
    """An empty data folder: made-up runs are of no set that happens to be here, and none is read to compare them with."""
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "data"))
