"""name -> reader: every data set of faces, found on disk and not yet decoded."""

from collections.abc import Callable
from pathlib import Path

from fercore.data.readers.affectnet import read_affectnet
from fercore.data.readers.catalog import Catalog
from fercore.data.readers.fer2013 import read_fer2013
from fercore.data.readers.raf import read_rafdb
from fercore.data.readers.sequences import read_ckplus, read_mmi, read_sfew
from fercore.data.readers.simfer import read_simfer

READERS: dict[str, Callable[[Path], Catalog]] = {
    "rafdb": read_rafdb,
    "simfer": read_simfer,
    "affectnet": read_affectnet,
    "fer2013": read_fer2013,
    "ckplus": read_ckplus,
    "mmi": read_mmi,
    "sfew": read_sfew,
}
