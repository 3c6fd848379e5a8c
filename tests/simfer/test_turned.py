"""The same faces with one knob turned: nothing else moves, and the set is made, checked and refused as any other."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from simfer.dataset import SimferError, check, image_path, item, make, turned_items
from simfer.expression import CLASS_NAMES
from simfer.wild import KNOBS, Scene, sample_scene, turn
from tests.simfer.sets import SMALL, simfer, truth

RECIPE = dataclasses.replace(SMALL, test=(3,) * 7, wildness=1.5)
TURNED_BY = {"occlusion": {"occluder"}, "pose": {"yaw", "pitch", "roll"}, "blur": {"blur", "downscale"}}


@pytest.mark.parametrize("knob", KNOBS)
def test_a_knob_moves_its_own_values_alone(knob):
    for seed in range(20):
        scene = sample_scene(np.random.default_rng(seed), 1.5)
        for level in KNOBS[knob]:
            other = turn(scene, knob, level)
            changed = {f.name for f in dataclasses.fields(Scene) if getattr(scene, f.name) != getattr(other, f.name)}
            assert changed <= TURNED_BY[knob]


def test_pose_keeps_the_side_and_starts_in_front():
    left, right = Scene(yaw=-0.2, pitch=0.3), Scene(yaw=0.4, roll=0.1)
    assert [turn(left, "pose", 0.6).yaw, turn(right, "pose", 0.6).yaw] == [-0.6, 0.6]
    assert turn(left, "pose", 0.0).pitch == turn(right, "pose", 0.0).roll == turn(right, "pose", 0.0).yaw == 0
    assert turn(Scene(occluder="mask", blur=1.0), "occlusion", "").occluder == ""
    assert turn(Scene(occluder="mask", downscale=0.4), "blur", 0.0).downscale == 1


def test_turned_faces_are_the_first_test_faces_of_each_class():
    found = turned_items(RECIPE, 3, 2)
    blocks = sum(len(levels) for levels in KNOBS.values())
    assert len(found) == blocks * 14
    assert [one.name for one in found[:2]] == ["test_0001.jpg", "test_0002.jpg"]
    plain = [item(RECIPE, 3, "test", index) for index in range(21)]
    wanted = sorted(index for k in range(7) for index in [i for i, one in enumerate(plain) if one.label == k][:2])
    for block in range(blocks):
        part = found[14 * block : 14 * block + 14]
        assert [one.expression for one in part] == [plain[index].expression for index in wanted]
        assert [one.identity for one in part] == [plain[index].identity for index in wanted]
    assert {one.scene.occluder for one in found[28:42]} == {"hand"}
    with pytest.raises(SimferError, match="some class has fewer"):
        turned_items(RECIPE, 3, 4)


def test_a_turned_set_is_made_checked_and_told_from_the_set(tmp_path):
    recipe = dataclasses.replace(RECIPE, size=16)
    folder = tmp_path / "turned"
    manifest = make(recipe, folder, seed=3, workers=1, turned=1)
    assert check(folder) == manifest == json.loads((folder / "manifest.json").read_text())
    assert manifest["images"] == 7 * 12 == len(truth(folder))
    assert manifest["knobs"] == {knob: list(levels) for knob, levels in KNOBS.items()}
    assert {row["split"] for row in truth(folder)} == {"test"}
    assert {int(row["label"]) for row in truth(folder)} == set(range(1, len(CLASS_NAMES) + 1))
    sharp, blurred = (np.asarray(Image.open(image_path(folder, f"test_{number:04d}.jpg"))) for number in (57, 78))
    assert np.abs(np.diff(sharp.astype(float), axis=1)).mean() > np.abs(np.diff(blurred.astype(float), axis=1)).mean()
    for turned in (0, 2):
        with pytest.raises(SimferError, match="holds another SimFER set"):
            make(recipe, folder, seed=3, turned=turned)


def test_the_command_turns(tmp_path):
    changes = ["--set", "test=1,1,1,1,1,1,1", "--set", "size=16", "--turned", "1"]
    done = simfer("--preset", "quick", "--out", "set", *changes, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "84 images" in done.stdout
    refused = simfer("--preset", "quick", "--out", "set", "--turned", "-1", cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr == "error: --turned must be 1 or more\n"
