"""The files of a run: one function writes them, one reads them.

They are plain JSON, NumPy's npz, safetensors and PyTorch's zip. Beside its content each holds `run`, the id of the run that it
is of, and `sha256`, a checksum over both. What was cut short, changed, or brought here from another run is named when it is
read, not used, and left where it is. A file without the two is from before they were written, and is used with a word.
"""

import errno
import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fercore.errors import StoreError
from fercore.paths import runs_dir, shown
from fercore.progress import say_once

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MOST_TEXT = 2**27  # bytes of JSON, of which the longest training writes a fifth
MOST_UNPACKED = 2**32  # bytes: a small archive can hold zeros without end
AGAIN = "delete it, and the same command makes it anew"  # a checkpoint, or what an analysis found
TRAIN_ANEW = "delete it, and train the run again"  # a result: without it a run counts as never trained
TRAIN_FRESH = "train the run again with --fresh"  # what lies beside a result that says it is finished


def write(path: Path, content: Mapping[str, Any], run: str) -> None:
    """Write a file of `run` in the format of its suffix, at once or not at all.

    Two processes must not write one file at the same time: each holds a lock, as of the run or of the index.

    Args:
        content: of .json plain values, of .npz arrays, of .safetensors tensors, of .pt tensors and plain values.

    Raises:
        StoreError: it cannot be written; of a full disk it says how much is missing.
    """
    pack = FORMATS[path.suffix].pack
    of = {"run": run, "sha256": checksum({**content, "run": run})}
    write_at_once(path, pack(of | dict(content)))  # they come first, for what hides a part of an archive hides its end


def read(path: Path, run: str | None, *, mend: str = AGAIN) -> dict[str, Any]:
    """The content of a file of `run`, or with None of whatever run it says. Nothing in it is executed.

    Raises:
        StoreError: there is no such file, it is damaged, was changed, or is of another run; with `mend`, what to do.
    """
    if not path.is_file():  # a pipe would never answer
        raise StoreError(f"{shown(path)} is {'no file' if path.exists() else 'missing'}; {mend}")
    try:
        content = FORMATS[path.suffix].unpack(path)
        owner, known = content.pop("run", None), content.pop("sha256", None)
        if not content and path.suffix == ".json":  # a diverged run leaves no arrays, and softmax's objective has no numbers
            raise ValueError("it is empty")
    except Exception as error:  # each format has a dozen kinds of its own
        reason = (str(error).splitlines() or [""])[0][:100] or type(error).__name__
        raise StoreError(f"{shown(path)} is damaged ({reason}); {mend}") from None
    if owner is None and known is None:
        if path.is_relative_to(runs_dir()):  # the shipped ones are checked against their index
            say_once(f"{shown(runs_dir())} holds files from before they said whose they are; they are used unchecked")
    elif run not in (None, owner):
        raise StoreError(f"{shown(path)} is not of this run but of {str(owner)[:100]}; {mend}")
    elif known != checksum({**content, "run": owner}):
        raise StoreError(f"{shown(path)} was changed since it was written; {mend}")
    return content


def write_at_once(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part, and a power failure leaves one of them.

    Raises:
        StoreError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")  # of a fixed name: what a killed process left is gone with the next
    try:
        part.unlink(missing_ok=True)
        with part.open("xb") as file:  # not "wb": a link of this name, in a folder from elsewhere, may lead to any file
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):  # it may be a folder
            part.unlink()
        raise unwritable(path, error, len(content)) from None


def unwritable(path: Path, error: OSError, size: int = 0) -> StoreError:
    """What cannot be written and why: of a full disk, how much is missing."""
    mend = "make it writable" + (", or set FERCORE_RUNS to another folder" if path.is_relative_to(runs_dir()) else "")
    if error.errno in NO_ROOM:
        free = shutil.disk_usage(path.parent).free
        mend = f"it needs {size / 1e6:,.1f} MB, {free / 1e6:,.1f} MB are free; make room, and the same command goes on"
    return StoreError(f"cannot write {shown(path)} ({error.strerror or error}); {mend}")


