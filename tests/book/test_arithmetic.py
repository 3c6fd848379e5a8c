"""The explorables compute in the reader's browser what fercore computes: the same numbers, on random inputs."""

import json
import shutil
import subprocess

import numpy as np
import pytest
import torch
from PIL import Image

from book.explore.data import PERSON, SIDE, plane, rival_record, script, sprite
from fercore.evaluation import stats
from fercore.papers.gains import like
from fercore.paths import RESULTS, ROOT
from fercore.runs import shipped
from fercore.samplers import mm_nss, ms_nss, ns_nss
from simfer.assets import load_head
from simfer.identity import sample_identity

SCRIPTS = ROOT / "book" / "_static" / "explore"


def node() -> str:
    """Node.js: the machine's, or the one that playwright brings along."""
    if found := shutil.which("node"):
        return found
    driver = pytest.importorskip("playwright._impl._driver", reason="no Node.js here: install it, or playwright")
    return driver.compute_driver_executable()[0]


def in_javascript(script: str, calls: list[tuple[str, list]]) -> list:
    """What the functions of book/_static/explore/`script`.js return for these (name, arguments)."""
    program = """
        const functions = require(process.argv[1]);
        const calls = JSON.parse(require("fs").readFileSync(0, "utf8"));
        console.log(JSON.stringify(calls.map(([name, values]) => functions[name](...values))));
    """
    command = [node(), "-e", program, str(SCRIPTS / f"{script}.js")]
    done = subprocess.run(command, input=json.dumps(calls), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("whole", [False, True], ids=["any", "whole numbers, which tie"])
def test_samplers(whole):
    rng = np.random.default_rng(0)
    calls, expected = [], []
    for _ in range(60):
        m, k, d = (int(n) for n in rng.integers([1, 2, 1], [9, 12, 6]))
        x, c = rng.normal(0, 3, (m, d)), rng.normal(0, 3, (k, d))
        x, c = (np.round(x), np.round(c)) if whole else (x, c)
        y, predicted, record = rng.integers(0, k, m), rng.integers(0, k, m), rng.integers(0, 4, (k, k))
        record[rng.random(k) < 0.3] = 0  # classes that were never mistaken
        predicted = np.where(rng.random(m) < 0.5, y, predicted)
        xt, yt, ct, pt, st = (torch.tensor(values) for values in (x, y, c, predicted, record))
        x, y, c, predicted, record = (values.tolist() for values in (x, y, c, predicted, record))
        calls += [("msNss", [x, y, c]), ("nsNss", [predicted, y, c, record]), ("mmNss", [x, predicted, y, c])]
        expected += [ms_nss(xt, yt, ct), ns_nss(pt, yt, ct, st), mm_nss(xt, pt, yt, ct, st)]
    for (name, _), ours, theirs in zip(calls, expected, in_javascript("samplers", calls), strict=True):
        assert ours.tolist() == theirs, name


def test_a_chimera_is_no_classes_center():
    centers = [[0.0, 0.0], [1.0, 9.0], [9.0, 1.0]]
    built = in_javascript("samplers", [("msNss", [[[0.0, 0.0], [5.0, 5.0]], [0, 0], centers])])[0]
    assert built == [[1.0, 1.0], [1.0, 9.0]]
    assert in_javascript("samplers", [("isChimera", [negative, centers]) for negative in built]) == [True, False]


def test_intervals_and_tests():
    rng = np.random.default_rng(1)
    calls, expected = [], []
    for _ in range(80):
        values = rng.normal(80, 2, int(rng.integers(2, 12)))
        ours = stats.estimate(values)
        calls.append(("estimate", [values.tolist()]))
        expected.append({"mean": ours.mean, "std": ours.std, "n": ours.n, "low": ours.low, "high": ours.high})
        total = int(rng.integers(1, 20000))
        first, second = (int(n) for n in rng.integers(0, total + 1, 2))
        least, most = stats.disagreement_bounds(first, second, total)
        gain, disagreement = first - second, least + 2 * int(rng.integers(0, (most - least) // 2 + 1))
        calls += [
            ("wilsonInterval", [first, total]),
            ("disagreementBounds", [first, second, total]),
            ("independentDisagreement", [first / total, second / total]),
            ("mcnemarP", [gain, disagreement]),
            ("largestChanceGain", [disagreement]),
            ("like", [gain, disagreement + 0.7]),
        ]
        expected += [
            stats.wilson_interval(first, total),
            (least, most),
            stats.independent_disagreement(first / total, second / total),
            stats.mcnemar_p(gain, disagreement),
            stats.largest_chance_gain(disagreement),
            like(gain, disagreement + 0.7),
        ]
    compare(calls, expected)


def test_needed_images_and_seeds():
    rng = np.random.default_rng(2)
    calls, expected = [], []
    for _ in range(30):
        gain, std = float(rng.uniform(0.2, 3)), float(rng.uniform(0.2, 1.5))
        share = float(rng.uniform(gain / 100, 0.5))
        calls += [("neededImages", [gain / 100, share]), ("neededSeeds", [gain, std])]
        expected += [stats.needed_images(gain / 100, share), stats.needed_seeds(gain, std)]
    compare(calls, expected)


def test_with_the_needed_images_four_of_five_gains_are_noticed():
    gain, disagreement = 0.0134, 0.09
    needed = stats.needed_images(gain, disagreement)
    before, there = in_javascript("stats", [("imagesNotice", [gain, disagreement, n]) for n in (needed - 1, needed)])
    assert before < stats.POWER <= there


def compare(calls: list, expected: list) -> None:
    for (name, values), ours, theirs in zip(calls, expected, in_javascript("stats", calls), strict=True):
        ours, theirs = (list(one.values()) if isinstance(one, dict) else one for one in (ours, theirs))
        assert theirs == pytest.approx(ours, rel=1e-7, abs=1e-9), (name, values)


def test_the_shown_data_is_what_the_shipped_results_give(monkeypatch):
    monkeypatch.setattr(shipped, "RESULTS", RESULTS)  # the repository's own, not the empty ones of a test
    for name, content in {"plane": plane(), "rivals": rival_record()}.items():
        written = (SCRIPTS / f"{name}_data.js").read_text(encoding="utf-8")
        assert written == script(name, content), "other results are shipped: python -m book.explore.data"


def test_a_sprite_is_where_the_page_looks_for_it():
    """The sheet's cells are those of the rows and columns that the page is told."""
    meaning = json.loads((SCRIPTS / "faces_data.js").read_text(encoding="utf-8").split("explore.faces = ")[1].rstrip(";\n"))
    with Image.open(SCRIPTS / "faces.webp") as sheet:
        assert sheet.size == (len(meaning["columns"]) * SIDE, len(meaning["rows"]) * SIDE)
        row, column = 2, 7  # Surprise in full, from the front
        shown = np.asarray(sheet.crop((column * SIDE, row * SIDE, (column + 1) * SIDE, (row + 1) * SIDE)), dtype=float)
    person = sample_identity(load_head(), np.random.default_rng(PERSON))
    (name, strength), (light, yaw) = meaning["rows"][row], meaning["columns"][column]
    assert np.abs(shown - np.asarray(sprite(person, name, strength, light, yaw))).mean() < 5
