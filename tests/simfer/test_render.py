"""Pictures: statistics, never pixel hashes, as other machines round otherwise."""

import dataclasses

import numpy as np
import pytest

from simfer.assets import load_head
from simfer.expression import Expression, sample_expression
from simfer.identity import sample_identity
from simfer.render import render
from simfer.wild import OCCLUDERS, Scene, sample_scene, to_jpeg

HEAD = load_head()
PEOPLE = [sample_identity(HEAD, np.random.default_rng(seed)) for seed in range(4)]
CALM = Expression(6, {})


def picture(scene=None, expression=CALM, person=PEOPLE[0], size=40):
    return np.asarray(render(person, expression, scene or Scene(), size), float)


def test_the_same_arguments_give_the_same_picture():
    scene = sample_scene(np.random.default_rng(5))
    assert np.array_equal(picture(scene), picture(scene))


@pytest.mark.parametrize("size", [16, 48, 64, 100, 224])
def test_any_size_shows_a_face_in_the_middle_of_a_gray_studio(size):
    image = picture(size=size)
    assert image.shape == (size, size, 3)
    center = image[size // 2, size // 2]
    assert center[0] > center[2] + 5  # skin is redder than blue, the studio is gray
    assert np.ptp(image[1, 1]) <= 1
    assert image.std() > 10


def test_too_small_a_picture_is_refused():
    with pytest.raises(ValueError, match="at least 16 pixels"):
        picture(size=8)


@pytest.mark.parametrize(
    ("action", "rows"),
    [("browDown", slice(8, 18)), ("mouthSmile", slice(22, 38)), ("eyeBlink", slice(10, 22)), ("noseSneer", slice(8, 30))],
)
def test_an_action_changes_its_own_rows_of_the_picture(action, rows):
    moved = picture(expression=Expression(0, {action + side: 1.0 for side in ("Left", "Right")}))
    change = np.abs(moved - picture()).sum(axis=(1, 2))
    assert change[rows].sum() > 0.75 * change.sum()
    assert change.sum() > 0


def test_smiles_show_teeth():
    """Bright pixels of little color between the lips, which a closed mouth has not."""

    def bright(actions):
        mouth = picture(expression=Expression(3, actions), size=100)[60:85, 35:65]
        return ((mouth.min(axis=-1) > 110) & (np.ptp(mouth, axis=-1) < 40)).sum()

    smile = {"mouthSmile": 1.0, "mouthUpperUp": 0.6, "mouthLowerDown": 0.8}
    assert bright({name + side: weight for name, weight in smile.items() for side in ("Left", "Right")}) > bright({}) + 10


@pytest.mark.parametrize("occluder", OCCLUDERS[1:])
@pytest.mark.parametrize("person", PEOPLE)
def test_each_occluder_hides_part_of_the_face(occluder, person):
    before = picture(person=person)
    after = picture(Scene(occluder=occluder, texture_seed=4), person=person)
    share = (np.abs(after - before).max(axis=-1) > 20).mean()
    assert 0.005 < share < 0.6


@pytest.mark.parametrize(
    "change",
    [
        {"yaw": 0.5}, {"pitch": 0.3}, {"roll": 0.3}, {"distance": 7.0}, {"shift": (0.05, 0.05)}, {"scale": 1.15},
        {"tilt": 0.15},
        {"light": (-1.0, 0.2, 0.3)}, {"key": 0.3}, {"ambient": 0.8}, {"ground": 0.1}, {"key_color": (1.3, 1.0, 0.7)},
        {"white_balance": (1.3, 1.0, 0.7)}, {"exposure": 0.08}, {"contrast": 0.6}, {"brightness": 0.15}, {"background": "soft"},
        {"background": "blocks"}, {"blur": 2.0}, {"downscale": 0.3}, {"noise": 15.0}, {"gray": True},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_each_knob_of_the_scene_shows(change):
    assert np.abs(picture(Scene(**change)) - picture()).mean() > 1


def test_jpeg_quality_shows_in_the_file():
    image = render(PEOPLE[0], CALM, Scene(), 64)
    assert len(to_jpeg(image, Scene(jpeg=30))) < len(to_jpeg(image, Scene(jpeg=90)))


def test_wild_exposure_keeps_faces_readable():
    """No picture is black or burnt out: the middle of the face lies between 25 and 235 for people of every tone."""
    for seed in range(24):
        scene = sample_scene(np.random.default_rng(seed), 1.0)
        scene = dataclasses.replace(scene, occluder="")
        middle = np.median(picture(scene, person=PEOPLE[seed % 4])[14:30, 12:28])
        assert 25 < middle < 235


def test_wildness_zero_is_the_studio_and_more_is_wilder():
    assert sample_scene(np.random.default_rng(0), 0) == Scene()
    turned = [
        np.mean([abs(sample_scene(np.random.default_rng(i), level).yaw) for i in range(200)]) for level in (0.5, 1.0, 1.5)
    ]
    hidden = [
        np.mean([bool(sample_scene(np.random.default_rng(i), level).occluder) for i in range(400)]) for level in (0.5, 1.0, 1.5)
    ]
    assert turned == sorted(turned)
    assert hidden == sorted(hidden)


def test_the_expression_does_not_move_the_crop():
    """Faces are aligned on what does not move: the eyes stay where they are when the jaw drops."""
    open_mouth = picture(expression=Expression(0, {"jawOpen": 1.0}), size=64)
    assert np.abs(open_mouth - picture(size=64))[14:28].mean() < 0.2


def test_every_class_renders_for_everyone():
    for label in range(7):
        for person in PEOPLE:
            expression = sample_expression(label, np.random.default_rng(label), 1.0)
            assert np.isfinite(picture(sample_scene(np.random.default_rng(label)), expression, person, 24)).all()
