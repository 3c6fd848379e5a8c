"""The image store: a catalog's images, decoded once into one file of bytes from which every later run reads slices."""

import hashlib
import io
import os
import shlex
import shutil
import stat
import sys
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from PIL import Image
from torch import Tensor

from fercore.data.doubts import DIGEST, digest_of
from fercore.data.images import MOST_BYTES, UnreadableImage, read_square, to_square
from fercore.data.readers.catalog import Catalog
from fercore.errors import DataError
from fercore.paths import data_dir, shown
from fercore.progress import progress_bar

DECODE = "RGB, bilinear antialiased to a square, draft at twice the side, 2"  # images.to_square: change both together
BLOCK = 64  # images that one thread decodes and writes at a time; memory holds no more than this for each thread
MAX_THREADS = 8  # opening a file holds the interpreter's lock: beyond a few, threads mostly wait for each other


def open_store(catalog: Catalog, size: int) -> np.memmap:
    """The catalog's images as [N, 3, size, size] uint8, read-only, in the catalog's order; `StoredImages` reads parts of them.

    Decoded on the first call, which shows its progress; later calls map the file, `data_dir()/store/<name>-<size>-<key>.npy`,
    beside which `.sums` says of each image when its file was touched last, a digest of the file, and one of the pixels.
    The key is a fingerprint of the source (names, sizes and times of the files, in order) and of the way of decoding, so
    that a changed data set gets a store of its own. A file that was touched since, under the times it had, is read again,
    and the store built anew where it is another. Images of another size are resized, without keeping their aspect; gray
    ones get three equal channels. A process that finds another one building the same store waits for it.

    Args:
        catalog: what a reader found; its images come from `files`, or from `pixels` where these are given.
        size: the side of the stored images.

    Raises:
        DataError: the catalog is empty, an image is missing or broken, or the store cannot be written.
    """
    if not len(catalog):
        raise DataError(f"{shown(catalog.root)}: {catalog.name} has no images; check the folder with {check_command(catalog)}")
    found = [look_at(catalog, file) for file in catalog.files]
    path = data_dir() / "store" / f"{catalog.name}-{size}-{source_key(catalog, size, found)}.npy"
    shape = (len(catalog), 3, size, size)
    if not (is_whole(path, shape) and is_of(catalog.files, path, found)):
        with store_lock(path):
            if not (is_whole(path, shape) and is_of(catalog.files, path, found)):  # another process may have built it meanwhile
                if path.exists():
                    print(f"{shown(path)} is damaged, or of files that have changed, and is built again", file=sys.stderr)
                build_store(catalog, path, shape, describe_files(catalog, found))
    return np.load(path, mmap_mode="r")


class StoredImages:
    """Some images of a store, [N, 3, S, S] uint8, read from its file when they are asked for.

    Read, not mapped: pages of a map count as this process's memory as long as the system caches them, so that it would
    seem to grow with the set.

    Args:
        store: what `open_store` returned.
        positions: [N] int64, which of its images, in this order.
    """

    def __init__(self, store: np.memmap, positions: np.ndarray) -> None:
        self.path, self.offset, self.positions = Path(store.filename), store.offset, positions
        self.shape = torch.Size((len(positions), *store.shape[1:]))
        self.sums = read_sums(self.path)[2].view(np.uint8).reshape(-1, DIGEST)
        self.whole = np.zeros(len(self.sums), dtype=bool)  # which images were found as they were written
        self.file = os.open(self.path, os.O_RDONLY)
        weakref.finalize(self, os.close, self.file)

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, chosen: slice | Tensor) -> Tensor:
        """Images of a slice, or at positions [m] int64 on the CPU; DataError if they are not what was written."""
        wanted = self.positions[chosen if isinstance(chosen, slice) else chosen.numpy()]
        images = np.empty((len(wanted), *self.shape[1:]), dtype=np.uint8)
        for image, position in zip(images.reshape(len(wanted), -1), wanted.tolist(), strict=True):
            if os.preadv(self.file, [image], self.offset + position * image.nbytes) != image.nbytes:
                raise DataError(f"{shown(self.path)}: the image store was cut short while it was read; delete it")
            if not self.whole[position] and digest_of(image) != self.sums[position].tobytes():
                raise DataError(f"{shown(self.path)}: image {position} is not what was stored; delete the file to make it anew")
            self.whole[position] = True
        return torch.from_numpy(images)

    def digests(self) -> np.ndarray:
        """[N, DIGEST] uint8, which tell the images apart."""
        return self.sums[self.positions]


