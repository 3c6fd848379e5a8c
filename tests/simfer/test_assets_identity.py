"""The head, and the people drawn on it."""

import numpy as np
import pytest

from simfer.assets import GLASSES_POINTS, LENS, SKIN, glasses_points, load_head, subdivide
from simfer.identity import EXPRESSIVE, local_axes, opposite, sample_identity

HEAD = load_head()


def person(seed: int, **more):
    return sample_identity(HEAD, np.random.default_rng(seed), **more)


def test_the_asset_has_52_facial_actions_and_the_parts_of_a_head():
    assert len(HEAD.names("action")) == 52
    assert len(HEAD.names("type")) == 40
    assert len(HEAD.names("local")) > 200
    assert set(HEAD.parts) == set(range(SKIN, LENS + 1))
    assert HEAD.triangles.max() < len(HEAD.template)
    assert HEAD.triangles.min() >= 0
    assert HEAD.shapes.shape == (len(HEAD.index), len(HEAD.template), 3)


def test_actions_move_what_they_name():
    def moved(action):
        shape = HEAD.shapes[HEAD.index[f"action:{action}"]]
        return HEAD.template[np.linalg.norm(shape, axis=1) > 0.05].mean(axis=0)

    assert moved("browInnerUp")[1] > moved("mouthSmileLeft")[1] > moved("jawOpen")[1]  # forehead, mouth, chin
    assert moved("mouthSmileLeft")[0] > 0.1 > -0.1 > moved("mouthSmileRight")[0]


def test_subdividing_keeps_the_surface():
    points, triangles = np.array([[0.0, 0, 0], [2, 0, 0], [0, 2, 0], [2, 2, 0]]), np.array([[0, 1, 2], [1, 3, 2]])
    finer, _, faces = subdivide(points, np.zeros((1, 4, 3)), triangles)
    assert len(faces) == 8
    assert len(finer) == 9  # the shared edge has one midpoint
    a, b, c = (finer[faces[:, corner]] for corner in range(3))
    assert np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2 == pytest.approx(4.0)


def test_glasses_stand_before_the_eyes():
    points = glasses_points(HEAD.eyes, front=1.6, width=0.22, roundness=2.0, rim=0.02)
    assert points.shape == (GLASSES_POINTS, 3)
    assert points[:, 2].max() <= 1.63
    assert abs(points[:, 0].mean()) < 0.01


def test_opposites_pair_up_and_stern_shapes_are_damped():
    assert opposite("nose-point-up") == "nose-point-down"
    assert opposite("nose-point-down") == "nose-point-down"
    axes = local_axes(tuple(HEAD.index))
    flat = [name for axis in axes for name in axis]
    assert len(flat) == len(set(flat))
    assert not any(name.startswith(("r-", "asym", "head-age")) for name in flat)

    def spread(prefixes):
        names = [f"local:{name}" for axis in axes for name in axis if name.startswith(prefixes)]
        return np.std([sum(people.shape.get(name, 0.0) for name in names) / len(names) for people in PEOPLE])

    assert spread(EXPRESSIVE) < 0.8 * spread(("nose-point", "chin-width", "chin-height"))


PEOPLE = [person(seed) for seed in range(60)]


def test_the_same_seed_is_the_same_person_and_another_is_not():
    again = person(0)
    assert np.array_equal(again.vertices, PEOPLE[0].vertices)
    assert again.shape == PEOPLE[0].shape
    assert np.abs(PEOPLE[1].vertices - PEOPLE[0].vertices).max() > 0.02


def test_people_differ_in_everything():
    assert len({one.style for one in PEOPLE}) >= 6
    assert len({round(one.tone, 2) for one in PEOPLE}) > 40
    assert min(one.female for one in PEOPLE) < 0.1 < 0.9 < max(one.female for one in PEOPLE)
    assert all((one.skin > 0).all() and (one.skin < 1).all() for one in PEOPLE)


def test_spread_scales_the_heads():
    calm = [person(seed, spread=0.0) for seed in range(8)]
    wide = [person(seed, spread=2.0) for seed in range(8)]
    differences = [np.std([one.vertices for one in group], axis=0).mean() for group in (calm, PEOPLE[:8], wide)]
    assert differences[0] < differences[1] < differences[2]
