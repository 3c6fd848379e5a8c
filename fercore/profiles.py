"""The three profiles: quick (every path, seconds a run), laptop (what is shipped), paper (the published schedules).

A recipe is the same for every method: methods are compared, not tuned one against another.
"""

from typing import Any

from fercore.errors import ConfigError

PROFILES = ("quick", "laptop", "paper")

W_MNIST_RECIPES: dict[str, dict[str, Any]] = {
    "quick": dict(
        data_fraction=0.15,
        val_fraction=0.1,
        width=0.25,
        epochs=4,
        batch_size=64,
        lr=0.01,
        schedule="trapezoid",
        clip_norm=0.0,
        momentum=0.9,
        weight_decay=5e-4,
    ),
    "laptop": dict(
        data_fraction=1.0,
        val_fraction=0.1,
        width=0.5,  # a quarter of the arithmetic
        epochs=6,
        batch_size=128,
        lr=0.01,  # softmax's validation accuracy asks for as high a rate as trains; DDA as released diverges above this one
        schedule="trapezoid",
        clip_norm=0.0,
        momentum=0.9,
        weight_decay=5e-4,
    ),
    "paper": dict(  # thesis, 3.3.1, word for word; the validation split is ours
        data_fraction=1.0,
        val_fraction=0.1,
        width=1.0,
        epochs=100,
        batch_size=128,
        lr=0.001,
        schedule="step",
        lr_step=20,
        lr_decay=1.25,
        clip_norm=0.0,
        momentum=0.9,
        weight_decay=5e-4,
    ),
}
RECIPES = {"wmnist": W_MNIST_RECIPES}


def check_profile(profile: str) -> str:
    """`profile` if it is one; ConfigError lists the known ones."""
    if profile not in PROFILES:
        raise ConfigError(f"unknown profile {profile!r}; known: {', '.join(PROFILES)}")
    return profile


def find_recipe(profile: str, data: str) -> dict[str, Any]:
    """The recipe of a profile on a data set; ConfigError where there is none."""
    return RECIPES[data][check_profile(profile)]
