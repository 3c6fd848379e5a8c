"""Data change under a run's name: labels are mended, images exchanged, people told apart, sets deleted. A result says so."""

import csv
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fercore.config import RunConfig
from fercore.data.simfer import make_simfer
from fercore.errors import StoreError
from fercore.papers.analyses import examine
from fercore.runs.find import find_analysis, find_result, find_results
from fercore.runs.local import local_folder
from fercore.runs.shipped import ship
from fercore.train import train
from fercore.trained import load_trained, predict
from tests.faces import make_tree
from tests.faults.runs import break_off, config_of, train_with_answers
from tests.faults.tally import attempt
from tests.messages import one_line

LISTED, TABLE = "EmoLabel/list_patition_label.txt", "simfer.csv"
FIRST, SECOND = (f"Image/aligned/train_0000{number}_aligned.jpg" for number in (1, 2))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set, a store with a finished run about it, and another where it broke off; never changed by a test."""
    root = tmp_path_factory.mktemp("made")
    make_tree(root / "set")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FERCORE_DATA", str(root / "data"))
        with at(root / "set", root / "faces") as config:
            for name, make in (("unfinished", break_off), ("finished", train_with_answers)):
                patch.setenv("FERCORE_RUNS", str(root / name))
                make(config)
    return root


class at:
    """The run about a folder, at which the set lies for the time of a block: a run's id has the folder's path."""

    def __init__(self, source: Path, place: Path) -> None:
        self.source, self.place = source, place

    def __enter__(self) -> RunConfig:
        shutil.copytree(self.source, self.place)  # times and all: only what a test changes is changed
        return config_of(self.place)

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.place, ignore_errors=True)


@pytest.fixture
def run(made, tmp_path, monkeypatch):
    """The run and its set, in a store of its own that a test may change; `begun` has it broken off."""
    monkeypatch.setenv("FERCORE_DATA", str(made / "data"))
    shutil.copytree(made / "finished", tmp_path / "runs")
    with at(made / "set", made / "faces") as config:
        yield config


def begun(made: Path, config: RunConfig) -> None:
    shutil.rmtree(local_folder(config))
    shutil.copytree(made / "unfinished" / "store" / config.id, local_folder(config))


def change_rows(root: Path, change: Callable[[list[dict[str, str]]], object]) -> None:
    """Change rows of the truth, and the list with them."""
    with (root / TABLE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    change(rows)
    with (root / TABLE).open("w", newline="") as file:
        writer = csv.DictWriter(file, ("name", "split", "label", "identity", "sequence", "frame"))
        writer.writeheader()
        writer.writerows(rows)
    (root / LISTED).write_text("".join(f"{row['name']} {row['label']}\n" for row in rows))


def swap(column: str, *pair: int) -> Callable[[Path], None]:
    """Exchange what two rows have in a column."""

    def change(rows: list[dict[str, str]]) -> None:
        first, second = (rows[number] for number in pair)
        first[column], second[column] = second[column], first[column]

    return lambda root: change_rows(root, change)


def swap_all_labels(root: Path) -> None:
    def change(rows: list[dict[str, str]]) -> None:
        for row in rows:
            row["label"] = {"1": "2", "2": "1"}.get(row["label"], row["label"])

    change_rows(root, change)


def repaint(root: Path) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(root / FIRST)


def repaint_secretly(root: Path) -> None:
    """Another image of the same length, with the times of the first: what rsync and cp -p may do."""
    before, content = (root / FIRST).stat(), bytearray((root / FIRST).read_bytes())
    content[-40:-20] = content[-60:-40]
    (root / FIRST).write_bytes(content)
    os.utime(root / FIRST, ns=(before.st_atime_ns, before.st_mtime_ns))


def exchange(root: Path) -> None:
    (root / FIRST).rename(root / "x")
    (root / SECOND).rename(root / FIRST)
    (root / "x").rename(root / SECOND)


CHANGES: dict[str, Callable[[Path], object]] = {
    "two labels": swap("label", 0, 1),
    "two test labels": swap("label", -1, -2),
    "all labels of two classes": swap_all_labels,
    "two people": swap("identity", 0, 8),
    "an image": repaint,
    "an image, at its old time": repaint_secretly,
    "two images": exchange,
    "an image less": lambda root: change_rows(root, lambda rows: rows.pop(0)),
    "another order": lambda root: change_rows(root, lambda rows: rows.reverse()),
}
USES: dict[str, Callable[[RunConfig], object]] = {
    "train": lambda config: train(config, device="cpu"),
    "a report": lambda config: find_results([config, config]),
    "a network's data": lambda config: load_trained(config.id, "cpu").data,
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_result_about_changed_data_is_not_given_as_theirs(case, run, made):
    root = Path(run.data.partition(":")[2])
    assert find_result(run)
    CHANGES[case](root)
    before = {path: path.read_bytes() for path in local_folder(run).iterdir()}
    for name, use in USES.items():
        with attempt("data: changed", f"{case}, {name}"):
            with pytest.raises(
                StoreError, match=r"was trained on other data than .* --fresh, or give the changed set a name"
            ) as error:
                use(run)
            assert one_line(error.value)
    assert {path: path.read_bytes() for path in local_folder(run).iterdir()} == before
    begun(made, run)
    with attempt("data: changed", f"{case}, going on"):
        with pytest.raises(StoreError, match=r"checkpoint\.pt is of a training on other data") as error:
            train(run, device="cpu")
        assert one_line(error.value)
        assert (local_folder(run) / "checkpoint.pt").exists()


def test_trained_anew_it_is_about_the_data_as_they_are(run, monkeypatch):
    """And what was asked of the old network is not its answer any more."""
    before = find_analysis(run, "probabilities")["labels"]
    swap_all_labels(Path(run.data.partition(":")[2]))
    with attempt("data: changed"):
        monkeypatch.setenv("FERCORE_SESSION_START", "2100-01-01T00:00:00+00:00")
        train(run, device="cpu", fresh=True)
        monkeypatch.delenv("FERCORE_SESSION_START")
        assert find_result(run)
        assert find_analysis(run, "probabilities") is None
        assert (examine(run, "probabilities", device="cpu")["labels"] != before).any()


def test_of_a_deleted_set_the_result_says_what_it_is_about(run, capsys):
    shutil.rmtree(run.data.partition(":")[2])
    with attempt("data: deleted"):
        assert train(run, device="cpu") == find_results([run])[0]
        assert f"{run.data} is not here" in capsys.readouterr().err
    with attempt("data: deleted"):
        assert predict([np.zeros((24, 24, 3), np.uint8)], run.id, device="cpu")[1].sum() == pytest.approx(1)


def test_what_changes_nothing_is_no_change(run):
    """Another time stamp, a copy of the file, a file that no list names."""
    root = Path(run.data.partition(":")[2])
    for change in (
        lambda: os.utime(root / FIRST),
        lambda: shutil.copy(root / FIRST, root / "x") and (root / "x").replace(root / FIRST),
        lambda: (root / "notes.txt").write_text("mine"),
    ):
        with attempt("data: the same"):
            change()
            assert find_result(run)


def test_shipped_results_on_rendered_faces_need_no_faces(tmp_path, monkeypatch):
    """Their data are what a seed draws; those here may be drawn by another version of a library."""
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path))
    make_tree(tmp_path / "simfer" / "quick")
    config = RunConfig(method="softmax", data="simfer", image_size=24, crop=20, width=1 / 16, epochs=1, batch_size=16)
    assert make_simfer("quick") == tmp_path / "simfer" / "quick"
    ship([train(config, device="cpu")])
    swap_all_labels(tmp_path / "simfer" / "quick")
    with attempt("data: changed"), pytest.raises(StoreError, match="was trained on other data"):
        find_result(config)
    shutil.rmtree(local_folder(config))
    with attempt("data: the same"):
        assert find_result(config)
    shutil.rmtree(tmp_path / "simfer")
    with attempt("data: the same"):
        assert find_result(config)
