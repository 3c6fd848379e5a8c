import pytest
import torch
from torch import Tensor

from fercore.tuples import TupleBatch, choose_negatives, stand_in_identities, tuple_batches


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(*shown: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """labels and identities from (identity, expression, how many images)."""
    rows = [(expression, identity) for identity, expression, count in shown for _ in range(count)]
    return tuple(torch.tensor(column) for column in zip(*rows, strict=True))


def all_tuples(labels: Tensor, identities: Tensor, **options: int) -> list[tuple[list[int], list[int]]]:
    """(positives, negatives) of every tuple of an epoch, as image numbers."""
    batches = list(tuple_batches(labels, identities, generator=generator(options.pop("seed", 0)), **options))
    return [(p.tolist(), n.tolist()) for batch in batches for p, n in batch.split(batch.positions)]


EVERYONE = images(*[(identity, expression, 2) for identity in range(8) for expression in range(7)])


def test_a_full_batch_is_the_papers():
    labels, identities = EVERYONE
    batches = list(tuple_batches(labels, identities, generator=generator()))
    assert [len(batch.sizes) for batch in batches] == [12] * 9 + [4]  # 112 queries
    assert batches[0].sizes == [(6, 6)] * 12
    assert len(batches[0].positions) == 144


def test_negatives_that_the_own_person_lacks_are_borrowed_from_everyone():
    people = [{0: [0]}, {0: [1], 1: [2]}, {1: [3]}, {1: [4, 5]}]
    assert sorted(choose_negatives(0, people, 6, generator())) == [2, 3, 4, 5]


def test_people_who_are_made_up_show_every_class_once_at_most():
    labels = torch.tensor([0, 1, 1, 2, 0, 1, 2, 1])
    identities = stand_in_identities(labels, generator())
    for k, count in enumerate(labels.bincount().tolist()):
        assert sorted(identities[labels == k].tolist()) == list(range(count))


def test_every_image_is_the_query_once():
    found = all_tuples(*EVERYONE)
    assert sorted(positives[0] for positives, _ in found) == list(range(112))


def test_a_full_tuple_has_other_people_and_the_own_other_expressions():
    labels, identities = EVERYONE
    for positives, negatives in all_tuples(labels, identities):
        assert len(set(labels[positives].tolist())) == 1
        assert len(set(identities[positives].tolist())) == 6
        assert set(identities[negatives].tolist()) == {identities[positives[0]].item()}
        assert sorted(labels[negatives].tolist()) == sorted(set(range(7)) - {labels[positives[0]].item()})


@pytest.mark.parametrize("seed", range(5))
def test_nothing_stands_twice_in_a_tuple(seed):
    pick = torch.Generator().manual_seed(seed)
    labels, identities = torch.randint(4, (60,), generator=pick), torch.randint(9, (60,), generator=pick)
    for positives, negatives in all_tuples(labels, identities, positives=5, negatives=7, seed=seed):
        assert len(set(positives + negatives)) == len(positives) + len(negatives)
        assert set(labels[positives].tolist()) == {labels[positives[0]].item()}
        assert labels[positives[0]] not in labels[negatives]
        people = set(identities[positives].tolist())
        assert set(identities[negatives].tolist()) <= people


def test_a_missing_expression_comes_from_the_positives_people():
    # person 0 shows expressions 0 and 1; person 1 expressions 0 and 2; person 2 is no positive of theirs
    labels, identities = images((0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 2, 1), (2, 3, 1))
    tuples = {positives[0]: (positives, negatives) for positives, negatives in all_tuples(labels, identities)}
    assert sorted(tuples[0][0]) == [0, 2]
    assert sorted(tuples[0][1]) == [1, 3]  # 1 is its own, 3 is borrowed; image 4 is nobody's in this tuple
    assert tuples[4] == ([4], [])  # one expression of one person: M = 1, N = 0


def test_own_images_go_before_borrowed_ones():
    labels, identities = images((0, 0, 1), (0, 1, 3), (1, 0, 1), (1, 1, 3))
    for positives, negatives in all_tuples(labels, identities, negatives=3):
        if labels[positives[0]] == 0:
            assert set(identities[negatives].tolist()) == {identities[positives[0]].item()}


def test_expressions_take_turns():
    labels, identities = images((0, 0, 1), (0, 1, 9), (0, 2, 9), (0, 3, 1))
    (negatives,) = [labels[n].tolist() for p, n in all_tuples(labels, identities, negatives=6) if p[0] == 0]
    assert sorted(negatives[:3]) == [1, 2, 3]
    assert sorted(negatives[3:]) in ([1, 1, 2], [1, 2, 2])


def test_people_go_before_further_images_of_the_same():
    labels, identities = images((0, 0, 5), (1, 0, 1), (2, 0, 1))
    for positives, _ in all_tuples(labels, identities, positives=4):
        assert len(positives) == 4
        assert set(identities[positives].tolist()) == {0, 1, 2}


def test_few_images_make_small_tuples():
    labels, identities = images((0, 0, 2), (1, 1, 1))
    sizes = sorted((len(p), len(n)) for p, n in all_tuples(labels, identities))
    assert sizes == [(1, 0), (2, 0), (2, 0)]


def test_one_tuple_of_one_positive_and_one_negative_is_enough_to_ask_for():
    made = all_tuples(*EVERYONE, tuples=1, positives=1, negatives=1)
    assert {(len(positives), len(negatives)) for positives, negatives in made} == {(1, 1)}


def test_an_epoch_follows_its_generator():
    labels, identities = EVERYONE
    assert all_tuples(labels, identities, seed=1) == all_tuples(labels, identities, seed=1)
    assert all_tuples(labels, identities, seed=1) != all_tuples(labels, identities, seed=2)


def test_a_batch_splits_its_rows():
    batch = TupleBatch(torch.tensor([7, 3, 5, 9, 2]), [(2, 1), (1, 0), (1, 0)])
    rows = torch.arange(10.0).reshape(5, 2)
    parts = batch.split(rows)
    assert [(p.tolist(), n.tolist()) for p, n in parts] == [
        ([[0, 1], [2, 3]], [[4, 5]]),
        ([[6, 7]], []),
        ([[8, 9]], []),
    ]
    assert batch.queries().tolist() == [0, 3, 4]
    assert batch.positions[batch.queries()].tolist() == [7, 9, 2]


@pytest.mark.parametrize(
    ("labels", "identities", "options", "kind", "name"),
    [
        (torch.zeros(0).long(), torch.zeros(0).long(), {}, ValueError, "labels"),
        (torch.zeros(3, 1).long(), torch.zeros(3).long(), {}, ValueError, "labels"),
        (torch.zeros(3), torch.zeros(3).long(), {}, TypeError, "labels"),
        (torch.zeros(3).long(), torch.zeros(2).long(), {}, ValueError, "identities"),
        (torch.zeros(3).long(), torch.zeros(3).long(), {"tuples": 0}, ValueError, "tuples"),
        (torch.zeros(3).long(), torch.zeros(3).long(), {"positives": 0}, ValueError, "positives"),
        (torch.zeros(3).long(), torch.zeros(3).long(), {"negatives": 0}, ValueError, "negatives"),
    ],
)
def test_wrong_arguments_are_named_at_the_call(labels, identities, options, kind, name):
    with pytest.raises(kind, match=rf"^{name} [^\n]+$"):
        tuple_batches(labels, identities, generator=generator(), **options)
