"""Validation cuts and subject-independent folds: their promises, on many random sets."""

import numpy as np
import pytest
import torch

from fercore.data.splits import Images, held_identities, hold_out, subject_folds
from fercore.errors import DataError

SEEDS = range(25)


def random_set(seed: int, subjects: int = 30, images: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Labels and identities: unbalanced classes, people with many and with few images."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(7, images, p=[0.1, 0.02, 0.06, 0.4, 0.16, 0.06, 0.2])
    labels[:14] = np.repeat(np.arange(7), 2)
    identities = 7 * rng.permutation(subjects)[(subjects * rng.random(images) ** 2).astype(int)]
    identities[:14] = 1000 + np.arange(14)  # so that no class is one person's alone
    return labels, identities


def test_a_split_moves_as_a_whole():
    """To a device without memory, which every machine has."""
    moved = Images(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.tensor([0, 1]), identities=torch.tensor([3, 4])).to("meta")
    assert {part.device.type for part in (moved.images, moved.labels, moved.identities)} == {"meta"}
    assert moved.sequences is None


# --- hold_out ---------------------------------------------------------------------------------------------------------


def test_who_alone_shows_a_class_stays_in_training():
    """Even where holding them out would bring the counts nearest."""
    labels, identities = np.array([1, 1] + 6 * [0]), np.array([0, 0, 0, 0, 1, 2, 3, 4])
    assert 0 not in held_identities(labels, identities, 0.5)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("by_identity", [False, True])
def test_a_cut_divides_the_positions_and_keeps_every_class_on_both_sides(seed, by_identity):
    labels, identities = random_set(seed)
    positions = np.flatnonzero(np.random.default_rng(seed).random(len(labels)) < 0.8)
    positions = np.union1d(positions, np.arange(14))
    train, val = hold_out(labels, identities if by_identity else None, positions, 0.1)
    assert sorted([*train, *val]) == positions.tolist()
    assert (np.diff(train) > 0).all()
    assert (np.diff(val) > 0).all()
    assert set(labels[train]) == set(labels[val]) == set(range(7))
    if by_identity:
        assert not set(identities[train]) & set(identities[val])


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.3])
def test_each_class_gives_its_share(fraction):
    labels, _ = random_set(0, images=2000)
    _, val = hold_out(labels, None, np.arange(2000), fraction)
    assert (np.bincount(labels[val]) == np.maximum(1, np.rint(fraction * np.bincount(labels)))).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_whole_people_come_near_each_class_s_share(seed):
    labels, identities = random_set(seed, subjects=300, images=3000)
    _, val = hold_out(labels, identities, np.arange(3000), 0.1)
    share = np.bincount(labels[val]) / np.bincount(labels)
    assert np.abs(share - 0.1).max() < 0.05


@pytest.mark.parametrize("by_identity", [False, True])
def test_a_cut_depends_on_its_arguments_alone(by_identity):
    labels, identities = random_set(3)
    who = identities if by_identity else None
    one, same = hold_out(labels, who, np.arange(400), 0.1), hold_out(labels, who, np.arange(400)[::-1], 0.1)
    assert all((a == b).all() for a, b in zip(one, same, strict=True))


def test_a_list_sorted_within_a_class_is_not_cut_at_its_start():
    _, val = hold_out(np.zeros(1000, dtype=int), None, np.arange(1000), 0.1)
    assert 400 < val.mean() < 600


def test_a_class_of_one_person_stays_in_training():
    labels, identities = np.array([0, 0, 0, 0, 1, 1]), np.array([1, 2, 3, 4, 5, 5])
    train, val = hold_out(labels, identities, np.arange(6), 0.3)
    assert labels[val].tolist() == [0]
    assert set(labels[train]) == {0, 1}


def test_of_few_people_one_is_held_out_though_he_is_too_much():
    labels, identities = np.array([0] * 6 + [1] * 6), np.array([1, 1, 2, 2, 3, 3] * 2)
    train, val = hold_out(labels, identities, np.arange(12), 0.1)
    assert labels[val].tolist() == [0, 0, 1, 1]
    assert not set(identities[train]) & set(identities[val])


@pytest.mark.parametrize("identities", [[3, 3, 3, 3], [1, 1, 2, 2]])
def test_people_that_cannot_be_divided_are_refused(identities):
    with pytest.raises(DataError, match=r"^[^\n]*identities cannot be divided[^\n]*$"):
        hold_out(np.array([0, 0, 1, 1]), np.array(identities), np.arange(4), 0.5)


# --- subject_folds ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("folds", [2, 8, 10])
def test_folds_keep_people_together_and_are_never_empty(seed, folds):
    labels, identities = random_set(seed)
    fold = subject_folds(identities, labels, folds)
    assert fold.shape == labels.shape
    assert set(fold) == set(range(folds))
    for who in set(identities):
        assert len(set(fold[identities == who])) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_folds_do_not_depend_on_the_order_of_the_images(seed):
    labels, identities = random_set(seed)
    order = np.random.default_rng(seed).permutation(len(labels))
    assert (subject_folds(identities[order], labels[order], 8) == subject_folds(identities, labels, 8)[order]).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_folds_of_a_set_like_ckplus_are_even_in_each_class(seed):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(7), [83, 25, 59, 69, 28, 45, 18])
    identities = rng.integers(0, 118, len(labels))
    fold = subject_folds(identities, labels, 8)
    table = np.array([np.bincount(labels[fold == k], minlength=7) for k in range(8)])
    assert np.ptp(table.sum(axis=1)) <= 12  # of 41 on average
    assert (np.ptp(table, axis=0) <= 7).all()
    assert table.min() >= 1


def test_as_many_folds_as_people_leave_one_out():
    identities = np.array([5, 9, 5, 7, 9])
    fold = subject_folds(identities, np.array([0, 1, 0, 1, 0]), 3)
    assert len(set(fold)) == 3
    assert fold[0] == fold[2]
    assert fold[1] == fold[4]


@pytest.mark.parametrize("folds", [0, 1, 4])
def test_impossible_folds_are_refused(folds):
    with pytest.raises(DataError, match=r"^\d folds of 3 subjects cannot be made; choose 2\.\.3 folds$"):
        subject_folds(np.array([1, 2, 3]), np.array([0, 0, 1]), folds)
