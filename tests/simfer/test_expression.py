"""From a label to facial actions."""

import numpy as np
import pytest

from simfer.assets import load_head
from simfer.expression import CLASS_NAMES, NEIGHBORS, PAIRED, PROTOTYPES, STRONGEST, frame_of, sample_expression

ACTIONS = set(load_head().names("action"))
DEFINING = {  # an action that a full expression of the class always has, after EMFACS
    "Surprise": "eyeWideLeft",
    "Fear": "mouthStretchLeft",
    "Disgust": "noseSneerLeft",
    "Happiness": "mouthSmileLeft",
    "Sadness": "mouthFrownLeft",
    "Anger": "browDownLeft",
}


def many(label, difficulty, count=60):
    return [sample_expression(label, np.random.default_rng([label, i]), difficulty) for i in range(count)]


def test_every_prototype_names_actions_that_exist_and_shares_that_add_up():
    for variants in PROTOTYPES.values():
        assert sum(share for share, _ in variants) == pytest.approx(1)
        for _, ranges in variants:
            for name, (low, high) in ranges.items():
                assert {name + "Left", name + "Right"} <= ACTIONS if name in PAIRED else name in ACTIONS
                assert 0 <= low <= high <= 1.6
    for name, others in NEIGHBORS.items():
        assert name not in others
        assert set(others) <= set(CLASS_NAMES)


@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0, 1.5])
@pytest.mark.parametrize("label", range(7))
def test_weights_are_known_actions_in_range(label, difficulty):
    for one in many(label, difficulty, 30):
        assert one.label == label
        assert set(one.actions) <= ACTIONS
        assert all(0 <= weight <= STRONGEST for weight in one.actions.values())


@pytest.mark.parametrize(("name", "action"), DEFINING.items())
def test_full_expressions_show_their_action_and_neutral_faces_do_not(name, action):
    assert min(one.actions[action] for one in many(CLASS_NAMES.index(name), 0.0)) > 0.2
    assert max(one.actions.get(action, 0) for one in many(6, 0.0)) < 0.2


def test_difficulty_lowers_intensity_and_adds_blends_monotonically():
    levels = [many(0, difficulty, 300) for difficulty in (0.0, 0.5, 1.0, 1.5)]
    intensity = [np.mean([one.intensity for one in level]) for level in levels]
    blended = [np.mean([bool(one.second) for one in level]) for level in levels]
    assert intensity == sorted(intensity, reverse=True)
    assert blended == sorted(blended)
    assert blended[0] == 0
    assert blended[-1] > 0.35
    assert not any(one.speech for one in levels[0])


def test_a_sequence_rises_from_neutral_to_the_apex():
    apex = sample_expression(3, np.random.default_rng(1), 0.0)
    frames = [frame_of(apex, position, np.random.default_rng(2)) for position in (0.0, 0.5, 1.0)]
    smiles = [frame.actions["mouthSmileLeft"] for frame in frames]
    assert smiles == sorted(smiles)
    assert [frame.label for frame in frames] == [6, 3, 3]
    assert smiles[0] < 0.1
