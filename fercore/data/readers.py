"""name -> reader: every data set of faces, found on disk and not yet decoded."""

from collections.abc import Callable
from pathlib import Path

from fercore.data.affectnet import read_affectnet
from fercore.data.catalog import Catalog
from fercore.data.fer2013 import read_fer2013
from fercore.data.raf import read_rafdb, read_simfer
from fercore.data.sequences import read_ckplus, read_mmi, read_sfew

READERS: dict[str, Callable[[Path], Catalog]] = {
    "rafdb": read_rafdb,
    "simfer": read_simfer,
    "affectnet": read_affectnet,
    "fer2013": read_fer2013,
    "ckplus": read_ckplus,
    "mmi": read_mmi,
    "sfew": read_sfew,
}
