"""Whole sets: determinism, layout, resuming, damage, and who may know what."""

import dataclasses
import json
import shutil
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from fercore.data.releases import EXPECTED
from simfer import dataset
from simfer.__main__ import main
from simfer.dataset import PRESETS, RAFDB_TEST, RAFDB_TRAIN, Recipe, SimferError, check, draw, image_path, item, items, make
from simfer.expression import CLASS_NAMES
from simfer.wild import to_jpeg
from tests.simfer.sets import SMALL, simfer, truth


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A finished set of 34 images in RAF-DB's layout."""
    folder = tmp_path_factory.mktemp("simfer") / "set"
    make(SMALL, folder, seed=3, workers=1)
    return folder


def test_the_layout_is_rafdbs(small):
    lines = (small / "EmoLabel/list_patition_label.txt").read_text().splitlines()
    assert lines[0].split()[0] == "train_00001.jpg"
    assert lines[24].split()[0] == "test_0001.jpg"
    assert Counter(int(line.split()[1]) - 1 for line in lines[:24]) == dict(enumerate(SMALL.train))
    assert Counter(int(line.split()[1]) - 1 for line in lines[24:]) == dict(enumerate(SMALL.test))
    assert len(list((small / "Image/aligned").iterdir())) == len(lines) == 34
    with Image.open(small / "Image/aligned/train_00001_aligned.jpg") as image:
        assert image.size == (24, 24)
        assert image.mode == "RGB"


def test_the_truth_stands_beside_the_images(small):
    rows = truth(small)
    assert len(rows) == 34
    assert sum(name in rows[0] for name in ("browInnerUp", "mouthSmileLeft", "tongueOut")) == 3
    assert {
        "identity",
        "intensity",
        "second",
        "yaw",
        "pitch",
        "roll",
        "light_x",
        "occluder",
        "blur",
        "noise",
        "label_noise",
    } <= set(rows[0])
    one = item(SMALL, 3, "test", 4)
    row = next(row for row in rows if row["name"] == one.name)
    assert int(row["label"]) == one.label + 1
    assert float(row["yaw"]) == pytest.approx(one.scene.yaw, rel=1e-3, abs=1e-4)
    assert float(row["jawOpen"]) == pytest.approx(one.expression.actions.get("jawOpen", 0), rel=1e-3, abs=1e-4)


def test_any_image_can_be_made_alone(small):
    one = item(SMALL, 3, "train", 7)
    assert to_jpeg(draw(one, SMALL, 3), one.scene) == image_path(small, one.name).read_bytes()


def test_the_same_seed_gives_the_same_set_in_two_processes_and_another_seed_another(small, tmp_path):
    assert make(SMALL, tmp_path / "two", seed=3, workers=2)["sha256"] == check(small)["sha256"]
    assert make(SMALL, tmp_path / "other", seed=4, workers=1)["sha256"] != check(small)["sha256"]


def test_a_killed_run_goes_on_where_it_stopped(tmp_path, monkeypatch, small):
    written = []
    original = dataset.write_images

    def dies_after_ten(chunk, *more):
        for one in chunk:
            if len(written) == 10:
                raise KeyboardInterrupt
            original([one], *more)
            written.append(one.name)
        return len(chunk)

    monkeypatch.setattr(dataset, "write_images", dies_after_ten)
    with pytest.raises(KeyboardInterrupt):
        make(SMALL, tmp_path / "set", seed=3, workers=1)
    assert not json.loads((tmp_path / "set/manifest.json").read_text())["complete"]
    with pytest.raises(SimferError, match="no complete"):
        check(tmp_path / "set")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "set/Image/aligned").iterdir()}
    assert len(before) == 10
    monkeypatch.setattr(dataset, "write_images", original)
    assert make(SMALL, tmp_path / "set", seed=3, workers=1)["sha256"] == check(small)["sha256"]
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_a_finished_set_is_not_made_again(small, monkeypatch):
    monkeypatch.setattr(dataset, "write_images", lambda *_: pytest.fail("drawn again"))
    assert make(SMALL, small, seed=3)["images"] == 34


@pytest.mark.parametrize(("key", "value"), [("difficulty", 0.5), ("size", 32)])
def test_another_set_in_the_same_folder_is_refused(small, key, value):
    with pytest.raises(SimferError, match="holds another SimFER set"):
        make(dataclasses.replace(SMALL, **{key: value}), small, seed=3)
    with pytest.raises(SimferError, match="holds another SimFER set"):
        make(SMALL, small, seed=4)


