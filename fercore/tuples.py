"""Identity-aware tuple batches for the tuplet losses (Liu et al. 2017, sections 3 and 5.2).

Every image is the query of one tuple an epoch. Its positives are images of its expression, from other people as far as
there are any; its negatives are the other expressions of its own person: what is left to tell them apart is the expression.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor

from fercore.checks import check_classes, check_tensor


class TupleBatch(NamedTuple):
    """Some tuples in a row: for each its M positives, the query first, and then its N negatives.

    `positions` [P] are image numbers; `sizes` holds (M, N) of each tuple.
    """

    positions: Tensor
    sizes: list[tuple[int, int]]

    def split(self, rows: Tensor) -> list[tuple[Tensor, Tensor]]:
        """(positives [M, D], negatives [N, D]) of each tuple, from the rows [P, D] that belong to `positions`."""
        parts = iter(rows.split([size for pair in self.sizes for size in pair]))
        return list(zip(parts, parts, strict=True))

    def queries(self) -> Tensor:
        """Where in `positions` the queries stand, [number of tuples]: the softmax loss is theirs alone."""
        starts = torch.tensor([0] + [sum(pair) for pair in self.sizes]).cumsum(dim=0)
        return starts[:-1].to(self.positions.device)


def tuple_batches(
    labels: Tensor,
    identities: Tensor,
    *,
    generator: torch.Generator,
    tuples: int = 12,
    positives: int = 6,
    negatives: int = 6,
) -> Iterator[TupleBatch]:
    """One epoch of tuple batches; each image is the query once, in random order.

    Positives: the query, and other images of its expression, each from a person of its own; where people run out, further
    images of the same people; where images run out, fewer.

    Negatives: one image of each other expression of the query's person, in random order, and another round of them until
    there are N. An expression that this person lacks, or has no more of, is taken from the positives' people instead; one
    that they lack as well is left out. So a tuple may have fewer negatives than N, and none where nobody in it shows
    another expression.

    Args:
        labels: the expressions, [images], integers.
        identities: who is seen, [images], integers.
        generator: every choice comes from it: the same generator state, the same epoch.
        tuples: in a batch; 12 as in the paper, and fewer in the last one.
        positives: M with the query; 6 as in the paper (5 on MMI): 12 x (6 + 6) = 144 images a batch.
        negatives: N.

    Raises:
        ValueError: there is no image, the shapes do not fit, or a number is too small.
        TypeError: labels or identities are not integers.
    """
    check_tuples(labels, identities, tuples=tuples, positives=positives, negatives=negatives)
    return build(labels.tolist(), identities.tolist(), generator, tuples, positives, negatives)


def epoch_tuples(
    labels: Tensor,
    identities: Tensor | None,
    *,
    generator: torch.Generator,
    batch_size: int,
    positives: int,
    negatives: int,
    every_query: bool,
) -> list[TupleBatch]:
    """`tuple_batches` of about `batch_size` images each.

    Args:
        labels, generator, positives, negatives: as `tuple_batches`.
        identities: as there, or None: `stand_in_identities` of this epoch then.
        every_query: True makes every image the query once, as the paper does: an epoch is then M + N times as long as
            one of another method. False stops when about as many images were seen as there are.

    Raises:
        ValueError, TypeError: as `tuple_batches`.
    """
    if identities is None:
        identities = stand_in_identities(labels, generator)
    tuples = max(1, batch_size // (positives + negatives))
    options = {"generator": generator, "tuples": tuples, "positives": positives, "negatives": negatives}
    batches = tuple_batches(labels, identities, **options)
    return list(batches if every_query else islice(batches, math.ceil(len(labels) / batch_size)))


def stand_in_identities(labels: Tensor, generator: torch.Generator) -> Tensor:
    """For a set that tells no identities, [images]: the j-th image of every class, in random order, are one person's.

    Positives are then random images of the query's class, and negatives random ones of the others, each class once as far
    as it goes: tuples without the paper's point, that the negatives share the query's identity.
    """
    check_tensor("labels", labels)
    order, identities = torch.randperm(len(labels), generator=generator), torch.empty(len(labels), dtype=torch.int64)
    for k in labels.long().unique():
        members = order[labels[order].long() == k]
        identities[members] = torch.arange(len(members))
    return identities


def build(
    labels: list[int], identities: list[int], generator: torch.Generator, tuples: int, positives: int, negatives: int
) -> Iterator[TupleBatch]:
    """The batches themselves: apart from `tuple_batches`, so that wrong arguments are told at the call."""
    shown: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))  # identity -> expression -> images
    alike: dict[int, list[int]] = defaultdict(list)  # expression -> images
    for image, (label, identity) in enumerate(zip(labels, identities, strict=True)):
        shown[identity][label].append(image)
        alike[label].append(image)
    queries = list(shuffled(list(range(len(labels))), generator))
    for start in range(0, len(queries), tuples):
        positions, sizes = [], []
        for query in queries[start : start + tuples]:
            chosen = choose_positives(query, alike[labels[query]], identities, positives, generator)
            others = [shown[identities[image]] for image in chosen]
            opposed = choose_negatives(labels[query], others, negatives, generator)
            positions += chosen + opposed
            sizes.append((len(chosen), len(opposed)))
        yield TupleBatch(torch.tensor(positions), sizes)


def choose_positives(
    query: int, candidates: list[int], identities: list[int], size: int, generator: torch.Generator
) -> list[int]:
    """The query and size - 1 other candidates, each from a new person as long as there is one."""
    chosen, spare, people = [query], [], {identities[query]}
    for image in shuffled(candidates, generator):
        if len(chosen) == size:
            break
        if image == query:
            continue
        (spare if identities[image] in people else chosen).append(image)
        people.add(identities[image])
    return chosen + spare[: size - len(chosen)]


def choose_negatives(label: int, people: list[dict[int, list[int]]], size: int, generator: torch.Generator) -> list[int]:
    """`size` images of other expressions; `people` maps expression to images, the query's person first."""
    wanted = list(shuffled(sorted({other for person in people for other in person if other != label}), generator))
    stock = {}
    for other in wanted:
        own = people[0].get(other, [])
        borrowed = {image for person in people for image in person.get(other, [])} - set(own)
        stock[other] = [*shuffled(own, generator), *shuffled(sorted(borrowed), generator)]
    chosen = []
    while len(chosen) < size and any(stock.values()):
        for other in wanted:
            if stock[other] and len(chosen) < size:
                chosen.append(stock[other].pop(0))
    return chosen


def shuffled(values: list[int], generator: torch.Generator) -> Iterator[int]:
    """The values in random order, one by one: of a class's thousands a tuple takes six."""
    return (values[i] for i in torch.randperm(len(values), generator=generator).tolist())


def check_tuples(labels: Tensor, identities: Tensor, **sizes: int) -> None:
    """Raise ValueError or TypeError unless there are images, a label and an identity each, and sizes that make sense."""
    check_tensor("labels", labels)
    if labels.ndim != 1 or len(labels) == 0:
        raise ValueError(f"labels must have shape [images] with at least one image, got {list(labels.shape)}")
    check_classes("labels", labels, len(labels))
    check_classes("identities", identities, len(labels))
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")
