"""Claims in words: each has a number from runs, or says why it has none."""

import dataclasses

import pytest

from fercore.papers import experiments
from fercore.papers.words import NOT_RUN, WORDS, arrivals, gain, operations, speed, time_of_dacl, words_table
from fercore.runs.find import find_result
from fercore.runs.result import write_result
from tests.papers.pretend import pretend

FACES = ["Surprise", "Fear", "Disgust", "Happiness", "Sadness", "Anger", "Neutral"]


def learns(config, curve, *, seconds=1.0):
    """Store a run of `config` whose validation accuracy was this after each epoch."""
    pretend(config, curve[-1], FACES)
    run = find_result(config)
    epochs = [{"epoch": k, "loss": 1.0, "val_balanced_accuracy": value} for k, value in enumerate(curve, 1)]
    run = dataclasses.replace(run, epochs=epochs, provenance=run.provenance | {"seconds": seconds})
    write_result(run.array_file.parent, run, {})
    return run


def test_every_claim_has_a_number_or_a_reason():
    table = words_table("quick")
    assert len(table) == len(WORDS)
    assert all(text == NOT_RUN or text.startswith("not examined, because ") or "AlexNet" in text for text in table["here"])
    assert {NOT_RUN} < set(table["here"])


def test_a_gain_is_paired_by_seed():
    rows = experiments.leaderboard("quick")
    for label, values in {"softmax": (0.5, 0.7), "DACL": (0.6, 0.7)}.items():
        for config, value in zip(rows[label], values, strict=True):
            pretend(config, value, FACES)
    assert gain(experiments.leaderboard, "DACL", "softmax")("quick").startswith("DACL minus softmax, accuracy: +5.00 [")
    assert gain(experiments.leaderboard, "DACL", "nobody")("quick") == NOT_RUN


def test_a_speed_is_the_difference_of_arrivals():
    rows = experiments.leaderboard("quick")
    for ours, theirs in zip(rows["DACL"], rows["softmax"], strict=True):
        learns(ours, [0.1, 0.2, 0.72])
        learns(theirs, [0.1, 0.8, 0.8])
    told = speed(experiments.leaderboard, "DACL", "softmax")("quick")
    assert told == "DACL arrives in epoch 3.0, softmax in 2.0: +1.00 [+1.00, +1.00] (2 pairs)"


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [((0.9, 0.9), (0.5, 1.0), [1, 2]), ((0.1, 0.899, 1.0), (0.9, 1.0), [3, 1]), ((0.2,), (0.8,), [1, 1])],
)
def test_arrivals(ours, theirs, expected):
    """The level is nine tenths of the lower final accuracy: 0.81, 0.9 and 0.18."""
    one, other = experiments.leaderboard("quick")["softmax"]
    assert arrivals(learns(one, ours), learns(other, theirs)) == expected


def test_time_is_the_fastest_run_of_each():
    rows = experiments.leaderboard("quick")
    for label, seconds in {"softmax": (10.0, 99.0), "DACL": (99.0, 12.0)}.items():
        for config, took in zip(rows[label], seconds, strict=True):
            learns(config, [0.5], seconds=took)
    assert time_of_dacl("quick").startswith("+20 % ")


def test_alexnet_has_its_published_operations():
    """0.71 GMAC at 224 px by torchvision's page; the side of 227 px that Caffe's has adds a little."""
    theirs = int(operations("quick").split("AlexNet ")[1].split("M")[0])
    assert 705 <= theirs <= 735
