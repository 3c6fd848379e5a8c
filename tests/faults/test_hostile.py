"""Files that mean harm: they run a program, never end, fill the memory, or lead out of their folder. Each is one line, soon."""

import gzip
import io
import json
import os
import pickle
import re
import resource
import shutil
import struct
import subprocess
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fercore.config import RunConfig
from fercore.data import load_data
from fercore.data.releases import check_dataset
from fercore.data.simfer import is_complete
from fercore.errors import FercoreError
from fercore.models import build_model
from fercore.models.weights import load_weights
from fercore.runs.find import find_analysis, find_result
from fercore.runs.local import local_folder
from fercore.train import train
from fercore.trained import load_trained, read_image
from tests.data.test_images import BOMBS, RUNS
from tests.faces import make_tree
from tests.faults.runs import break_off, config_of, train_with_answers
from tests.faults.tally import SOON, Hung, Ran, attempt
from tests.messages import one_line

MOST_MEMORY = 2**30  # bytes, by which a refusal may make this process grow
Make = Callable[[Path, Path], object]  # a hostile file at the first path; if it could, it would write the second


@contextmanager
def attack(kind: str, case: str, trap: Path) -> Iterator[None]:
    """An attempt in which no program starts, and that ends soon and small, with a FercoreError of one line."""
    before, began, started = most_memory(), time.monotonic(), []

    def start_nothing(*arguments: object, **_: object) -> None:
        started.append(arguments)
        raise OSError("not in a test")

    with attempt(kind, case), pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", start_nothing)
        with pytest.raises(FercoreError) as error:
            yield
        one_line(error.value)
        if started or trap.exists():
            raise Ran(f"{trap} was written" if trap.exists() else f"a program was started: {started}")
        if time.monotonic() - began > SOON:
            raise Hung(f"it took {time.monotonic() - began:.0f} s")
        assert most_memory() - before < MOST_MEMORY


