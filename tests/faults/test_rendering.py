"""SimFER is killed, stopped, without room and given damaged folders: the same command goes on, and nothing stays behind."""

import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from simfer.dataset import LIST_FILE, TRUTH_FILE, image_path
from tests.faults.tally import (
    SOON,
    Lost,
    attempt,
    end,
    kill,
    living,
    one_line,
    start,
    start_forked,
    stop_group,
    times,
    wait_for,
)


def recipe_of(train: int, test: int) -> list[str]:
    """The options of a set of small faces, so many of each class."""
    counts = [f"train={','.join([str(train)] * 7)}", f"test={','.join([str(test)] * 7)}"]
    return ["--preset", "quick", *(f"--set={setting}" for setting in (*counts, "size=24", "identities=8,4")), "--out"]


ARGUMENTS = recipe_of(10, 4)  # 98 images: more than a process draws before it reports, so that two have something to do
LONGER, IMAGES = recipe_of(30, 4), 238  # where the command is to be stopped before its end


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set, made without being disturbed."""
    folder = tmp_path_factory.mktemp("simfer") / "whole"
    make_all(folder)
    return folder


def make_all(folder: Path) -> None:
    """The command, to its end."""
    process = start_forked("simfer", *ARGUMENTS, folder, "--workers", 1, output=folder.with_name("words"))
    code, text = end(process)
    assert code == 0, text


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def goes_on(folder: Path, whole: Path) -> None:
    """The same command ends with the very files that an undisturbed one writes, and no others."""
    make_all(folder)
    if contents(folder) != contents(whole):
        raise Lost(f"{folder} is not what was to be made")


def test_killed_at_any_moment_it_goes_on(tmp_path, whole):
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("manifest.json.part", "manifest.json.123.part", ".lock"):  # as killed at its first file
        (folder / name).touch()
    for number in times(4, 25):
        with attempt("killed: rendering"):
            command = ("simfer", *ARGUMENTS, folder, "--workers", 1 + number % 2)
            process = start_forked(*command, output=tmp_path / "words") if number else start(*command)
            wait_for(folder, ["manifest.json", "Image/aligned/*.part", "Image/aligned/*", LIST_FILE][number % 4], process)
            time.sleep(random.Random(number).random() / 4)
            before = len(list(folder.glob("Image/aligned/*.jpg")))
            kill(process)
            if len(list(folder.glob("Image/aligned/*.jpg"))) < before:
                raise Lost("an image that was there is gone")
    with attempt("killed: rendering"):
        goes_on(folder, whole)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("to", ["process", "group"])
def test_stopped_it_says_so_at_once(sent, to, tmp_path):
    folder = tmp_path / "set"
    command = ("simfer", *LONGER, folder, "--workers", 2)
    with attempt("stopped: rendering"):
        from_terminal = (sent, to) == (signal.SIGINT, "group")  # the likeliest one meets the command itself
        process = start(*command) if from_terminal else start_forked(*command, output=tmp_path / "words")
        wait_for(folder, "Image/aligned/*.jpg", process)
        os.kill(process.pid, sent) if to == "process" else os.killpg(process.pid, sent)
        assert "goes on" in one_line(end(process, SOON))
        assert not list(folder.rglob("*.part"))
        assert len(list(folder.glob("Image/aligned/*.jpg"))) < IMAGES


def test_it_ends_with_the_process_that_wants_the_set(tmp_path):
    """As `fercore` starts it: killed, that cannot tell its renderer."""
    for _ in times(1, 5):
        with attempt("stopped: rendering"):
            environment = os.environ | {"FERCORE_DATA": str(tmp_path)}
            parent = start("fercore", "data", "make", "simfer", env=environment)
            wait_for(tmp_path / "simfer" / "quick", "Image/aligned/*.jpg", parent)
            kill(parent)


def test_a_killed_drawing_process_is_a_line(tmp_path, whole):
    with attempt("killed: rendering"):
        process = start_forked("simfer", *ARGUMENTS, tmp_path / "set", "--workers", 2, output=tmp_path / "words")
        wait_for(tmp_path / "set", "Image/aligned/*.jpg", process)
        try:
            os.kill(max(living(process.pid)), signal.SIGKILL)
            assert "was killed" in one_line(end(process))
        finally:
            stop_group(process)
        goes_on(tmp_path / "set", whole)


def test_without_room_it_says_what_is_missing_and_goes_on(tmp_path, whole):
    folder = tmp_path / "set"
    for limit in (0, 200, 900, 3000):  # bytes a file may have: the manifest, images, the list and the truth are longer
        with attempt("no room: rendering"):
            command = ("simfer", *ARGUMENTS, folder, "--workers", 1)
            said = one_line(end(start_forked(*command, output=tmp_path / "words", file_limit=limit)))
            assert "cannot write" in said
            assert " MB; make room, and the same command goes on" in said
            assert not list(folder.rglob("*.part"))
    with attempt("no room: rendering"):
        goes_on(folder, whole)


def test_two_at_once_make_one_set(tmp_path, whole):
    with attempt("at once: rendering"):
        command = ("simfer", *ARGUMENTS, tmp_path / "set", "--workers", 1)
        both = [start_forked(*command, output=tmp_path / f"words {number}") for number in range(2)]
        assert [end(process)[0] for process in both] == [0, 0]
        assert contents(tmp_path / "set") == contents(whole)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edit(**values: object):
    def change(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(manifest | values))

    return change


def replaced(content: bytes, name: str = "manifest.json"):
    return lambda folder: (folder / name).write_bytes(content)


def fifo(name: str):
    def change(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return change


FIRST = image_path(Path(), "train_00001.jpg")
DAMAGES = {
    "list empty": replaced(b"", LIST_FILE),
    "list cut": lambda folder: (folder / LIST_FILE).write_bytes((folder / LIST_FILE).read_bytes()[:-30]),
    "list flipped": lambda folder: flip(folder / LIST_FILE),
    "list a pipe": fifo(LIST_FILE),
    "truth empty": replaced(b"", TRUTH_FILE),
    "truth flipped": lambda folder: flip(folder / TRUTH_FILE),
    "image flipped": lambda folder: flip(folder / FIRST),
    "image empty": replaced(b"", FIRST),
    "image a pipe": fifo(FIRST),
    "image of another": lambda folder: shutil.copy(image_path(folder, "train_00002.jpg"), folder / FIRST),
    "manifest empty": replaced(b""),
    "manifest a list": replaced(b"[]"),
    "manifest a pipe": fifo("manifest.json"),
    "manifest deep": replaced(b"[" * 100_000),
    "manifest long": replaced(b" " * 2_000_000 + b"{}"),
    "manifest binary": replaced(os.urandom(500)),
    "seed changed": edit(seed=7),
    "seed a word": edit(seed="seven"),
    "seed negative": edit(seed=-1),
    "recipe empty": edit(recipe={}),
    "recipe a list": edit(recipe=[]),
    "recipe huge": edit(recipe={"train": [10**15] * 7, "test": [0] * 7, "identities": [1, 1]}),
    "recipe of words": edit(recipe={"train": ["a"] * 7, "test": [0] * 7, "identities": [1, 1]}),
    "images changed": edit(images=3),
    "sum changed": edit(sha256="0" * 64),
    "sum missing": edit(sha256=None),
    "complete a word": edit(complete="yes"),
    "version of tomorrow": edit(version=99),
    "turned a word": edit(turned="all"),
}


def test_a_damaged_set_is_named_and_left_as_it_is(tmp_path, whole):
    from simfer.dataset import check
    from simfer.errors import SimferError

    for number, (name, damage) in enumerate(DAMAGES.items()):
        folder = tmp_path / str(number)
        shutil.copytree(whole, folder)
        damage(folder)
        files = sorted(folder.rglob("*"))
        with attempt("damaged: rendered set", name):
            with pytest.raises(SimferError, match=str(folder)):  # every line names the folder
                check(folder)
            assert sorted(folder.rglob("*")) == files
