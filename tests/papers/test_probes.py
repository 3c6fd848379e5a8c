"""The probe reads what is there, across expressions and people, and nothing else."""

import numpy as np
import pytest

from fercore.papers.probes import RIDGE, balanced, read_across, read_expression, read_identity, scaled

PEOPLE, EXPRESSIONS, FRAMES, D = 8, 4, 3, 40


@pytest.fixture
def drawn():
    """identities [N], labels [N], and the directions [PEOPLE, D], [EXPRESSIONS, D] and noise [N, D] to build features of."""
    rng = np.random.default_rng(0)
    identities, labels, _ = (axis.ravel() for axis in np.indices((PEOPLE, EXPRESSIONS, FRAMES)))
    person, expression = (rng.normal(size=(count, D)) for count in (PEOPLE, EXPRESSIONS))
    return identities, labels, person, expression, rng.normal(size=(len(labels), D))


def test_both_are_read_where_both_are_in(drawn):
    identities, labels, person, expression, noise = drawn
    features = person[identities] + 5 * expression[labels] + 0.1 * noise
    for read, wanted in ((read_identity, identities), (read_expression, labels)):
        right = read(features, identities, labels)
        assert right.mean() == balanced(right, wanted) == 1


def test_what_is_not_in_is_not_read(drawn):
    identities, labels, person, expression, noise = drawn
    right = read_identity(expression[labels] + 0.1 * noise, identities, labels)
    assert right.mean() < 0.35  # one of eight by chance
    right = read_expression(person[identities] + 0.1 * noise, identities, labels)
    assert right.mean() < 0.5


def test_a_clue_of_one_expression_alone_does_not_help(drawn):
    """The same person's other frames of the asked expression are never learned from: twins would give the answer away."""
    identities, labels, _, _, noise = drawn
    sequence = np.random.default_rng(1).normal(size=(PEOPLE * EXPRESSIONS, D))
    right = read_identity(sequence[identities * EXPRESSIONS + labels] + 0.01 * noise, identities, labels)
    assert right.mean() < 0.35


def test_the_classifier_is_least_squares_with_a_ridge(drawn):
    identities, labels, person, expression, noise = drawn
    features = person[identities] + expression[labels] + 2 * noise
    found = read_across(features, identities, labels)
    for label in range(EXPRESSIONS):
        out = labels == label
        learn, ask = scaled(features[~out], features[out])
        targets = 2 * np.eye(PEOPLE)[identities[~out]] - 1  # everyone has as many images: all weights are 1
        weights = np.linalg.solve(learn.T @ learn + RIDGE * np.eye(D), learn.T @ (targets - targets.mean(axis=0)))
        answers = (ask @ weights + targets.mean(axis=0)).argmax(axis=1)
        assert (found[out] == (answers == identities[out])).all()


def test_who_has_few_images_is_guessed_as_often():
    """Noise says nothing of the person: everyone must be guessed at chance, not the one with most images alone."""
    rng = np.random.default_rng(0)
    counts = [60, 20, 20, 20]
    identities = np.repeat(np.arange(4), counts)
    labels = np.arange(len(identities)) % 5
    right = np.mean([balanced(read_identity(rng.normal(size=(120, 4)), identities, labels), identities) for _ in range(20)])
    assert right == pytest.approx(1 / 4, abs=0.04)


def test_scaling_makes_the_ridge_fit_any_features(drawn):
    identities, labels, person, expression, noise = drawn
    features = person[identities] + expression[labels] + 2 * noise
    assert np.array_equal(read_identity(features, identities, labels), read_identity(1e4 * features + 3, identities, labels))


def test_who_shows_one_expression_alone_is_not_asked():
    identities, labels = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 0, 1, 1, 1])
    right = read_identity(np.random.default_rng(0).normal(size=(6, 3)), identities, labels)
    assert np.isnan(right).tolist() == [False, False, False, False, True, True]  # nobody knows person 2 but from expression 1
    assert balanced(np.array([1, 0, np.nan, 1]), np.array([0, 0, 0, 1])) == 0.75
