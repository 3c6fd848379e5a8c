"""The rows of the papers' tables, each stated once, and the runs that they become here.

A row is its label and what its runs set. Its label is one of the table's own in published.csv, with ", " and a reading where
there are several. `on_simfer` and its neighbors run rows on what everyone has; `on_own_data` runs them as published, at profile
paper, on the papers' own sets. These are licensed, so nothing of that is shipped. A table trains where its sets lie in data/ (a
link will do): `python -m fercore sweep --table "table 3.3"`; `report --profile paper` shows what is stored beside what is
printed.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fercore.config import RunConfig
from fercore.data.names import FREE, parse_name
from fercore.data.readers.sequences import CK_FOLDS, MMI_FOLDS
from fercore.errors import ConfigError
from fercore.methods.recipes import DACL_PAPER, TC3L_RAF
from fercore.paths import data_dir, shown
from fercore.profiles import check_profile, find_recipe
from fercore.runs.find import is_stored

Rows = dict[str, dict[str, Any]]  # row label -> what its runs set
Experiment = dict[str, list[RunConfig]]  # row label -> one config a seed, or a fold

# --- the rows -----------------------------------------------------------------------------------------------------------


def dda(label: str = "DDA", **own: Any) -> Rows:
    """DDA with the loss as printed, 1/(2m), and as in the released code, 1/(2m^2)."""
    readings = {"printed": "paper", "released": "released"}
    return {f"{label}, {name}": {"method": "dda", "normalization": value} | own for name, value in readings.items()}


def amtc3l(**methods: str) -> Rows:
    """Cross entropy with AMTC3L's network, and with each sampler the methods named {row's beginning: method's beginning}."""
    rows: Rows = {"baseline": {"method": "softmax", "head": "amtc3l"}}
    return rows | {f"{row}{s.upper()}-NSS": {"method": f"{name}-{s}"} for row, name in methods.items() for s in SAMPLERS}


SAMPLERS = ("ms", "ns", "mm")  # in the order of the AMTC3L paper's tables
TABLE_GAMMAS = (1, 3, 5, 7)  # the rows of table 3.1

CENTERS: Rows = {"softmax": {"method": "softmax"}, "center loss": {"method": "center"}}
DIGITS = CENTERS | {label: own for gamma in TABLE_GAMMAS for label, own in dda(f"DDA gamma {gamma}", gamma=gamma).items()}
CHAPTER_3 = CENTERS | dda()
ATTENTIVE: Rows = {"g-DACL": {"method": "g-dacl"}, "DACL": {"method": "dacl"}}
CHAPTER_4 = CHAPTER_3 | ATTENTIVE
AFFECTED = CENTERS | dda(gamma=4.0)  # the best gamma on AffectNet (thesis, 3.3.2)
AMTC3L_1 = amtc3l(**{"": "amtc3l"})
AMTC3L_2 = amtc3l(**{"pipeline a ": "tc3l", "pipeline b ": "amtc3l"})
TUPLETS: Rows = {f"{b}B(N+{n.upper()})Softmax": {"method": f"nplus{n}-{b}b"} for n in "1m" for b in (1, 2)}
BOTH_BRANCHES: Rows = {"2B(N+M)Softmax": TUPLETS["2B(N+M)Softmax"]}  # the paper's method, whose confusions it prints


def from_weights(rows: Rows, weights: str, reading: str = "", **recipe: Any) -> Rows:
    """`rows` as the thesis calls them by their pre-training: "DDA, printed" is "DDA [ImageNet], printed"; with this recipe."""
    renamed = {}
    for label, own in rows.items():
        row, comma, kind = label.partition(",")
        renamed[f"{row} {weights}{comma}{kind}{reading}"] = own | recipe
    return renamed


# --- on what everyone has -----------------------------------------------------------------------------------------------

SEEDS = {"quick": 2, "laptop": 5, "paper": 5}  # of every row at least
MOST_SEEDS = 10


def runs_of(profile: str, *, folds: int = 0, **values: Any) -> list[RunConfig]:
    """A row's configs: one a test fold, where the protocol has folds, else one a seed.

    The seeds are the profile's, and each further one of the first ten that is stored: how many there are is a fact, and no
    table's choice.
    """
    if folds:
        return [RunConfig(profile=profile, fold=fold, **values) for fold in range(folds)]
    configs = [RunConfig(profile=profile, seed=seed, **values) for seed in range(MOST_SEEDS)]
    least = SEEDS[check_profile(profile)]
    return configs[:least] + [config for config in configs[least:] if is_stored(config)]


# Chapters train dozens of runs. At quick these see a fraction of its recipe's images, a few a step, in a narrower network:
# digits come apart all the same, and faces are answered with several classes.
DIGITS_SIZE = {
    "quick": {"data_fraction": 0.05, "batch_size": 16, "width": 0.0625, "test_images": 1000},
    "laptop": {},
    "paper": {},
}
FACES_SIZE = {
    "quick": {"data_fraction": 0.25, "batch_size": 16, "width": 0.125, "epochs": 2},
    "laptop": {},
    "paper": {},
}


