"""Only the face may give the label away."""

import numpy as np
import pytest

from simfer.leaks import border_mask, corner_mask, probe, probe_leaks

CHANCE = 1 / 7


@pytest.fixture(scope="module")
def probes():
    return probe_leaks(60)


@pytest.mark.parametrize("name", ["border, face at rest", "corners", "identity", "scene"])
def test_what_is_not_the_expression_stays_near_chance(probes, name):
    """At most 5 points above chance, and 2.6 standard errors for the 420 pictures of this test."""
    assert probes[name].accuracy < CHANCE + 0.05 + 2.6 * probes[name].error


def test_the_picture_tells_more_than_chance(probes):
    assert probes["whole picture"].accuracy > CHANCE + 0.06


def test_a_leak_would_be_found():
    """The probe itself: a single feature that knows the label is enough."""
    rng = np.random.default_rng(0)
    labels, people = rng.integers(0, 7, 420), rng.integers(0, 100, 420)
    noise = rng.normal(size=(420, 30))
    assert probe(noise, labels, people).accuracy < 0.25
    noise[:, 3] = labels == 2
    assert probe(noise, labels, people).accuracy > 0.22


def test_masks_cover_the_rim_and_the_upper_corners():
    assert border_mask(32).sum() == 32 * 32 - 24 * 24
    assert corner_mask(32).sum() == 2 * 4 * 4
    assert not corner_mask(32)[16:].any()
