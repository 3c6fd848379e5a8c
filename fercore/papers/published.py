"""What the papers print: published.csv, and the sizes of their test sets."""

import csv

from fercore.errors import ConfigError
from fercore.paths import PAPER_CSV

DATA_NAMES = {
    "wmnist": "W-MNIST",
    "simfer": "SimFER",
    "rafdb": "RAF-DB",
    "affectnet": "AffectNet",
    "fer2013": "FER2013",
    "ckplus": "CK+",
    "mmi": "MMI",
    "sfew": "SFEW",
}  # as in paper.csv
FACE = " [MS-CELEB-1M]"  # ends the names of chapter 4's rows whose networks had seen people's faces
LAYERS = "table 3.2"  # the one table without results: sizes of layers, which tests/models hold against the network


def published(item: str | None = None) -> list[dict[str, str]]:
    """Every row of paper.csv, or those of one table.

    paper, item, row, column, value (in percent, as printed; layer sizes in table 3.2), data (the set that the paper
    measured on), of ("own": a result of the paper; "quoted": one that it takes from another work), note.

    Raises:
        ConfigError: there is no such table.
    """
    with PAPER_CSV.open(newline="") as file:
        lines = list(csv.DictReader(file))
    known = list(dict.fromkeys(line["item"] for line in lines))
    if item is not None and item not in known:
        raise ConfigError(f"unknown table {item!r}; known: {', '.join(known)}")
    return [line for line in lines if item in (None, line["item"])]


# What each paper tests on. Thesis: sections 3.3.1 and 3.3.2; AMTC3L: section IV-A; (N+M): section 5.3 (624 images of MMI
# are 208 sequences; SFEW's validation set).
TEST_IMAGES = {"W-MNIST": 10_000, "RAF-DB": 3_068, "AffectNet": 3_500, "CK+": 327, "MMI": 208, "SFEW": 436}


def published_accuracies() -> dict[tuple[str, str], dict[str, float]]:
    """{(table, data): {row: accuracy in %}} of the papers' own rows; those that chapter 4 of the thesis repeats once."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for line in published():
        repeated = (line["item"] == "table 4.1" and "[ImageNet]" in line["row"]) or (
            line["item"] == "table 4.2" and "[" not in line["row"]
        )
        if line["of"] == "own" and line["column"] == "accuracy" and not repeated:
            found.setdefault((line["item"], line["data"]), {})[line["row"]] = float(line["value"])
    return found