def most_memory() -> int:
    """Bytes that this process had at its largest."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class Evil:
    """What unpickling it runs."""

    def __init__(self, trap: Path) -> None:
        self.trap = trap

    def __reduce__(self) -> tuple:
        return Path.touch, (self.trap,)


def text(content: str) -> Make:
    return lambda file, trap: file.write_text(content.replace("TRAP", str(trap)))


def link(target: str) -> Make:
    return lambda file, trap: file.symlink_to(target)


# --- images -------------------------------------------------------------------------------------------------------------


def dos_eps(file: Path, trap: Path) -> None:
    """PostScript behind the header that a preview is stored with."""
    program = RUNS.format(trap).encode()
    file.write_bytes(struct.pack("<4sIIIIIIH", b"\xc5\xd0\xd3\xc6", 30, len(program), 0, 0, 0, 0, 0xFFFF) + program)


def png_with(kind: bytes, content: bytes) -> Make:
    """A chunk before pixels that are cut short."""

    def make(file: Path, trap: Path) -> None:
        whole = io.BytesIO()
        Image.new("RGB", (8, 8)).save(whole, "PNG")
        chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        file.write_bytes(whole.getvalue()[:33] + chunk + whole.getvalue()[33:-30])

    return make


def tiff_of(width: int, height: int) -> bytes:
    """One strip, of which the file has nothing."""
    entries = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, height), (279, 10)]
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + struct.pack("<I", 8)  # which leads to itself


ZEROS = zlib.compress(bytes(2**28), 9)
FACES: dict[str, Make] = {
    "PostScript": text(RUNS.replace("{}", "TRAP")),
    "PostScript behind a preview": dos_eps,
    "a pickle": lambda file, trap: file.write_bytes(pickle.dumps(Evil(trap))),
    "a pickled array": lambda file, trap: np.save(file.open("wb"), np.array([Evil(trap)], dtype=object), allow_pickle=True),
    "a shell script": text("#!/bin/sh\ntouch TRAP\n"),
    "SVG": text('<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'),
    "ImageMagick's language": text("push graphic-context\nimage over 0,0 0,0 'ephemeral:TRAP'\npop graphic-context\n"),
    "a text bomb": png_with(b"zTXt", b"Comment\0\0" + ZEROS),
    "a profile bomb": png_with(b"iCCP", b"icc\0\0" + ZEROS),
    "a TIFF of 4 billion pixels": lambda file, trap: file.write_bytes(tiff_of(65_000, 65_000)),
    **{name: lambda file, trap, content=content: file.write_bytes(content) for name, content in BOMBS.items()},
    "a pipe": lambda file, trap: os.mkfifo(file),
    "endless zeros": link("/dev/zero"),
    "the terminal": link("/dev/tty"),
    "a link to itself": lambda file, trap: file.symlink_to(file),
    "a link out of the folder": link("/etc/passwd"),
    "a terabyte": lambda file, trap: os.truncate(os.open(file, os.O_CREAT | os.O_WRONLY), 2**40),
}


def checked(root: Path) -> None:
    """`data check`, whose answer of a bad image is a table with it."""
    table, sound = check_dataset("simfer", root)
    assert not sound
    assert "unreadable images: 1" in table
    raise FercoreError(*[line for line in table.splitlines() if "train_00001" in line][:1])


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("case", FACES)
def test_an_image_does_no_harm(case, tmp_path, monkeypatch):
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "data"))
    root, trap = make_tree(tmp_path / "set", train=2, test=1), tmp_path / "trap"
    file = root / "Image" / "aligned" / "train_00001_aligned.jpg"
    file.unlink()
    FACES[case](file, trap)
    with attack("hostile: images", f"{case}, check", trap):
        checked(root)
    with attack("hostile: images", f"{case}, training", trap):
        load_data(f"simfer:{root}", **config_of(root).data_options)
    with attack("hostile: images", f"{case}, predict", trap):
        read_image(file, 24, 3)
    assert os.path.lexists(file)


# --- lists and tables ---------------------------------------------------------------------------------------------------


def first_row(change: Callable[[str], str]) -> Make:
    """A list or table with another line of train_00001.jpg."""

    def make(file: Path, trap: Path) -> None:
        lines = file.read_text().splitlines()
        number = next(i for i, line in enumerate(lines) if line.startswith("train_00001"))
        lines[number] = change(lines[number]).replace("TRAP", str(trap))
        file.write_text("\n".join(lines) + "\n")

    return make


def instead(make: Make) -> Make:
    def change(file: Path, trap: Path) -> None:
        file.unlink()
        make(file, trap)

    return change


LISTS: dict[str, Make] = {
    "a path upward": first_row(lambda line: f"../../../{line}"),
    "a path upward, of Windows": first_row(lambda line: rf"..\..\{line}"),
    "a path from the root": first_row(lambda line: f"/{line}"),
    "a zero byte in a name": first_row(lambda line: line.replace("_", "\0")),
    "a long path": first_row(lambda line: f"{'../' * 100_000}{line}"),
    "a long number": first_row(lambda line: line + "9" * 500_000),
    "a number of no end": first_row(lambda line: re.sub(r"\b1\b", "1e999", line)),
    "a long line": first_row(lambda line: line + " " * 2**21),
    "a program": first_row(lambda line: f"$(touch TRAP);`touch TRAP` {line}"),
    "a pipe": instead(lambda file, trap: os.mkfifo(file)),
    "endless zeros": instead(link("/dev/zero")),
    "a terabyte": lambda file, trap: os.truncate(file, 2**40),
    "a folder": instead(lambda file, trap: file.mkdir()),
    "a link to itself": instead(lambda file, trap: file.symlink_to(file)),
}


@pytest.mark.parametrize("case", LISTS)
def test_a_list_leads_nowhere_else(case, tmp_path, monkeypatch):
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "data"))
    root, trap = make_tree(tmp_path / "set", train=2, test=1), tmp_path / "trap"
    for name in ("EmoLabel/list_patition_label.txt", "simfer.csv"):
        file = root / name
        before = file.read_bytes()
        LISTS[case](file, trap)
        with attack("hostile: lists", f"{name} {case}, check", trap):
            check_dataset("simfer", root)
        with attack("hostile: lists", f"{name} {case}, training", trap):
            load_data(f"simfer:{root}", **config_of(root).data_options)
        file.rmdir() if file.is_dir() else file.unlink()
        file.write_bytes(before)


def test_a_manifest_is_not_read_without_end(tmp_path):
    manifest = tmp_path / "manifest.json"
    with attempt("hostile: lists", "a manifest of a terabyte"):
        os.truncate(os.open(manifest, os.O_CREAT | os.O_WRONLY), 2**40)
        assert not is_complete(tmp_path)  # and so it is for the renderer, which refuses it


def packed_table(file: Path, *members: tuple[str, bytes]) -> None:
    with tarfile.open(file, "w:gz") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def tar_bomb(file: Path, trap: Path) -> None:
    """Four gigabytes of zeros in a few megabytes."""
    header = tarfile.TarInfo("fer2013.csv")
    header.size = 2**32 - 1
    block = gzip.compress(bytes(2**24), 9)
    file.write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT)) + block * 8)


ARCHIVES: dict[str, Make] = {
    "a bomb": tar_bomb,
    "a path upward": lambda file, trap: packed_table(file, (f"../{trap.name}", b"x"), ("../fer2013.txt", b"x")),
    "a pickle": lambda file, trap: file.write_bytes(pickle.dumps(Evil(trap))),
    "no table": lambda file, trap: packed_table(file, ("fer2013.csv", b"\0" * 5000)),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_an_archive_does_no_harm(case, tmp_path):
    (tmp_path / "set").mkdir()
    ARCHIVES[case](tmp_path / "set" / "fer2013.tar.gz", tmp_path / "trap")
    with attack("hostile: archives", case, tmp_path / "trap"):
        check_dataset("fer2013", tmp_path / "set")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["fer2013.tar.gz"]


# --- files of a run, and weights of others --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunConfig, RunConfig]:
    """A finished run and one that broke off."""
    root = tmp_path_factory.mktemp("made")
    tree = make_tree(root / "set")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FERCORE_DATA", str(root / "data"))
        patch.setenv("FERCORE_RUNS", str(root / "runs"))
        finished, begun = (config_of(tree, seed=seed) for seed in (0, 1))
        train_with_answers(finished)
        break_off(begun)
    return root, finished, begun


def evil_torch(file: Path, trap: Path) -> None:
    torch.save({"model": Evil(trap), "run": "x", "sha256": "x"}, file)


def evil_arrays(file: Path, trap: Path) -> None:
    np.savez(file.open("wb"), test_labels=np.array([Evil(trap)], dtype=object), run="x", sha256="x")


def bomb(save: Callable[[Path], object]) -> Make:
    """An archive whose every part says of itself that it has two gigabytes."""

    def make(file: Path, trap: Path) -> None:
        save(file)
        content = bytearray(file.read_bytes())
        for sign, place in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
            start = content.find(sign)
            while start >= 0:
                content[start + place : start + place + 4] = struct.pack("<I", 2**31)
                start = content.find(sign, start + 1)
        file.write_bytes(content)

    return make


bomb_of_arrays = bomb(lambda file: np.savez_compressed(file, **{name: np.zeros(3) for name in ("a", "b", "c")}))
bomb_of_tensors = bomb(lambda file: torch.save({name: torch.zeros(3) for name in ("a", "b", "c")}, file))
OF_RUNS: dict[str, dict[str, Make]] = {
    "result.json": {
        "a pickle": lambda file, trap: file.write_bytes(pickle.dumps(Evil(trap))),
        "deep": text("[" * 1_000_000),
        "a terabyte": lambda file, trap: os.truncate(file, 2**40),
        "a path for an id": lambda file, trap: file.write_text(file.read_text().replace('"seed": 0', '"seed": "../../x"')),
    },
    "arrays.npz": {"a pickle": evil_arrays, "a bomb": bomb_of_arrays},
    "best.safetensors": {
        "a pickle": evil_torch,
        "a long header": lambda file, trap: file.write_bytes(struct.pack("<Q", 2**62) + b"{}"),
        "deep": lambda file, trap: file.write_bytes(struct.pack("<Q", 2**20) + b"[" * 2**20),
    },
    "probabilities.npz": {"a pickle": evil_arrays, "a bomb": bomb_of_arrays},
    "checkpoint.pt": {"a pickle": evil_torch, "a bomb": bomb_of_tensors},
}
USES: dict[str, Callable[[RunConfig], object]] = {
    "result.json": find_result,
    "arrays.npz": lambda config: find_result(config).arrays,
    "best.safetensors": lambda config: load_trained(config.id, "cpu", epoch="best"),
    "probabilities.npz": lambda config: find_analysis(config, "probabilities"),
    "checkpoint.pt": lambda config: train(config, device="cpu"),
}


@pytest.mark.parametrize(("name", "case"), [(name, case) for name, cases in OF_RUNS.items() for case in cases])
def test_a_file_of_a_run_does_no_harm(name, case, made, tmp_path, monkeypatch):
    root, finished, begun = made
    monkeypatch.setenv("FERCORE_DATA", str(root / "data"))
    monkeypatch.setenv("FERCORE_RUNS", str(root / "runs"))
    config = begun if name == "checkpoint.pt" else finished
    file = local_folder(config) / name
    before = file.read_bytes()
    OF_RUNS[name][case](file, tmp_path / "trap")
    with attack("hostile: files of runs", f"{name} {case}", tmp_path / "trap"):
        USES[name](config)
    assert file.exists()
    file.write_bytes(before)


def test_a_link_where_a_file_is_begun_leads_nowhere(made, tmp_path, monkeypatch):
    """In a folder from elsewhere; what it leads to would be written over."""
    root, finished, _ = made
    monkeypatch.setenv("FERCORE_DATA", str(root / "data"))
    mine = tmp_path / "mine"
    mine.write_text("precious")
    for name in ("result.json", "arrays.npz", "last.safetensors", "checkpoint.pt"):
        shutil.rmtree(local_folder(finished), ignore_errors=True)
        local_folder(finished).mkdir(parents=True)
        (local_folder(finished) / f".{name}.part").symlink_to(mine)
        with attempt("hostile: files of runs", f"a link at .{name}.part"):
            train(finished, device="cpu")
            if mine.read_text() != "precious":
                raise Ran(f"{mine} was written")


WEIGHTS: dict[str, Make] = {
    "a pickle": evil_torch,
    "a bare pickle": lambda file, trap: file.write_bytes(pickle.dumps(Evil(trap))),
    "a bomb": bomb_of_tensors,
    "JSON": lambda file, trap: file.write_text(json.dumps({"trunk": [0] * 100})),
    "endless zeros": link("/dev/zero"),
    "a pipe": lambda file, trap: os.mkfifo(file),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_of_others_do_no_harm(case, tmp_path):
    model = build_model(RunConfig(method="softmax", data="simfer", image_size=24, crop=20, width=1 / 16), 7)
    for suffix in ("pth", "safetensors"):
        file = tmp_path / f"weights.{suffix}"
        WEIGHTS[case](file, tmp_path / "trap")
        with attack("hostile: weights", f"{case}.{suffix}", tmp_path / "trap"):
            load_weights(model, file)
