"""Two thousand files, settings and command lines with something changed at random: read, or refused in one line, and soon."""

import io
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fercore.cli import make_config, parser
from fercore.config import KEYS, RunConfig, config_from
from fercore.data.images import FORMATS, UnreadableImage, read_square
from fercore.data.readers.files import IMAGE_SUFFIXES
from fercore.data.readers.table import READERS
from fercore.errors import FercoreError
from fercore.limits import OneOf
from fercore.methods.table import METHODS
from fercore.runs import files, shipped
from fercore.runs.local import local_folder
from fercore.runs.shipped import ship
from fercore.train import train
from tests.data.trees import TREES
from tests.faces import make_tree
from tests.faults.runs import KINDS, break_off, config_of, train_with_answers
from tests.faults.tally import SOON, Hung, attempt, times
from tests.messages import one_line

WORDS = ("", "0", "-1", "1e999", "nan", "9" * 400, "../x", "\0", "ä", "a b", "[]", "{", "None", "\N{GRINNING FACE}", "%s")


@contextmanager
def refused_or_right(kind: str, case: str) -> Iterator[None]:
    """An attempt that may end in an error of one line, and must end soon."""
    began = time.monotonic()
    with attempt(kind, case):
        try:
            yield
        except (FercoreError, UnreadableImage) as error:
            one_line(error)
        if time.monotonic() - began > SOON:
            raise Hung(f"it took {time.monotonic() - began:.0f} s")


def mutate(content: bytes, draw: random.Random) -> bytes:
    """Bits flipped, a part cut, doubled, exchanged or filled, or a word put in."""
    content, length = bytearray(content), len(content)
    for _ in range(draw.choice((1, 1, 2, 5))):
        start = draw.randrange(length)
        end = min(length, start + draw.choice((1, 4, 60, 1000)))
        match draw.randrange(6):
            case 0:
                content[start] ^= 1 << draw.randrange(8)
            case 1:
                del content[start:end]
            case 2:
                content[start:start] = content[start:end]
            case 3:
                content[start:end] = draw.randbytes(end - start)
            case 4:
                content[start:end] = bytes(end - start)
            case 5:
                content[start:start] = draw.choice(WORDS).encode()
        length = max(1, len(content) - 1)
        content = content or bytearray(1)
    return bytes(content)


# --- files --------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
def test_images(tmp_path):
    draw, whole = random.Random(1), {}
    for kind in FORMATS:
        packed = io.BytesIO()
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(packed, kind)
        whole[kind] = packed.getvalue()
    for number in times(500, 5000):
        kind = FORMATS[number % len(FORMATS)]
        (tmp_path / "face").write_bytes(mutate(whole[kind], draw))
        with refused_or_right("fuzz: images", f"{kind} {number}"):
            assert read_square(tmp_path / "face", 24).shape == (3, 24, 24)


def test_lists_tables_and_archives_of_every_layout(tmp_path):
    """What a reader finds in a changed file is for its owner to judge; that it ends in one line is for us."""
    draw, changed = random.Random(2), []
    for layout, (name, make) in TREES.items():
        make(tmp_path / layout)
        changed += [(name, tmp_path / layout, file) for file in (tmp_path / layout).rglob("*.*") if is_table(file)]
    for number in times(500, 5000):
        name, root, file = changed[number % len(changed)]
        before = file.read_bytes()
        file.write_bytes(mutate(before, draw))
        with refused_or_right("fuzz: lists and archives", f"{file.relative_to(tmp_path)} {number}"):
            READERS[name](root)
        file.write_bytes(before)


def is_table(file: Path) -> bool:
    return file.is_file() and file.suffix.lower() not in IMAGE_SUFFIXES and file.stat().st_size > 0


def test_files_of_runs(tmp_path, monkeypatch):
    """Refused, or what was written: nothing in between."""
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "data"))
    tree, draw = make_tree(tmp_path / "set"), random.Random(3)
    finished, begun = (config_of(tree, seed=seed) for seed in (0, 1))
    train_with_answers(finished)
    break_off(begun)
    known = [(local_folder(finished) / name, finished.id) for name in KINDS] + [
        (local_folder(begun) / "checkpoint.pt", begun.id)
    ]
    whole = {file: (file.read_bytes(), files.checksum(files.read(file, run))) for file, run in known}
    for number in times(500, 5000):
        file, run = known[number % len(known)]
        content, checksum = whole[file]
        file.write_bytes(mutate(content, draw))
        with refused_or_right("fuzz: files of runs", f"{file.name} {number}"):
            assert files.checksum(files.read(file, run)) == checksum


def test_indexes(tiny, mnist):
    draw = random.Random(4)
    ship([train(tiny(), device="cpu")])
    file = shipped.RESULTS / shipped.INDEX
    content = file.read_bytes()
    for number in times(100, 1000):
        file.write_bytes(mutate(content, draw))
        with refused_or_right("fuzz: indexes", str(number)):
            shipped.read_index(shipped.INDEX, shipped.INDEX_COLUMNS)


# --- settings and command lines -----------------------------------------------------------------------------------------


def random_values(draw: random.Random) -> dict[str, object]:
    """Settings of any kind, most of them within their limits."""
    values = {}
    for key in draw.sample(sorted(KEYS), draw.randrange(1, 5)):
        limit = KEYS[key].limit
        fitting = list(limit.choices) if isinstance(limit, OneOf) else [0, 1, 3, 0.5, 1e-9, -1, 1e30]
        values[key] = draw.choice([*fitting, *fitting, draw.choice(WORDS)])
    return values | {
        "method": draw.choice([*METHODS, "x"]),
        "data": draw.choice(["wmnist", "simfer", "rafdb", "folder:/x", "x"]),
    }


def test_settings():
    draw = random.Random(5)
    for number in times(300, 3000):
        values = random_values(draw)
        with refused_or_right("fuzz: settings", f"{number} {values}"):
            config = RunConfig(**values)
            assert config_from(config.to_dict()) == config
            assert config.replace() == config


def test_command_lines():
    draw = random.Random(6)
    for number in times(200, 2000):
        command = ["train"]
        for key, value in random_values(draw).items():
            command += draw.choice([[f"--{key.replace('_', '-')}", str(value)], [f"--set={key}={value}"], [str(value)]])
        with refused_or_right("fuzz: command lines", f"{number} {command}"):
            code, said = parsed(command)
            assert code in (None, 0, 2)
            assert code == 0 or said.count("\n") == bool(code)


def parsed(command: list[str]) -> tuple[object, str]:
    """How the process would end and what it would say; None where it would begin."""
    errors = io.StringIO()
    with redirect_stderr(errors), redirect_stdout(io.StringIO()):
        try:
            options = parser().parse_args(command)
        except SystemExit as error:
            return error.code, errors.getvalue()
    make_config(options, ("seed", options.seed))
    return None, ""