def test_damage_is_found(small, tmp_path):
    folder = shutil.copytree(small, tmp_path / "set")
    victim = image_path(folder, "train_00002.jpg")
    content = victim.read_bytes()
    victim.write_bytes(content[:-3] + b"x" + content[-2:])
    with pytest.raises(SimferError, match="not those that were made"):
        check(folder)
    victim.write_bytes(content[:-1])
    with pytest.raises(SimferError, match=r"1 images are missing or cut short, the first is train_00002\.jpg"):
        check(folder)
    make(SMALL, folder, seed=3, workers=1)  # which makes it again
    assert victim.read_bytes() == content
    assert check(folder)["complete"]
    (folder / "manifest.json").write_text("{")
    with pytest.raises(SimferError, match=r"manifest\.json is damaged"):
        check(folder)


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SimferError, match="is not empty and holds no SimFER set"):
        make(SMALL, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_presets_have_rafdbs_counts():
    assert EXPECTED["rafdb"] == ({"train": RAFDB_TRAIN, "test": RAFDB_TEST},)  # the renderer knows nothing of fercore
    assert PRESETS["rafdb"].train == RAFDB_TRAIN
    assert PRESETS["rafdb"].size == 100
    assert max(RAFDB_TRAIN) / min(RAFDB_TRAIN) == pytest.approx(17, abs=0.1)


def test_the_stand_in_for_affectnet_has_its_shares():
    (train, test) = EXPECTED["affectnet"][0].values()
    ours = PRESETS["laptop-affectnet"]
    assert sum(ours.train) == 6000
    assert ours.train == tuple(round(6000 * count / sum(train)) for count in train)
    assert len(set(ours.test)) == len(set(test)) == 1


@pytest.mark.parametrize("preset", PRESETS)
def test_no_one_stands_in_two_splits(preset):
    recipe = PRESETS[preset]
    train, test = (dataset.plan(recipe, 0, split)[1] for split in ("train", "test"))
    assert not set(train.tolist()) & set(test.tolist())


def test_labels_know_nothing_of_people_and_scenes():
    """Chi-square of label against identity, and the mean of scene values per class, as independence would have them."""
    from scipy.stats import chi2_contingency, kruskal

    everything = items(dataclasses.replace(SMALL, train=(150,) * 7, identities=(30, 3)), 0, "train")
    table = np.zeros((7, 30))
    for one in everything:
        table[one.label, one.identity] += 1
    assert chi2_contingency(table).pvalue > 1e-3
    for name in ("yaw", "exposure", "noise", "texture_seed", "key", "jpeg"):
        groups = [[getattr(one.scene, name) for one in everything if one.label == k] for k in range(7)]
        assert kruskal(*groups).pvalue > 1e-4, name


def test_label_noise_is_flagged_and_spares_the_test_set():
    noisy = dataclasses.replace(SMALL, train=(100,) * 7, label_noise=0.2)
    wrong = [one for one in items(noisy, 0, "train") if one.label != one.expression.label]
    assert 0.14 < len(wrong) / 700 < 0.26
    assert all(CLASS_NAMES[one.label] in dataset.NEIGHBORS[CLASS_NAMES[one.expression.label]] for one in wrong)
    assert all(one.label == one.expression.label for one in items(noisy, 0, "test"))


def test_sequences_rise_from_neutral_on_one_face(tmp_path):
    recipe = Recipe(train=(2, 0, 0, 2, 0, 0, 0), test=(0,) * 7, identities=(3, 0), size=24, frames=3, wildness=0.3)
    make(recipe, tmp_path / "set", workers=1)
    rows = truth(tmp_path / "set")
    assert len(rows) == 16
    for start in range(0, 16, 4):
        sequence = rows[start : start + 4]
        assert len({row["identity"] for row in sequence}) == 1
        assert len({row["sequence"] for row in sequence}) == 1
        assert [row["frame"] for row in sequence] == ["0", "1", "2", "3"]
        assert sequence[0]["label"] == "7"
        assert len({row["label"] for row in sequence[1:]}) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "huge", "--out", "x"], "unknown preset 'huge'; known: quick"),
        (["--preset", "quick"], "--out DIR is missing"),
        (["--out", "x", "--seed", "-1"], "--seed must be 0 or more"),
        (["--out", "x", "--workers", "0"], "--workers 1 or more"),
        (["--out", "x", "--set", "smile=1"], "unknown key 'smile'"),
        (["--out", "x", "--set", "difficulty=hard"], "difficulty cannot be 'hard'"),
        (["--out", "x", "--set", "difficulty=9"], "difficulty must lie in 0..1.5"),
        (["--out", "x", "--set", "train=1,2"], "train and test need 7 counts"),
        (["--out", "x", "--set", "identities=0,0"], "identities must be at least 1"),
        (["--check", "nowhere"], "holds no complete SimFER set"),
        (["--out", "/proc/simfer"], "cannot write"),
    ],
)
def test_bad_input_is_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    """In this process: what `main` hands to sys.exit is what the shell shows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("signal.signal", lambda *_: None)  # a command's handlers are not this process's
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    said = str(exit_.value.code)
    assert message in said
    assert said.startswith("error: ")
    assert "\n" not in said
    assert capsys.readouterr() == ("", "")


def test_the_command_makes_and_checks_a_set(tmp_path):
    changes = ["--set", "train=1,1,1,1,1,1,1", "--set", "test=1,0,0,0,0,0,0", "--set", "size=24"]
    done = simfer("--preset", "quick", "--out", "set", *changes, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "8 images" in done.stdout
    assert "whole (preset quick" in simfer("--check", "set", cwd=tmp_path).stdout
