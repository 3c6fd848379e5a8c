"""The names of the data sets, and what a run's `data` says; without PyTorch, so that errors come at once."""

import os

from fercore.errors import ConfigError

FACES = ("simfer", "simfer-id", "rafdb", "affectnet", "fer2013", "ferplus", "ckplus", "mmi", "sfew", "jaffe", "folder")
WITH_CONTEMPT = ("affectnet", "ferplus")  # the sets whose contempt is kept only where eight classes are asked for
CLASS_NAMES = ("Surprise", "Fear", "Disgust", "Happiness", "Sadness", "Anger", "Neutral")  # RAF-DB's order, for every set
DOUBTFUL = ("dropped",)  # what may be done with images that ruin results, but use them
LABELS_BY_VOTE = ("drawn",)  # what may be done with the votes of many people, but count who has the most
MAJORITY, MINORITY = 5000, 500  # images of each digit of W-MNIST: of seven, and of three rare ones
TESTED = 10_000  # MNIST's test images
OWN = "folder"  # anyone's own class folders
DATASETS = ("wmnist", *FACES)
FREE = ("wmnist", "simfer", "simfer-id")  # fetched or rendered here; of the others everyone has to bring the images


def parse_name(data: str) -> tuple[str, str | None]:
    """ "rafdb:/faces/raf" -> ("rafdb", "/faces/raf"), "simfer" -> ("simfer", None); ConfigError for an unknown name.

    A path is made absolute, so that one folder has one name: /x/set, /x/set/, ~/set and ./set are one, faces here and faces
    there are two.
    """
    name, colon, path = data.partition(":")
    if name not in DATASETS:
        own = f"; a folder of class folders is folder:{name}" * (os.sep in name)
        raise ConfigError(f"unknown data set {name!r}; known: {', '.join(DATASETS)}{own}")
    if colon and (name == "wmnist" or not path):
        raise ConfigError(
            f"{data!r}: " + ("wmnist takes no path" if name == "wmnist" else f"write {name}:PATH, or {name} alone")
        )
    if name == OWN and not path:
        raise ConfigError(f"{name} is a set of your own: write {name}:PATH, a folder of class folders")
    return name, os.path.abspath(os.path.expanduser(path)) if path else None


def one_spelling(data: str) -> str:
    """`data` with its path as `parse_name` has it."""
    name, path = parse_name(data)
    return f"{name}:{path}" if path else name