def on_digits(rows: Rows, profile: str) -> Experiment:
    return {label: runs_of(profile, **DIGITS_SIZE[check_profile(profile)] | own) for label, own in rows.items()}


# The network that the thesis's author published learns so much faster that a quarter of its channels and a one-cycle schedule
# of 12 epochs go past table 3.1's accuracies.
NORMALIZED_SIZE = DIGITS_SIZE | {"quick": DIGITS_SIZE["quick"] | {"epochs": 2}, "laptop": {"width": 0.25, "epochs": 12}}
THESIS_RATE = 0.001
RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
# For each row that of RATES with the best balanced accuracy on the validation split, seed 0 (experiment digit_rates).
OWN_RATES = {"softmax": 0.1, "center loss": 0.1} | {
    f"DDA gamma {gamma}, printed": rate for gamma, rate in zip(TABLE_GAMMAS, (0.01, 0.01, 0.003, 0.003), strict=True)
}


def normalized(own: dict[str, Any], profile: str, **more: Any) -> dict[str, Any]:
    """What a row of digits sets, on the network that the thesis's author published."""
    return own | {"lenets": "normalized"} | NORMALIZED_SIZE[check_profile(profile)] | more


def on_normalized_digits(profile: str) -> Experiment:
    """Table 3.1 on the author's network: at the thesis's rate, and each row but the released ones at its own too; at profile
    paper once, as published.
    """
    if profile == "paper":
        return on_digits({f"{label}, normalized": normalized(own, profile) for label, own in DIGITS.items()}, profile)
    chosen = OWN_RATES if profile != "quick" else ("softmax", "DDA gamma 1, printed")
    slow = DIGITS if profile != "quick" else chosen
    at_thesis = {f"{row}, normalized, rate 0.001": normalized(DIGITS[row], profile, lr=THESIS_RATE) for row in slow}
    at_own = {f"{row}, normalized, own rate": normalized(DIGITS[row], profile, lr=OWN_RATES[row]) for row in chosen}
    return on_digits(at_thesis | at_own, profile)


def on_published_schedule(profile: str) -> Experiment:
    """Table 3.1's schedule word for word, on the network of the thesis's words and on its author's; of DDA its best row.

    At laptop with a quarter of the channels: with all of them a run takes a core two and a half hours (`on_whole_network`).
    There also softmax with half of them, and with more images of the rare digits, whose number the thesis does not print.
    """
    recipe, rows = find_recipe("paper", "wmnist"), CENTERS | dda("DDA gamma 7", gamma=7)
    schedule = {key: recipe[key] for key in ("epochs", "lr", "schedule", "lr_step", "lr_decay")} | {"width": 0.25}
    size = schedule if profile == "laptop" else {}
    networks = {"": {}, ", normalized": {"lenets": "normalized"}}
    if profile == "quick":
        rows, networks = {"softmax": rows["softmax"]}, {"": {}}
    chosen = {
        f"{row}{reading}, published schedule": own | network | size
        for reading, network in networks.items()
        for row, own in rows.items()
    }
    if profile == "laptop":
        changes = {"half the channels": {"width": 0.5}} | {f"rare digits {n}": {"minority": n} for n in (1000, 2000, 5000)}
        chosen |= {f"softmax, {name}, published schedule": rows["softmax"] | size | own for name, own in changes.items()}
    return on_digits(chosen, profile)


def on_whole_network() -> Experiment:
    """Table 3.1 on both networks as published, profile paper's, the rows of which a run is stored: a GPU has made them."""
    rows = on_digits(DIGITS, "paper") | on_normalized_digits("paper")
    chosen = {label: runs for label, runs in rows.items() if any(map(is_stored, runs))}
    return {f"{label}, published schedule, whole width": runs for label, runs in chosen.items()}


def on_simfer(rows: Rows, profile: str) -> Experiment:
    size = {"data": "simfer"} | FACES_SIZE[check_profile(profile)]
    return {label: runs_of(profile, **size | own) for label, own in rows.items()}


def on_affectnet(rows: Rows, profile: str) -> Experiment:
    """Where AffectNet is meant: at laptop SimFER with its imbalance, its label noise and its balanced test set."""
    own = {"preset": "laptop-affectnet"} if profile == "laptop" else {}
    return on_simfer({label: row | own for label, row in rows.items()}, profile)


def on_photographs(rows: Rows, profile: str) -> Experiment:
    """On FER2013, of which nothing is chosen."""
    return {label: runs_of(profile, data="fer2013", **own) for label, own in rows.items()}


TESTED_FOLDS = {"quick": 2, "laptop": 8, "paper": 8}  # as the (N+M) paper tests on CK+