def look_at(catalog: Catalog, file: Path) -> os.stat_result:
    try:
        return file.stat()
    except OSError as error:
        raise broken(catalog, file, error.strerror or str(error)) from None


def source_key(catalog: Catalog, size: int, found: list[os.stat_result]) -> str:
    """16 hex digits that change when an image, its place in the catalog or the way of decoding does."""
    digest = hashlib.sha256(f"{DECODE}\n{size}\n".encode())
    if catalog.pixels is not None:
        digest.update(f"{catalog.pixels.shape}\n".encode())
        digest.update(np.ascontiguousarray(catalog.pixels).data)
    for file, state in zip(catalog.files, found, strict=True):
        name = file.relative_to(catalog.root) if file.is_relative_to(catalog.root) else file  # a moved folder keeps its store
        digest.update(f"{name}\n{state.st_size} {state.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


# --- files that were touched --------------------------------------------------------------------------------------------


def touches(found: list[os.stat_result]) -> np.ndarray:
    """[N] int64: when anything about a file changed last, which no program can set back as it can the time of its content."""
    return np.array([state.st_ctime_ns for state in found], dtype=np.int64)


def describe_files(catalog: Catalog, found: list[os.stat_result]) -> np.ndarray:
    """[2, N] int64: the first rows of `read_sums`; zeros where a catalog brings its pixels, which are in the store's name."""
    digests = [digest_of_file(file, state) for file, state in zip(catalog.files, found, strict=True)]
    return np.array([touches(found), digests], dtype=np.int64) if found else np.zeros((2, len(catalog)), dtype=np.int64)


def digest_of_file(file: Path, state: os.stat_result) -> int:
    """Of the content; 0 of what cannot be an image, such as a pipe, which would never end."""
    if not stat.S_ISREG(state.st_mode) or state.st_size > MOST_BYTES:
        return 0
    return int.from_bytes(hashlib.blake2b(file.read_bytes(), digest_size=DIGEST).digest(), "little", signed=True)


def is_of(files: Sequence[Path], path: Path, found: list[os.stat_result]) -> bool:
    """Whether a store is of these files as they are now; those that were touched since are read again."""
    if not files:
        return True
    now, sums = touches(found), read_sums(path)
    then, digests, _ = sums
    again = np.flatnonzero(then != now)
    if any(digest_of_file(files[i], found[i]) != digests[i] for i in again):
        return False
    if len(again):
        with suppress(OSError):  # of a store that may only be read they are read again each time
            write_sums(path, np.stack([now, *sums[1:]]).tobytes())
    return True


# --- the store's file ---------------------------------------------------------------------------------------------------


def is_whole(path: Path, shape: tuple[int, ...]) -> bool:
    """Whether a store file has the header and the length that this shape must have, and its digests theirs."""
    expected = npy_header(shape)
    try:
        if not (path.is_file() and sums_of(path).is_file()):  # a pipe would never answer
            return False
        with path.open("rb") as file:
            whole = file.read(len(expected)) == expected and path.stat().st_size == len(expected) + int(np.prod(shape))
        return whole and sums_of(path).stat().st_size == 3 * DIGEST * shape[0]
    except OSError as error:
        raise DataError(f"{shown(path)}: cannot read the image store: {error.strerror or error}; delete it") from None


def sums_of(path: Path) -> Path:
    """Where the digests of the store at `path` lie."""
    return path.with_suffix(".sums")


def read_sums(path: Path) -> np.ndarray:
    """[3, N] int64: when each file was touched last, a digest of its content, and one of its image's pixels."""
    return np.fromfile(sums_of(path), dtype=np.int64).reshape(3, -1)


def write_sums(path: Path, content: bytes) -> None:
    """Write what `read_sums` reads, at once."""
    part = sums_of(path).with_suffix(f".{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(sums_of(path))
    finally:
        part.unlink(missing_ok=True)


def npy_header(shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    description = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, description)
    return header.getvalue()


@contextmanager
def store_lock(path: Path) -> Iterator[None]:
    """Only one process builds the store at `path`; any other says that it waits.

    The lock's file stays: deleting it would let a third process lock a new one of the same name.
    """
    lock = FileLock(path.with_suffix(".lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"waiting for another process that builds {shown(path)}", file=sys.stderr)
            lock.acquire()
    except OSError as error:
        raise unwritable(path, error.strerror or str(error)) from None
    try:
        yield
    finally:
        lock.release()


def build_store(catalog: Catalog, path: Path, shape: tuple[int, ...], files: np.ndarray) -> None:
    """Decode everything into a temporary file, and move it to `path` when it is whole and on disk; `files` is kept with it.

    Written, not mapped: a full disk is then an error of `write`, where a mapped page would end the process.
    """
    part = path.with_suffix(".part")  # of a fixed name: what a killed build left is overwritten by the next
    try:
        part.unlink(missing_ok=True)
        require_space(path, int(np.prod(shape)))
        with part.open("wb") as file:
            file.write(npy_header(shape))
            file.flush()
            sums = files.tobytes() + write_images(catalog, file.fileno(), file.tell(), shape)
            os.fsync(file.fileno())
        path.unlink(missing_ok=True)  # a build that is killed from here on leaves no images beside the sums of others
        write_sums(path, sums)
        part.replace(path)
    except OSError as error:
        raise unwritable(path, error.strerror or str(error)) from None
    finally:
        part.unlink(missing_ok=True)


def write_images(catalog: Catalog, file: int, offset: int, shape: tuple[int, ...]) -> bytes:
    """Decode and write all images in blocks, each to its own place after `offset`; the digests of all, in order.

    Threads, though processes decode faster still (1.9 times at 100 pixels, 1.0 to 1.6 at 256, on 2 cores): a process would
    first import PyTorch for longer than most sets take, and forking one that has used PyTorch's threads is unsafe.
    """

    def write_block(start: int) -> bytes:
        images = [load_image(catalog, i, shape[-1]) for i in range(start, min(start + BLOCK, len(catalog)))]
        block = np.ascontiguousarray(images)
        write_at(file, memoryview(block.reshape(-1)), offset + start * int(np.prod(shape[1:])))
        return b"".join(map(digest_of, block))

    sums, threads = [], min(MAX_THREADS, os.cpu_count() or 1)
    with (
        ThreadPoolExecutor(threads) as pool,
        progress_bar(f"decoding {catalog.name}", total=len(catalog), unit=" images") as bar,
    ):
        for digests in pool.map(write_block, range(0, len(catalog), BLOCK)):  # an error cancels what is not begun
            sums.append(digests)
            bar.update(len(digests) // DIGEST)
    return b"".join(sums)


def write_at(file: int, content: memoryview, offset: int) -> None:
    while content:
        written = os.pwrite(file, content, offset)
        content, offset = content[written:], offset + written


def load_image(catalog: Catalog, index: int, size: int) -> np.ndarray:
    """[3, size, size] uint8 of one of the catalog's images."""
    if catalog.pixels is not None:
        return to_square(Image.fromarray(catalog.pixels[index]), size)
    try:
        return read_square(catalog.files[index], size)
    except UnreadableImage as error:
        raise broken(catalog, catalog.files[index], str(error)) from None


def require_space(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise unwritable(path, f"it needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free")


def unwritable(path: Path, reason: str) -> DataError:
    mend = "make room there, or set FERCORE_DATA to another folder"
    return DataError(f"cannot write the image store {shown(path)}: {reason}; {mend}")


def broken(catalog: Catalog, file: Path, reason: str) -> DataError:
    mend = f"replace it; all such files are listed by {check_command(catalog)}"
    return DataError(f"{shown(file)}: not a readable image ({reason}); {mend}")


def check_command(catalog: Catalog) -> str:
    return f"`python -m fercore data check {catalog.name} {shlex.quote(shown(catalog.root))}`"
