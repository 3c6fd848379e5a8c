"""The papers' tables on the papers' own data, at the published schedules: which runs each needs, and what they lack here.

The data are licensed, so nothing of this is shipped. A table trains where its sets lie in data/ (a link will do):
`python -m fercore sweep --table "table 3.3"`; `report --profile paper` shows what is finished beside the printed numbers.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fercore.config import RunConfig
from fercore.data import parse_name
from fercore.data.readers.sequences import CK_FOLDS, MMI_FOLDS
from fercore.errors import ConfigError
from fercore.methods.recipes import DACL_PAPER, TC3L_PAPER
from fercore.papers.experiments import Experiment
from fercore.paths import data_dir, shown

SEEDS = (0, 1, 2)
FOLDS = {"ckplus": CK_FOLDS, "mmi": MMI_FOLDS}  # one run a fold: the spread is over folds
GAMMA = {"rafdb": 5.0, "affectnet": 4.0}  # thesis, 3.3.2
FACE_WEIGHTS = "data/weights/msceleb_resnet18.pth"  # the thesis's have no address: put your own there
Rows = dict[str, dict[str, Any]]  # row label -> what its runs set


def chapter_3(data: str, tail: str = "") -> Rows:
    """Softmax, center loss and DDA with chapter 3's recipe; DDA with the loss as printed and as released."""
    return center_rows(tail) | dda_rows(data, tail)


def chapter_4(data: str, pretrained: str, reading: str = "") -> Rows:
    """The five methods of chapter 4 with its recipe, from these weights; `reading` says so where they are others."""
    tail = " [MS-CELEB-1M]"
    rows = center_rows(tail) | {f"g-DACL{tail}": {"method": "g-dacl"}} | dda_rows(data, tail)
    rows |= {f"DACL{tail}": {"method": "dacl"}}
    recipe = DACL_PAPER[data] | {"pretrained": pretrained}
    return {f"{label}{reading}": settings | recipe for label, settings in rows.items()}


def center_rows(tail: str) -> Rows:
    return {f"softmax{tail}": {"method": "softmax"}, f"center loss{tail}": {"method": "center"}}


def dda_rows(data: str, tail: str) -> Rows:
    readings = {"printed": "paper", "released": "released"}
    own = {"method": "dda", "gamma": GAMMA[data]}
    return {f"DDA{tail}, {name}": own | {"normalization": value} for name, value in readings.items()}


def amtc3l(**names: str) -> Rows:
    """Cross entropy with AMTC3L's network at its rate of 0.01, and the methods named {row's beginning: method's beginning}."""
    rows: Rows = {"baseline": {"method": "softmax", "head": "amtc3l"} | TC3L_PAPER["rafdb"] | {"lr": 0.01}}
    for row, method in names.items():
        for sampler in ("ms", "ns", "mm"):
            rows[f"{row}{sampler.upper()}-NSS"] = {"method": f"{method}-{sampler}"}
    return rows


def tuplets(*methods: str) -> Rows:
    """nplus1-1b is the papers' 1B(N+1)Softmax."""
    rows: Rows = {}
    for method in methods:
        loss, branches = method.removeprefix("nplus").split("-")
        rows[f"{branches.upper()}(N+{loss.upper()})Softmax"] = {"method": method}
    return rows


TUPLETS = ("nplus1-1b", "nplus1-2b", "nplusm-1b", "nplusm-2b")
MSCELEB = f"msceleb:{FACE_WEIGHTS}"
IMAGENET_READING = ", ImageNet's weights"

# Per table of paper.csv what trains, on which set. Rows that stand together are compared with their first or softmax row.
FULL_SCALE: dict[str, list[tuple[str, Rows]]] = {
    "table 3.3": [("rafdb", chapter_3("rafdb"))],
    "table 3.4": [("affectnet", chapter_3("affectnet"))],
    "table 4.1": [
        ("rafdb", chapter_3("rafdb", " [ImageNet]")),
        ("rafdb", chapter_4("rafdb", MSCELEB)),
        ("rafdb", chapter_4("rafdb", "imagenet", IMAGENET_READING)),
    ],
    "table 4.2": [
        ("affectnet", chapter_3("affectnet")),
        ("affectnet", chapter_4("affectnet", MSCELEB)),
        ("affectnet", chapter_4("affectnet", "imagenet", IMAGENET_READING)),
    ],
    "table I": [("rafdb", amtc3l(**{"": "amtc3l"}))],
    "table II": [("rafdb", amtc3l(**{"pipeline a ": "tc3l", "pipeline b ": "amtc3l"}))],
    "table 1": [("ckplus", tuplets("nplusm-2b"))],
    "table 2": [("mmi", tuplets("nplusm-2b"))],
    "table 3": [("ckplus", tuplets(*TUPLETS)), ("mmi", tuplets(*TUPLETS))],
    "table 4": [("sfew", tuplets("nplusm-2b"))],
    "table 5": [("sfew", tuplets(*TUPLETS))],
}


def full_scale(table: str, **changes: Any) -> list[Experiment]:
    """The runs of a published table on its own data, at profile paper: {row label: configs}, one for each set and recipe.

    Three seeds a row; where the protocol is subject-independent folds, one run a fold.

    Args:
        table: a key of FULL_SCALE.
        changes: override what every run has, as a rehearsal does.

    Raises:
        ConfigError: the table is none of these.
    """
    if table not in FULL_SCALE:
        raise ConfigError(f"no full-scale runs for {table!r}; known: {', '.join(FULL_SCALE)}")
    return [{label: runs_of(data, settings | changes) for label, settings in rows.items()} for data, rows in FULL_SCALE[table]]


def runs_of(data: str, settings: dict[str, Any]) -> list[RunConfig]:
    """One config a seed, or a fold."""
    own = [{"seed": 0, "fold": fold} for fold in range(FOLDS.get(data, 0))] or [{"seed": seed} for seed in SEEDS]
    return [RunConfig(data=data, profile="paper", **settings | choice) for choice in own]


def runs_for(tables: Iterable[str]) -> list[RunConfig]:
    """All runs of these tables, each once: tables share some."""
    runs = [config for table in tables for rows in full_scale(table) for configs in rows.values() for config in configs]
    return list(dict.fromkeys(runs))


def lacking(config: RunConfig) -> str:
    """What this machine lacks for a run, for a reader; empty where it lacks nothing."""
    kind, _, weights = config.pretrained.partition(":")
    for name in [parse_name(config.data)[0]] + ["fer2013"] * (kind == "fer2013"):
        if not (data_dir() / name).is_dir():
            return f"{shown(data_dir() / name)} (data/README.md says how to get it; a link will do)"
    return weights if weights and not Path(weights).is_file() else ""


def trainable(tables: Iterable[str]) -> tuple[list[RunConfig], dict[str, int]]:
    """The runs of these tables that can train here, and of the others how many lack what.

    Raises:
        ConfigError: a table is unknown, or nothing can train.
    """
    tables = list(tables)
    runs, lack = [], {}
    for config in runs_for(tables):
        if reason := lacking(config):
            lack[reason] = lack.get(reason, 0) + 1
        else:
            runs.append(config)
    if not runs:
        raise ConfigError(f"nothing of {', '.join(tables)} can train here: not found: {'; '.join(lack)}")
    return runs, lack