# Subject-independent folds of few people: from scratch a network learns them by heart and fails on new ones. The paper
# pre-trains on FER2013; here SimFER stands for it, whose people are others.
SEQUENCES = dict(data="simfer", preset="sequences", pretrained="simfer", val_fraction=1 / 7)
SEQUENCES_TRAINING = {
    "quick": dict(preset="sequences-quick", epochs=2, width=0.125, clip_norm=1.0),
    "laptop": dict(epochs=12, batch_size=48, clip_norm=1.0),
    "paper": dict(image_size=60, crop=48, augment="random-crop", trunk="inception", optimizer="adam", lr=0.001, batch_size=144),
}


def on_sequences(rows: Rows, profile: str) -> Experiment:
    """On SimFER's sequences, in folds."""
    recipe = SEQUENCES | SEQUENCES_TRAINING[check_profile(profile)] | {"folds": TESTED_FOLDS[profile]}
    return {label: runs_of(profile, **recipe | own) for label, own in rows.items()}


# --- on the papers' own data --------------------------------------------------------------------------------------------

FACE_WEIGHTS = "data/weights/msceleb_resnet18.pth"  # the thesis's have no address: put your own there
OWN_FOLDS = {"ckplus": CK_FOLDS, "mmi": MMI_FOLDS}  # one run a fold: the spread is over folds
BASELINE = TC3L_RAF | {"lr": 0.01}  # the AMTC3L paper's recipe, at the rate of its cross entropy


def chapter_4(data: str) -> list[tuple[str, Rows]]:
    """Chapter 4's methods with its recipe, from weights as the thesis has them and from ImageNet's in their place."""
    recipe = DACL_PAPER[data]
    weights = {"": f"msceleb:{FACE_WEIGHTS}", ", ImageNet's weights": "imagenet"}
    return [
        (data, from_weights(CHAPTER_4, "[MS-CELEB-1M]", reading, **recipe | {"pretrained": file}))
        for reading, file in weights.items()
    ]


def with_recipe(rows: Rows) -> list[tuple[str, Rows]]:
    return [("rafdb", rows | {"baseline": rows["baseline"] | BASELINE})]


# Per table of published.csv what trains, on which set. Rows that stand together are compared with their first or softmax row.
OWN_DATA: dict[str, list[tuple[str, Rows]]] = {
    "table 3.3": [("rafdb", CHAPTER_3)],
    "table 3.4": [("affectnet", CHAPTER_3)],
    "table 4.1": [("rafdb", from_weights(CHAPTER_3, "[ImageNet]")), *chapter_4("rafdb")],
    "table 4.2": [("affectnet", CHAPTER_3), *chapter_4("affectnet")],
    "table I": with_recipe(AMTC3L_1),
    "table II": with_recipe(AMTC3L_2),
    "table 1": [("ckplus", BOTH_BRANCHES)],
    "table 2": [("mmi", BOTH_BRANCHES)],
    "table 3": [("ckplus", TUPLETS), ("mmi", TUPLETS)],
    "table 4": [("sfew", BOTH_BRANCHES)],
    "table 5": [("sfew", TUPLETS)],
}


def on_own_data(table: str, **changes: Any) -> list[Experiment]:
    """The runs of a published table on its own data, at profile paper: an experiment for each set and recipe.

    Five seeds a row or more; where the protocol is subject-independent folds, one run a fold.

    Args:
        table: a key of OWN_DATA.
        changes: override what every run has, as a rehearsal does.

    Raises:
        ConfigError: the table is none of these.
    """
    if table not in OWN_DATA:
        raise ConfigError(f"no full-scale runs for {table!r}; known: {', '.join(OWN_DATA)}")
    return [
        {
            label: runs_of("paper", **{"data": data, "folds": OWN_FOLDS.get(data, 0)} | own | changes)
            for label, own in rows.items()
        }
        for data, rows in OWN_DATA[table]
    ]


def runs_for(tables: Iterable[str]) -> list[RunConfig]:
    """All runs of these tables on their own data, each once: tables share some."""
    runs = [config for table in tables for rows in on_own_data(table) for configs in rows.values() for config in configs]
    return list(dict.fromkeys(runs))


def lacking(config: RunConfig) -> str:
    """What this machine lacks for a run, for a reader; empty where it lacks nothing."""
    kind, _, weights = (config.pretrained or "none").partition(":")
    for name in [parse_name(config.data)[0]] + ["fer2013"] * (kind == "fer2013"):
        if name not in FREE and not (data_dir() / name).is_dir():
            return f"{shown(data_dir() / name)} (data/README.md of the repository says how to get it; a link will do)"
    return weights if weights and not Path(weights).is_file() else ""


def trainable(configs: Iterable[RunConfig], names: Iterable[str]) -> tuple[list[RunConfig], dict[str, int]]:
    """Of these runs those that are stored or can train here, and of the others how many lack what.

    Raises:
        ConfigError: there is none; it says of which tables or experiments, by `names`.
    """
    runs, lack = [], {}
    for config in configs:
        if (reason := lacking(config)) and not is_stored(config):
            lack[reason] = lack.get(reason, 0) + 1
        else:
            runs.append(config)
    if not runs:
        raise ConfigError(f"nothing of {', '.join(names)} can train here: not found: {'; '.join(lack)}")
    return runs, lack
