"""Image files as people have them, and as an attacker makes them: one rule for check, store and `predict`."""

import io
import os
import struct
import time
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fercore.data import images as module
from fercore.data.images import FORMATS, UnreadableImage, open_image, read_square, to_square
from fercore.data.readers.catalog import Catalog
from fercore.data.releases import see_file
from fercore.data.store import open_store
from fercore.errors import DataError
from fercore.trained import read_image
from tests.messages import one_line

SIDE = 16


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "data"))


def picture(height: int = SIDE, width: int = SIDE) -> Image.Image:
    """Not symmetric in any way, and smooth enough for a JPEG."""
    down, across = np.mgrid[:height, :width] / max(height, width)
    return Image.fromarray((255 * np.stack([down, across, across**2 * down], axis=2)).astype(np.uint8))


def stored(file: Path, size: int = SIDE) -> np.ndarray:
    catalog = Catalog(name="rafdb", root=file.parent, files=(file,), labels=np.zeros(1, int), splits=np.array(["train"]))
    return np.array(open_store(catalog, size)[0])


def all_refuse(file: Path, *words: str) -> None:
    """Check, store and predict each refuse it in one line."""
    reason = see_file(file).problem
    assert reason is not None
    assert "\n" not in reason
    for read in (lambda: stored(file), lambda: read_image(file, SIDE, 3)):
        with pytest.raises(DataError, match="not a readable image") as caught:
            read()
        assert reason in one_line(caught.value)
    for word in words:
        assert word in reason


# --- what is read, and how --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_the_content_decides_and_not_the_name(tmp_path, kind):
    file = tmp_path / "face.jpg"
    picture().save(file, kind, **({"quality": 95} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}))
    assert np.abs(read_square(file, SIDE).astype(int) - to_square(picture(), SIDE)).max() <= (20 if kind == "JPEG" else 0)
    assert see_file(file).problem is None


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_an_image_is_turned_upright(tmp_path, turn, kind):
    upright = picture(24, 40)
    lying = upright
    if turn in module.UPRIGHT:  # 6 and 8 undo each other, every other one undoes itself
        lying = upright.transpose(module.UPRIGHT[{6: 8, 8: 6}.get(turn, turn)])
    exif = Image.Exif()
    exif[0x0112] = turn
    file = tmp_path / "face.jpg"
    lying.save(file, kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {}))
    difference = read_square(file, SIDE).astype(int) - to_square(upright, SIDE)
    assert np.abs(difference).max() <= (12 if kind in ("JPEG", "WEBP") else 1)
    assert (stored(file) == read_image(file, SIDE, 3).numpy()).all()


def test_a_damaged_orientation_is_upright(tmp_path):
    file = tmp_path / "face.jpg"
    picture().save(file, "JPEG", exif=b"Exif\0\0no such thing")
    assert (read_square(file, SIDE) == to_square(Image.open(file), SIDE)).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "L"])
