"""The image store against plain Pillow, and every way in which building or reading it can fail."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from fercore.data import store as module
from fercore.data.readers.catalog import Catalog
from fercore.data.splits import Images
from fercore.data.store import StoredImages, open_store
from fercore.errors import DataError
from tests.messages import one_line

COUNT, SIDE = 150, 12  # more than two blocks, and the last one is not full


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "store"


@pytest.fixture
def faces(tmp_path: Path) -> Catalog:
    """150 PNG files of seeded noise, whose pixels are kept without loss."""
    return make_catalog(tmp_path / "faces")


def make_catalog(root: Path, count: int = COUNT, suffix: str = ".png") -> Catalog:
    root.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)
    files = tuple(root / f"face_{i:03d}{suffix}" for i in range(count))
    for file, image in zip(files, pixels, strict=True):
        Image.fromarray(image).save(file)
    return catalog_of(files, root)


def catalog_of(files: tuple[Path, ...], root: Path) -> Catalog:
    labels = np.arange(len(files)) % 7
    return Catalog(name="rafdb", root=root, files=tuple(files), labels=labels, splits=np.full(len(files), "train"))


def one_file(image: Image.Image, file: Path, **options: object) -> Catalog:
    file.parent.mkdir(exist_ok=True)
    image.save(file, **options)
    return catalog_of((file,), file.parent)


def plain(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file).convert("RGB")).transpose(2, 0, 1)


def stored_files(folder: Path) -> list[str]:
    return sorted(file.suffix for file in folder.iterdir())


def forbid_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object):
        raise AssertionError("decoded again")

    monkeypatch.setattr(module, "load_image", fail)


# --- what is stored ---------------------------------------------------------------------------------------------------


def test_every_image_is_stored_in_the_order_of_the_catalog(faces, data_folder):
    store = open_store(faces, SIDE)
    assert isinstance(store, np.memmap)
    assert store.shape == (COUNT, 3, SIDE, SIDE)
    assert store.dtype == np.uint8
    for file, image in zip(faces.files, store, strict=True):
        assert (image == plain(file)).all()
    assert stored_files(data_folder) == [".lock", ".npy", ".sums"]


def test_images_of_another_size_are_resized_antialiased(faces):
    for side in (5, 30):
        store = open_store(faces, side)
        for i in (0, COUNT - 1):
            expected = Image.open(faces.files[i]).resize((side, side), Image.Resampling.BILINEAR)
            assert (store[i] == np.asarray(expected).transpose(2, 0, 1)).all()


def test_an_image_that_is_not_square_becomes_square(tmp_path):
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (20, 10, 3), dtype=np.uint8))
    store = open_store(one_file(image, tmp_path / "tall" / "face.png"), 8)
    assert (store[0] == np.asarray(image.resize((8, 8), Image.Resampling.BILINEAR)).transpose(2, 0, 1)).all()


def test_a_jpeg_of_the_stored_size_is_decoded_whole(tmp_path):
    catalog = make_catalog(tmp_path / "jpeg", count=3, suffix=".jpg")
    for file, image in zip(catalog.files, open_store(catalog, SIDE), strict=True):
        assert (image == plain(file)).all()


def test_a_jpeg_much_too_large_is_decoded_at_a_part_of_its_size(tmp_path):
    small = Image.fromarray(np.random.default_rng(2).integers(0, 256, (6, 6, 3), dtype=np.uint8))
    large = small.resize((480, 480), Image.Resampling.BICUBIC)
    store = open_store(one_file(large, tmp_path / "large" / "face.jpg", quality=95), 32)
    expected = large.resize((32, 32), Image.Resampling.BILINEAR)
    assert np.abs(store[0].astype(int) - np.asarray(expected).transpose(2, 0, 1)).max() <= 8


@pytest.mark.parametrize("mode", ["L", "1", "LA", "P", "RGBA"])
def test_every_mode_of_8_bits_becomes_three_channels(tmp_path, mode):
    gray = Image.fromarray(np.random.default_rng(3).integers(0, 256, (SIDE, SIDE), dtype=np.uint8))
    image = gray.convert("RGB").convert(mode)
    store = open_store(one_file(image, tmp_path / "modes" / "face.png"), SIDE)
    assert (store[0] == store[0, :1]).all()
    assert (store[0, 0] == np.asarray(image.convert("L"))).all()


def test_pixels_of_a_table_are_stored_as_images_are(tmp_path):
    pixels = np.random.default_rng(4).integers(0, 256, (70, 48, 48), dtype=np.uint8)
    table = Catalog(name="fer2013", root=tmp_path, labels=np.zeros(70, int), splits=np.full(70, "train"), pixels=pixels)
    assert (open_store(table, 48) == pixels[:, None]).all()
    smaller = Image.fromarray(pixels[69]).resize((40, 40), Image.Resampling.BILINEAR)
    assert (open_store(table, 40)[69] == np.asarray(smaller)).all()
    pixels[0, 0, 0] ^= 1
    assert open_store(table, 48)[0, 0, 0, 0] == pixels[0, 0, 0]


def test_the_store_cannot_be_written_by_accident(faces):
    with pytest.raises(ValueError, match="read-only"):
        open_store(faces, SIDE)[0, 0, 0, 0] = 1


# --- when it is built -------------------------------------------------------------------------------------------------


def test_images_are_decoded_once(faces, monkeypatch):
    first = open_store(faces, SIDE)
    forbid_decoding(monkeypatch)
    assert (open_store(faces, SIDE) == first).all()


def test_a_moved_folder_keeps_its_store(faces, tmp_path, monkeypatch):
    open_store(faces, SIDE)
    moved = faces.root.rename(tmp_path / "moved")
    forbid_decoding(monkeypatch)
    open_store(catalog_of(tuple(moved / file.name for file in faces.files), moved), SIDE)


def repaint(catalog: Catalog) -> Catalog:
    Image.new("RGB", (SIDE, SIDE), "red").save(catalog.files[7])
    return catalog


def repaint_at_equal_size(catalog: Catalog) -> Catalog:
    """Another image in a file of the same length: only its time tells."""
    file = catalog.files[7]
    before = file.stat()
    Image.new("RGB", (SIDE, SIDE), "red").save(file)
    file.write_bytes(file.read_bytes().ljust(before.st_size, b"\0"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    return catalog


def swap_two(catalog: Catalog) -> Catalog:
    return catalog_of((catalog.files[1], catalog.files[0], *catalog.files[2:]), catalog.root)


def drop_one(catalog: Catalog) -> Catalog:
    return catalog_of(catalog.files[1:], catalog.root)


def rename_one(catalog: Catalog) -> Catalog:
    renamed = catalog.files[0].rename(catalog.root / "another.png")
    return catalog_of((renamed, *catalog.files[1:]), catalog.root)


@pytest.mark.parametrize("change", [repaint, repaint_at_equal_size, swap_two, drop_one, rename_one])
def test_a_changed_source_gets_a_store_of_its_own(faces, data_folder, change):
    open_store(faces, SIDE)
    changed = change(faces)
    store = open_store(changed, SIDE)
    assert len(list(data_folder.glob("*.npy"))) == 2
    for i in (0, 1, 7, len(changed) - 1):
        assert (store[i] == plain(changed.files[i])).all()


def test_another_way_of_decoding_gets_a_store_of_its_own(faces, data_folder, monkeypatch):
    open_store(faces, SIDE)
    monkeypatch.setattr(module, "DECODE", "another")
    open_store(faces, SIDE)
    assert len(list(data_folder.glob("*.npy"))) == 2


# --- damage -----------------------------------------------------------------------------------------------------------


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def lengthen(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")


def change_the_header(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"|u1", b"|i1", 1))


def empty(file: Path) -> None:
    file.write_bytes(b"")


def lose_the_digests(file: Path) -> None:
    file.with_suffix(".sums").unlink()


def cut_the_digests(file: Path) -> None:
    cut_short(file.with_suffix(".sums"))


def put_a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def lead_the_digests_elsewhere(file: Path) -> None:
    file.with_suffix(".sums").unlink()
    file.with_suffix(".sums").symlink_to("/dev/zero")


DAMAGES = [cut_short, lengthen, change_the_header, empty, put_a_pipe]
DAMAGES += [lose_the_digests, cut_the_digests, lead_the_digests_elsewhere]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_store_is_built_again_with_a_note(faces, data_folder, capsys, damage):
    expected = np.array(open_store(faces, SIDE))
    (file,) = data_folder.glob("*.npy")
    assert capsys.readouterr().err == ""
    damage(file)
    assert (open_store(faces, SIDE) == expected).all()
    assert capsys.readouterr().err == f"{file} is damaged, or of files that have changed, and is built again\n"


# --- a part of it, read when asked for ---------------------------------------------------------------------------------


def test_stored_images_are_read_in_the_order_asked_for(faces):
    store = np.array(open_store(faces, SIDE))
    positions = np.array([149, 3, 70, 3, 0])
    images = StoredImages(open_store(faces, SIDE), positions)
    assert len(images) == 5
    assert images.shape == (5, 3, SIDE, SIDE)
    assert (images[:].numpy() == store[positions]).all()
    assert (images[4:0:-2].numpy() == store[positions[4:0:-2]]).all()
    assert (images[torch.tensor([2, 2, 0])].numpy() == store[positions[[2, 2, 0]]]).all()


def test_batches_read_ahead_come_in_order(faces):
    store = np.array(open_store(faces, SIDE))
    split = Images(StoredImages(open_store(faces, SIDE), np.arange(COUNT)), torch.zeros(COUNT, dtype=torch.int64))
    batches = torch.randperm(COUNT, generator=torch.Generator().manual_seed(0)).split(32)
    arrived = list(split.read_ahead(batches))
    assert [len(images) for images in arrived] == [32, 32, 32, 32, 22]
    for positions, images in zip(batches, arrived, strict=True):
        assert (images.numpy() == store[positions.numpy()]).all()
    assert list(split.read_ahead([])) == []
    in_memory = Images(torch.from_numpy(store), split.labels)
    for images, same in zip(arrived, in_memory.read_ahead(batches), strict=True):
        assert torch.equal(images, same)


def test_a_store_cut_short_while_it_is_read_gets_one_line(faces, data_folder):
    images = StoredImages(open_store(faces, SIDE), np.arange(COUNT))
    (file,) = data_folder.glob("*.npy")
    cut_short(file)
    with pytest.raises(DataError, match="cut short") as caught:
        images[:]
    assert one_line(caught)


def test_a_flipped_bit_of_a_store_is_named_and_never_used(faces, data_folder):
    open_store(faces, SIDE)
    (file,) = data_folder.glob("*.npy")
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)
    images = StoredImages(open_store(faces, SIDE), np.arange(COUNT))
    assert len(images[: COUNT - 1]) == COUNT - 1
    with pytest.raises(
        DataError, match=rf"image {COUNT - 1} is not what was stored; delete the file to make it anew"
    ) as caught:
        images[:]
    assert one_line(caught.value)


def test_a_file_that_was_exchanged_at_its_old_time_is_noticed(faces, data_folder):
    pair = faces.files[:2]
    contents = [file.read_bytes() for file in pair]
    contents = [content.ljust(max(map(len, contents)), b"\0") for content in contents]  # after a JPEG's end nothing is read

    def write(in_order: list[bytes]) -> None:
        for file, content in zip(pair, in_order, strict=True):
            file.write_bytes(content)
            os.utime(file, (1e9, 1e9))

    write(contents)
    before = np.array(open_store(faces, SIDE)[:2])
    write(contents[::-1])
    after = np.array(open_store(faces, SIDE)[:2])
    assert (after == before[::-1]).all()


def test_a_store_that_may_only_be_read_serves_files_that_were_touched(faces, data_folder, monkeypatch, capsys):
    expected = np.array(open_store(faces, SIDE))
    before = faces.files[0].stat()
    os.utime(faces.files[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert faces.files[0].stat().st_ctime_ns != before.st_ctime_ns

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(module, "write_sums", refuse)
    assert (open_store(faces, SIDE) == expected).all()
    assert capsys.readouterr().err == ""


def test_a_store_of_other_files_is_not_taken_for_this_one(faces, data_folder):
    """Its name alone says of which set it is; what it holds is asked too."""
    open_store(faces, SIDE)
    (file,) = data_folder.glob("*.npy")
    images, sums = np.load(file)[::-1], module.read_sums(file)[:, ::-1]
    np.save(file, np.ascontiguousarray(images))
    file.with_suffix(".sums").write_bytes(np.ascontiguousarray(sums).tobytes())
    store = open_store(faces, SIDE)
    assert (store[0] == plain(faces.files[0])).all()


def test_digests_tell_images_apart(faces):
    store = open_store(faces, SIDE)
    digests = StoredImages(store, np.arange(COUNT)).digests()
    assert len({digest.tobytes() for digest in digests}) == COUNT
    assert (StoredImages(store, np.array([5, 2])).digests() == digests[[5, 2]]).all()


MEMORY_OF = """
import sys
from pathlib import Path
import numpy as np
import torch
from fercore.data.readers.catalog import Catalog
from fercore.data.splits import Images
from fercore.data.store import StoredImages, open_store