def file_sum(path: Path) -> str:
    """SHA-256 of a whole file, as the indexes of the shipped store have it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- what is the same in every format -----------------------------------------------------------------------------------


def checksum(content: Any) -> str:
    """SHA-256 of nested dictionaries, lists, arrays, tensors and plain values, in whatever order a format keeps them."""
    total = hashlib.sha256()
    add(total, content)
    return total.hexdigest()


PLAIN = (str, int, float, bool, type(None))  # nearly all that a result holds, told without asking further


def add(total: Any, content: Any) -> None:
    if type(content) in PLAIN:
        total.update(f"{content!r};".encode())
    elif isinstance(content, Mapping):
        for key in sorted(content, key=repr):
            total.update(f"{key!r}:".encode())
            add(total, content[key])
    elif isinstance(content, list | tuple):
        total.update(f"{len(content)}:".encode())
        for part in content:
            add(total, part)
    elif isinstance(content, np.ndarray):
        total.update(f"{content.dtype} {list(content.shape)}".encode())
        total.update(content.tobytes())
    elif hasattr(content, "detach"):  # a tensor: who looks a run up needs no PyTorch
        import torch

        total.update(f"{content.dtype} {list(content.shape)}".encode())
        total.update(content.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    else:
        total.update(f"{content!r};".encode())


# --- formats ------------------------------------------------------------------------------------------------------------


class Format(NamedTuple):
    """How content becomes a file's bytes, and a file its content; `unpack` raises whatever its library does."""

    pack: Callable[[dict[str, Any]], bytes]
    unpack: Callable[[Path], dict[str, Any]]


def pack_json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


def unpack_json(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MOST_TEXT:
        raise ValueError("too long")
    content = json.loads(path.read_bytes())
    if not isinstance(content, dict):
        raise TypeError("no JSON object")
    return content


def pack_arrays(content: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **content)
    return buffer.getvalue()


def unpack_arrays(path: Path) -> dict[str, Any]:
    refuse_bomb(path)
    with np.load(path) as saved:
        content = {name: saved[name] for name in saved.files}
    return content | {name: str(content[name]) for name in ("run", "sha256") if name in content}


def pack_tensors(content: dict[str, Any]) -> bytes:
    import safetensors.torch

    of = {name: content.pop(name) for name in ("run", "sha256")}
    return safetensors.torch.save(content, {"of": json.dumps(of)})  # one key, for safetensors shuffles several


def unpack_tensors(path: Path) -> dict[str, Any]:
    import safetensors.torch

    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > MOST_TEXT:
            raise ValueError("its header is too long")
        header = json.loads(file.read(length))
    of = json.loads(header.get("__metadata__", {}).get("of", "{}"))
    return safetensors.torch.load(path.read_bytes()) | of


def pack_state(content: dict[str, Any]) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def unpack_state(path: Path) -> dict[str, Any]:
    import torch

    refuse_bomb(path)
    return dict(torch.load(path, map_location="cpu", weights_only=True))


def refuse_bomb(path: Path) -> None:
    """Raise where a zip archive is damaged, or would unpack to what fills the memory."""
    with zipfile.ZipFile(path) as packed:
        if not packed.namelist() and path.stat().st_size > zipfile.sizeEndCentDir:  # which is all that an empty one has
            raise ValueError("it names none of its parts")
        if sum(part.file_size for part in packed.infolist()) > max(MOST_UNPACKED, path.stat().st_size):
            raise ValueError("it would fill the memory")


FORMATS = {
    ".json": Format(pack_json, unpack_json),
    ".npz": Format(pack_arrays, unpack_arrays),
    ".safetensors": Format(pack_tensors, unpack_tensors),
    ".pt": Format(pack_state, unpack_state),
}