def test_what_is_transparent_is_black(tmp_path, mode):
    file, options = tmp_path / "face.png", {}
    image = Image.new("RGBA", (SIDE, SIDE), (200, 200, 200, 255))
    image.paste((90, 90, 90, 0), (0, 0, SIDE // 2, SIDE))
    if mode == "P":
        image = image.quantize(8)
    elif mode in ("RGB", "L"):  # a color that stands for transparent
        image, options = image.convert(mode), {"transparency": (90, 90, 90) if mode == "RGB" else 90}
    else:
        image = image.convert(mode)
    image.save(file, **options)
    pixels = read_square(file, SIDE)
    assert (pixels[:, :, : SIDE // 2] == 0).all()
    assert (pixels[:, :, SIDE // 2 :] == 200).all()


def test_a_large_photograph_is_decoded_alike_in_training_and_predict(tmp_path):
    file = tmp_path / "photograph.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (800, 1200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, quality=90)
    assert (stored(file, 48) == read_image(file, 48, 3).numpy()).all()


ODD_NAMES = (b"two\nlines.jpg", b"caf\xe9.jpg", "smile \N{GRINNING FACE}.jpg".encode(), b"-rf.jpg", b"a 'quoted' \"name\".jpg")


@pytest.mark.parametrize("name", ODD_NAMES, ids=ascii)
def test_a_file_may_be_called_anything(tmp_path, name):
    """Read as any other, and told in one line that every output can print."""
    file = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))
    picture().save(file)
    assert see_file(file).problem is None
    assert np.array_equal(stored(file), read_image(file, SIDE, 3))
    file.write_bytes(b"no image")
    for read in (lambda: stored(file), lambda: read_image(file, SIDE, 3)):
        with pytest.raises(DataError, match="not a readable image") as caught:
            read()
        one_line(caught.value).encode()


def test_a_gray_network_sees_gray(tmp_path):
    file = tmp_path / "digit.png"
    gray = picture().convert("L")
    gray.save(file)
    assert (read_image(file, SIDE, 1).numpy() == np.asarray(gray)).all()


# --- what is refused --------------------------------------------------------------------------------------------------

RUNS = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n({}) (w) file (x) writestring showpage\n"


def test_postscript_is_no_image_and_is_not_run(tmp_path, monkeypatch):
    """Nothing is started, whatever Pillow would know to do with it."""
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a program was started"))
    file = tmp_path / "face.jpg"
    file.write_text(RUNS.format(tmp_path / "written"))
    all_refuse(file, "no known format", "JPEG")
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize("kind", ["GIF", "PPM", "PCX", "TGA", "ICO", "PDF", "EPS", "SGI", "JPEG2000", "DDS"])
def test_other_formats_are_refused(tmp_path, kind):
    file = tmp_path / "face.jpg"
    picture().save(file, kind)
    all_refuse(file, "no known format")


@pytest.mark.parametrize(("kind", "dtype"), [("PNG", np.uint16), ("TIFF", np.uint16), ("TIFF", np.int32), ("TIFF", np.float32)])
def test_more_than_8_bits_a_gray_value_are_refused(tmp_path, kind, dtype):
    Image.fromarray(np.full((SIDE, SIDE), 40000, dtype)).save(tmp_path / "face.png", kind)
    all_refuse(tmp_path / "face.png", "8 bits")


@pytest.mark.parametrize(("color", "channels"), [(2, 3), (4, 2), (6, 4)], ids=["RGB", "gray-and-alpha", "RGBA"])
def test_more_than_8_bits_a_color_are_refused(tmp_path, color, channels):
    """Pillow cannot write them, and reads them by their high bytes."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head, rows = struct.pack(">IIBBBBB", SIDE, SIDE, 16, color, 0, 0, 0), bytes((1 + 2 * channels * SIDE) * SIDE)
    content = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "face.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    all_refuse(tmp_path / "face.png", "8 bits")


def test_an_image_of_no_pixels_is_refused():
    with pytest.raises(DataError, match="0 x 0 pixels"):
        read_image(Image.new("RGB", (0, 0)), SIDE, 3)


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    for name in ("pipe", "zero", "folder", "loop", "absent"):
        start = time.monotonic()
        all_refuse(tmp_path / f"{name}.jpg")
        assert time.monotonic() - start < 2


def png_of(width: int, height: int, content: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def bmp_of(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, "BMP")
    content = bytearray(file.getvalue())
    content[18:26] = struct.pack("<ii", width, height)
    return bytes(content)


BOMBS = {
    "png of 4 billion pixels": png_of(65_000, 65_000),
    "png of 100 million": png_of(10_000, 10_000, zlib.compress(bytes(30_000 * 1000))),
    "png as large as its format allows": png_of(2**31 - 1, 2**31 - 1),
    "bmp of 2 billion": bmp_of(2**31 - 1, 1),
    "bmp of 900 million": bmp_of(30_000, 30_000),
    "no pixel": png_of(0, 0),
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.filterwarnings("error")
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path, bomb):
    (tmp_path / "face.png").write_bytes(BOMBS[bomb])
    start = time.monotonic()
    all_refuse(tmp_path / "face.png")
    assert time.monotonic() - start < 2


def test_a_huge_file_is_not_read(tmp_path):
    with open(tmp_path / "face.png", "wb") as file:
        file.write(png_of(8, 8))
        file.truncate(2**40)  # sparse
    all_refuse(tmp_path / "face.png", "bytes, more than")


@pytest.mark.filterwarnings("ignore")
def test_garbage_of_every_kind_is_one_line(tmp_path):
    """Each format's own file, with bytes changed or cut: read, or refused; never another error."""
    rng = np.random.default_rng(0)
    for kind in FORMATS:
        whole = io.BytesIO()
        picture(40, 40).save(whole, kind)
        for _ in range(60):
            content = bytearray(whole.getvalue())
            for place in rng.integers(0, min(len(content), 400), 4):
                content[place] = rng.integers(256)
            (tmp_path / "face").write_bytes(content[: rng.integers(1, len(content) + 1)])
            with suppress(UnreadableImage):
                assert read_square(tmp_path / "face", SIDE).shape == (3, SIDE, SIDE)


def test_an_error_of_the_block_is_one_of_the_image(tmp_path):
    picture().save(tmp_path / "face.png")
    with pytest.raises(UnreadableImage, match=r"^truncated$"), open_image(tmp_path / "face.png"):
        raise OSError("truncated")
