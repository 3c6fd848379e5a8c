"""Does anything but the face give the label away? Linear classifiers on what should know nothing.

Labels, people and scenes are drawn independently, so only the expression may tell a class. Each probe is a logistic
regression judged on people it has not seen; chance is one in seven, as the classes are drawn equally often.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from simfer.dataset import Item, Recipe, draw, items, person_of
from simfer.expression import Expression

NEUTRAL = Expression(6, {})
BORDER = 1 / 8  # of the side, on all four sides
PROBES = ("whole picture", "border", "border, face at rest", "corners", "identity", "scene")


class Probe(NamedTuple):
    """Balanced accuracy of one probe, and its standard error over the images."""

    accuracy: float
    error: float


def probe_leaks(per_class: int, *, size: int = 24, seed: int = 0) -> dict[str, Probe]:
    """Balanced accuracy of every probe of PROBES, on 7 * `per_class` pictures of `size` pixels, each drawn twice.

    "border" sees the outer eighth of the picture. It is a little above chance where a dropping jaw reaches it; the same
    people and scenes with the face put to rest tell whether that is all.
    """
    recipe = Recipe(train=(per_class,) * 7, test=(0,) * 7, identities=(per_class * 2, 0), size=size)
    everything = items(recipe, seed, "train")
    labels = np.array([one.expression.label for one in everything])
    people = np.array([one.identity for one in everything])
    as_is, at_rest = np.empty((2, len(everything), size, size, 3), np.float32)
    who: list[np.ndarray] = [np.empty(0)] * len(everything)
    for row in np.argsort(people, kind="stable"):  # a person, whose head takes most of the time, is made once
        one = everything[row]
        as_is[row] = picture(one, recipe, seed)
        at_rest[row] = picture(dataclasses.replace(one, expression=NEUTRAL), recipe, seed)
        who[row] = identity_numbers(one, recipe, seed)
    rim, corner = border_mask(size), corner_mask(size)
    features = {
        "whole picture": as_is.reshape(len(labels), -1),
        "border": as_is[:, rim].reshape(len(labels), -1),
        "border, face at rest": at_rest[:, rim].reshape(len(labels), -1),
        "corners": as_is[:, corner].reshape(len(labels), -1),
        "identity": np.array(who),
        "scene": np.array([scene_numbers(one) for one in everything]),
    }
    return {name: probe(features[name], labels, people) for name in PROBES}


def picture(one: Item, recipe: Recipe, seed: int) -> np.ndarray:
    """[size, size, 3] in 0..1."""
    return np.asarray(draw(one, recipe, seed), np.float32) / 255


def border_mask(size: int) -> np.ndarray:
    """[size, size] bool: the outer BORDER of the picture."""
    width = max(1, round(size * BORDER))
    mask = np.ones((size, size), bool)
    mask[width:-width, width:-width] = False
    return mask


def corner_mask(size: int) -> np.ndarray:
    """[size, size] bool: the upper corners, which show background or hair and never the face."""
    width = max(1, round(size * BORDER))
    mask = np.zeros((size, size), bool)
    mask[:width, :width] = mask[:width, -width:] = True
    return mask


def identity_numbers(one: Item, recipe: Recipe, seed: int) -> np.ndarray:
    """The person as numbers: head-shape weights, colors, brows, age, gender, beard."""
    person = person_of(seed, one.identity, recipe.spread)
    macro = [person.female, person.oldness, person.child, person.tone, person.beard, person.hair_depth, person.fringe]
    shape = [weight for name, weight in sorted(person.shape.items()) if name.startswith("type:")]
    return np.concatenate([macro, person.skin, person.lips, person.hair, person.iris, person.brow, shape])


def scene_numbers(one: Item) -> np.ndarray:
    """The scene as numbers."""
    values = []
    for value in dataclasses.astuple(one.scene)[:-1]:  # all but the seed of the textures
        numbers = value if isinstance(value, tuple) else (len(value) if isinstance(value, str) else value,)
        values.extend(float(number) for number in numbers)
    return np.array(values)


def probe(features: np.ndarray, labels: np.ndarray, people: np.ndarray) -> Probe:
    """Five-fold cross-validated balanced accuracy of a logistic regression; no person on both sides."""
    steps = [StandardScaler(), LogisticRegression(C=0.01, max_iter=500)]
    if features.shape[1] > 200:
        steps.insert(1, PCA(100, random_state=0))
    predicted = cross_val_predict(make_pipeline(*steps), features, labels, groups=people, cv=GroupKFold(5))
    accuracy = float(balanced_accuracy_score(labels, predicted))
    return Probe(accuracy, float(np.sqrt(accuracy * (1 - accuracy) / len(labels))))
