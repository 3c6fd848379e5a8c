"""The three profiles: quick (every path, seconds a run), laptop (what is shipped), paper (the published schedules).

A recipe is the same for every method: methods are compared, not tuned one against another. For profile "paper" a method's
row may name what its own paper does otherwise (fercore.methods).
"""

from typing import Any

from fercore.data.names import parse_name
from fercore.errors import ConfigError

PROFILES = ("quick", "laptop", "paper")
SIMFER_PRESETS = ("quick", "laptop", "rafdb")  # which SimFER each profile trains on
IDENTITY_PRESETS = ("identity-quick", "identity", "identity")

Recipe = dict[str, Any]

# In every recipe, unless it says otherwise.
SHARED: Recipe = dict(data_fraction=1.0, val_fraction=0.1, schedule="trapezoid", clip_norm=0.0, momentum=0.9, weight_decay=5e-4)

QUICK_DIGITS = SHARED | dict(data_fraction=0.15, width=0.25, epochs=4, batch_size=64, lr=0.01)
LAPTOP_DIGITS = SHARED | dict(
    width=0.5,  # a quarter of the arithmetic
    epochs=6,
    batch_size=128,
    lr=0.01,  # softmax's validation accuracy asks for as high a rate as trains; DDA as released diverges above this one
)
PAPER_DIGITS = LAPTOP_DIGITS | dict(  # thesis, 3.3.1, word for word; the validation split is ours
    width=1.0,
    epochs=100,
    lr=0.001,
    schedule="step",
    lr_step=20,
    lr_decay=1.25,
)

QUICK_FACES = SHARED | dict(
    image_size=48,
    crop=40,
    augment="random-crop",
    erasing=0.0,
    trunk="resnet18",
    pretrained="none",
    width=0.25,
    epochs=3,
    batch_size=32,
    lr=0.05,
)
LAPTOP_FACES = QUICK_FACES | dict(  # about three minutes a run on one core
    image_size=64,
    crop=56,
    epochs=16,
    lr=0.02,  # 0.06 does no better on the validation split, and metric losses diverge at high rates (chapter 02)
)
PAPER_RAF = LAPTOP_FACES | dict(  # thesis, 3.3.2; the validation split is ours
    image_size=100,
    crop=90,
    augment="five-crop",
    pretrained="imagenet",
    width=1.0,
    batch_size=64,
    epochs=60,
    lr=0.01,
    schedule="step",
    lr_step=20,
    lr_decay=10.0,
)
PAPER_AFFECTNET = PAPER_RAF | dict(image_size=256, crop=224, pretrained="none", epochs=20, batch_size=128, lr_step=5)

# The (N+M)-tuplet paper, 5.1: 60 px faces and random 48 px crops; its pre-training on FER2013, 5.2. It halves the rate
# whenever the loss rises or validation stands still; halving every 30 of the 300 epochs stands in for that. Its
# fine-tuning on the sequences names no epochs and no rate (Adam, cross-validated): those of RAF-DB stand in.
SMALL = dict(image_size=60, crop=48)
PAPER_FER2013 = (
    PAPER_RAF
    | SMALL
    | dict(
        augment="random-crop",
        pretrained="none",
        epochs=300,
        batch_size=128,
        lr=0.1,
        lr_step=30,
        lr_decay=2.0,
        weight_decay=1e-4,
    )
)
PAPER_SEQUENCES = PAPER_RAF | SMALL | dict(augment="random-crop", pretrained="none")

FACES = {"quick": QUICK_FACES, "laptop": LAPTOP_FACES}
FACES_48 = {"quick": QUICK_FACES, "laptop": LAPTOP_FACES | SMALL}
SIMFER = FACES | {"paper": PAPER_RAF | dict(pretrained="none")}  # ImageNet's weights need a download, SimFER none


def with_all(recipes: dict[str, Recipe], **values: Any) -> dict[str, Recipe]:
    """`recipes` with these values in every profile."""
    return {profile: recipe | values for profile, recipe in recipes.items()}


def with_presets(recipes: dict[str, Recipe], presets: tuple[str, ...]) -> dict[str, Recipe]:
    """`recipes` with one SimFER preset a profile, in the order of PROFILES."""
    return {profile: recipes[profile] | {"preset": preset} for profile, preset in zip(PROFILES, presets, strict=True)}


RECIPES = {
    "wmnist": {"quick": QUICK_DIGITS, "laptop": LAPTOP_DIGITS, "paper": PAPER_DIGITS},
    "simfer": with_presets(SIMFER, SIMFER_PRESETS),
    "simfer-id": with_presets(SIMFER, IDENTITY_PRESETS),
    "rafdb": FACES | {"paper": PAPER_RAF},
    "affectnet": FACES | {"paper": PAPER_AFFECTNET},
    "fer2013": FACES_48 | {"paper": PAPER_FER2013},
    "ferplus": FACES_48 | {"paper": PAPER_FER2013},
    "ckplus": with_all(FACES_48 | {"paper": PAPER_SEQUENCES}, fold=0),
    "mmi": with_all(FACES_48 | {"paper": PAPER_SEQUENCES}, fold=0),
    "sfew": FACES_48 | {"paper": PAPER_SEQUENCES},
    "jaffe": with_all(FACES_48 | {"paper": PAPER_SEQUENCES}, fold=0),
    "folder": FACES | {"paper": PAPER_RAF},
}


def check_profile(profile: str) -> str:
    """`profile` if it is one; ConfigError lists the known ones."""
    if profile not in PROFILES:
        raise ConfigError(f"unknown profile {profile!r}; known: {', '.join(PROFILES)}")
    return profile


def find_recipe(profile: str, data: str) -> Recipe:
    """The recipe of a profile on a data set; ConfigError where there is none."""
    return RECIPES[parse_name(data)[0]][check_profile(profile)]
