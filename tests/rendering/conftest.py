"""Small sets for the tests of simfer."""

import pytest
from small import SMALL

from simfer.dataset import make


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A finished set of 34 images in RAF-DB's layout."""
    folder = tmp_path_factory.mktemp("simfer") / "set"
    make(SMALL, folder, seed=3, workers=1)
    return folder
