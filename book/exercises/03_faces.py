# %% text
"""
# 3 · Faces and data

Two exercises for [chapter 3](../../notebooks/03_faces_and_data.ipynb).
"""

# %% code
import numpy as np

from fercore.course.exercises import expect
from fercore.evaluation.metrics import summarize

# %% text
"""
## Nobody on two sides

Whoever is trained on must not be tested on: a network that knows a face may answer by the person. Go through the people in the given order, and hold each out with all their images, until the images held out are at least the wanted share.
"""


# %% task
def held_out(people, order, share):
    """Which images are held out.

    Args:
        people: [N], who is seen on each image.
        order: the people, in the order in which they are held out.
        share: of the images, between 0 and 1: hold out this much at least.

    Returns:
        [N] of bool.
    """
    ### BEGIN SOLUTION
    chosen = np.zeros(len(people), dtype=bool)
    for person in order:
        if chosen.mean() >= share:
            break
        chosen |= people == person
    return chosen
    ### END SOLUTION


# %% check
people = np.array([3, 1, 1, 2, 3, 3, 1, 2, 4, 4])
order = [3, 2, 4, 1]
expect(
    "the images held out",
    held_out(people, order, 0.3),
    people == 3,
    {
        "the first images are held out, whoever is on them: the same people are then on both sides": np.arange(10) < 3,
        "this stops before the share is reached: hold out *at least* that much": np.zeros(10, dtype=bool),
        "this is what stays in training": people != 3,
        "a share of the people is not a share of the images: some have many": np.isin(people, [2, 3]),
    },
)

# %% hint
"""
`people == person` marks all images of a person. The share that is held out so far is the mean of the marks.
"""

# %% text
"""
## Two accuracies

Of faces in the wild half are happy. A network that always says "happy" is right on half of them. *Balanced accuracy* is the mean of the classes' recalls: each class counts the same, however rare. A class that the test set lacks has no recall, and is left out.
"""


# %% task
def two_accuracies(confusion):
    """(accuracy, balanced accuracy), each between 0 and 1.

    Args:
        confusion: [K, K] counts of images, the true class in rows, the answer in columns.
    """
    ### BEGIN SOLUTION
    images = confusion.sum(axis=1)
    right = np.diag(confusion)
    return right.sum() / images.sum(), (right[images > 0] / images[images > 0]).mean()
    ### END SOLUTION


# %% check
confusion = np.array([[80, 10, 10, 0], [8, 12, 0, 0], [1, 1, 2, 6], [0, 0, 0, 0]])
right, images, answers = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
accuracy = right.sum() / images.sum()
expect(
    "the two accuracies",
    two_accuracies(confusion),
    tuple(summarize(confusion).values()),
    {
        "these are precisions, of what was answered; recall goes along a row, of what is true": (
            accuracy,
            (right / np.maximum(answers, 1))[images > 0].mean(),
        ),
        "the class without images counts as 0 here; leave it out": (accuracy, (right / np.maximum(images, 1)).mean()),
        "both weigh each image the same: average the recalls without weights": (accuracy, accuracy),
    },
)

# %% hint
"""
`confusion.sum(axis=1)` has the images of each true class, `np.diag(confusion)` those that were recognized.
"""
