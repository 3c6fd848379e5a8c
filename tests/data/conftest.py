"""What every test of data gets: releases of few images, whose sizes tell what numbered folders mean as the real ones do."""

import pytest

from fercore.data.readers import folders
from tests.data.trees import SMALL_RELEASES


@pytest.fixture(autouse=True)
def small_releases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "EXPECTED", SMALL_RELEASES)