root = Path(sys.argv[1])
for count in map(int, sys.argv[2:]):
    files = tuple(sorted(root.glob("*.png"))) * (count // 150)
    labels = np.zeros(count, dtype=np.int64)
    catalog = Catalog(name="rafdb", root=root, files=files, labels=labels, splits=np.full(count, "train"))
    split = Images(StoredImages(open_store(catalog, 128), np.arange(count)), torch.from_numpy(labels))
    for images in split.read_ahead(torch.randperm(count).split(64)):
        pass
    status = Path("/proc/self/status").read_text()  # getrusage would tell the peak of the process that started this one
    print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


def test_memory_does_not_grow_with_the_set(faces):
    """1,800 images more are 88 MB of pixels; the peak after them is set beside the peak before."""
    command = [sys.executable, "-c", MEMORY_OF, str(faces.root), "150", "1950"]
    few, many = map(int, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    assert many < few + 40_000  # kilobytes


def write_text(file: Path) -> None:
    file.write_text("no image")


def make_empty(file: Path) -> None:
    file.write_bytes(b"")


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def remove(file: Path) -> None:
    file.unlink()


def make_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def link_to_itself(file: Path) -> None:
    file.unlink()
    file.symlink_to(file)


def save_16_bits(file: Path) -> None:
    Image.fromarray(np.full((SIDE, SIDE), 40000, dtype=np.uint16)).save(file)


@pytest.mark.parametrize("damage", [write_text, make_empty, truncate, remove, make_folder, link_to_itself, save_16_bits])
def test_a_broken_image_is_named_and_leaves_nothing(faces, data_folder, damage):
    damage(faces.files[140])
    with pytest.raises(DataError, match=r"face_140\.png: not a readable image \(.+\); .*fercore data check rafdb ") as caught:
        open_store(faces, SIDE)
    assert one_line(caught.value).count("face_140") == 1
    assert not list(data_folder.glob("*.npy")) + list(data_folder.glob("*.part"))


def test_of_several_broken_images_the_first_is_named(faces):
    for i in (149, 70, 3):
        write_text(faces.files[i])
    with pytest.raises(DataError, match=r"face_003\.png"):
        open_store(faces, SIDE)


def test_an_empty_catalog_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"rafdb has no images; check the folder with `python -m fercore data check rafdb "):
        open_store(catalog_of((), tmp_path), SIDE)


def test_too_little_space_is_noticed_before_decoding(faces, data_folder, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    forbid_decoding(monkeypatch)
    with pytest.raises(
        DataError, match=r"^cannot write the image store .*: it needs 0\.0 GB, 0\.0 GB are free; make room"
    ) as caught:
        open_store(faces, SIDE)
    assert one_line(caught.value)
    assert stored_files(data_folder) == [".lock"]


def test_a_disk_that_fills_up_meanwhile_gets_one_line_and_leaves_nothing(faces, data_folder, monkeypatch):
    def full(*_: object):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module.os, "pwrite", full)
    with pytest.raises(DataError, match=r"^cannot write the image store .*: No space left on device; make room") as caught:
        open_store(faces, SIDE)
    assert one_line(caught.value)
    assert stored_files(data_folder) == [".lock"]


def test_a_write_that_takes_only_a_part_is_continued(faces, monkeypatch):
    whole = os.pwrite
    monkeypatch.setattr(module.os, "pwrite", lambda file, content, offset: whole(file, content[:1000], offset))
    store = open_store(faces, SIDE)
    assert all((image == plain(file)).all() for file, image in zip(faces.files, store, strict=True))


def test_a_data_folder_that_cannot_be_made_gets_one_line(faces, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"^cannot write the image store .*: Not a directory; ") as caught:
        open_store(faces, SIDE)
    assert one_line(caught.value)


# --- two processes, and a killed one ----------------------------------------------------------------------------------

BUILD = """
import sys, time
from pathlib import Path
import numpy as np
from fercore.data import store
from fercore.data.readers.catalog import Catalog
root, pause = Path(sys.argv[1]), float(sys.argv[2])
files = tuple(sorted(root.iterdir()))
load = store.load_image
def slow(catalog, index, size):
    if index == 100:
        print("decoding", flush=True)
        time.sleep(pause)
    return load(catalog, index, size)
store.load_image = slow
splits = np.full(len(files), "train")
store.open_store(Catalog(name="rafdb", root=root, files=files, labels=np.zeros(len(files), int), splits=splits), 12)
"""


def start_build(root: Path, pause: float) -> subprocess.Popen:
    """Another process that builds the store and, having said "decoding", waits at image 100."""
    process = subprocess.Popen([sys.executable, "-c", BUILD, str(root), str(pause)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "decoding\n"
    return process


def test_a_killed_build_leaves_nothing_that_is_read(faces, data_folder):
    process = start_build(faces.root, pause=60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert stored_files(data_folder) == [".lock", ".part"]
    store = open_store(faces, SIDE)
    assert all((image == plain(file)).all() for file, image in zip(faces.files, store, strict=True))
    assert stored_files(data_folder) == [".lock", ".npy", ".sums"]


def test_a_second_process_waits_for_the_first_and_decodes_nothing(faces, data_folder, capsys, monkeypatch):
    forbid_decoding(monkeypatch)
    with start_build(faces.root, pause=2) as process:
        store = open_store(faces, SIDE)
        assert process.wait() == 0
    assert (store[100] == plain(faces.files[100])).all()
    assert capsys.readouterr().err.startswith("waiting for another process that builds ")


def test_two_threads_build_one_store_once(faces, monkeypatch):
    loaded, load = [], module.load_image

    def count(catalog: Catalog, index: int, size: int) -> np.ndarray:
        loaded.append(index)
        time.sleep(0.001)
        return load(catalog, index, size)

    monkeypatch.setattr(module, "load_image", count)
    threads = [threading.Thread(target=open_store, args=(faces, SIDE)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(loaded) == list(range(COUNT))
