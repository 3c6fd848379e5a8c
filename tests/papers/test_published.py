"""The published numbers: how many each table has, what they may be, anchors read off the papers, and their arithmetic."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from fercore.data.releases import EXPECTED
from fercore.models import FERNet
from fercore.papers.published import DATA_NAMES, LAYERS, published

COLUMNS = ["paper", "item", "row", "column", "value", "data", "of", "note"]
COUNTS = {  # item: (numbers of the paper's own, numbers that it quotes), counted on the page
    "table 3.1": (6, 0),
    "table 3.2": (24, 0),
    "table 3.3": (6, 12),
    "table 3.4": (3, 5),
    "table 4.1": (16, 12),
    "table 4.2": (8, 5),
    "table I": (32, 0),
    "table II": (7, 0),
    "table 1": (49, 0),
    "table 2": (36, 0),
    "table 3": (8, 13),
    "table 4": (49, 0),
    "table 5": (4, 8),
}
ANCHORS = [  # (item, row, column, data, value), typed from the pages a second time
    ("table 3.1", "softmax", "accuracy", "W-MNIST", "96.78"),
    ("table 3.1", "DDA gamma 7", "accuracy", "W-MNIST", "97.34"),
    ("table 3.2", "conv5", "channels", "architecture", "512"),
    ("table 3.3", "MT-ArcVGG", "balanced accuracy", "RAF-DB", "76.00"),
    ("table 3.3", "softmax", "balanced accuracy", "RAF-DB", "77.28"),
    ("table 3.3", "DDA", "accuracy", "RAF-DB", "86.90"),
    ("table 3.4", "separate loss", "accuracy", "AffectNet", "58.89"),
    ("table 3.4", "DDA", "accuracy", "AffectNet", "62.34"),
    ("table 4.1", "g-DACL [MS-CELEB-1M]", "balanced accuracy", "RAF-DB", "79.56"),
    ("table 4.1", "DACL [MS-CELEB-1M]", "accuracy", "RAF-DB", "87.78"),
    ("table 4.1", "DACL [MS-CELEB-1M]", "balanced accuracy", "RAF-DB", "80.44"),
    ("table 4.2", "DACL [MS-CELEB-1M]", "accuracy", "AffectNet", "65.20"),
    ("table 4.2", "g-DACL [MS-CELEB-1M]", "accuracy", "AffectNet", "65.17"),
    ("table I", "baseline", "balanced accuracy", "RAF-DB", "76.85"),
    ("table I", "MM-NSS", "recall Sadness", "RAF-DB", "89"),
    ("table II", "baseline", "accuracy", "RAF-DB", "85.78"),
    ("table II", "pipeline b MM-NSS", "accuracy", "RAF-DB", "88.90"),
    ("table 1", "2B(N+M)Softmax", "Fear as Surprise", "CK+", "8"),
    ("table 2", "2B(N+M)Softmax", "Fear as Surprise", "MMI", "30.4"),
    ("table 3", "DTAGN", "accuracy", "CK+", "97.25"),
    ("table 3", "2B(N+M)Softmax", "accuracy", "CK+", "97.1"),
    ("table 3", "2B(N+M)Softmax", "accuracy", "MMI", "78.53"),
    ("table 4", "2B(N+M)Softmax", "Surprise as Surprise", "SFEW", "73.26"),
    ("table 5", "Yu et al.", "accuracy", "SFEW", "55.96"),
    ("table 5", "2B(N+M)Softmax", "accuracy", "SFEW", "54.19"),
]
LINES = published()
VALUES = {(line["item"], line["row"], line["column"], line["data"]): line["value"] for line in LINES}


def test_columns_and_no_duplicate():
    assert list(LINES[0]) == COLUMNS
    assert len(VALUES) == len(LINES)
    assert all(None not in line.values() and None not in line for line in LINES)
    assert {line["data"] for line in LINES} <= {*DATA_NAMES.values(), "architecture"}


def test_every_table_has_all_its_numbers():
    found = Counter((line["item"], line["of"]) for line in LINES)
    assert {
        item: (found[item, "own"], found[item, "quoted"]) for item in dict.fromkeys(line["item"] for line in LINES)
    } == COUNTS
    assert set(found) == {
        (item, of) for item, pair in COUNTS.items() for of, n in zip(("own", "quoted"), pair, strict=True) if n
    }


@pytest.mark.parametrize("anchor", ANCHORS, ids=lambda anchor: " ".join(anchor[:3]))
def test_anchors(anchor):
    *key, value = anchor
    assert VALUES[tuple(key)] == value


def test_results_are_percentages_and_accuracies_plausible():
    for line in LINES:
        if line["item"] == LAYERS:
            assert line["value"].isdigit()
            continue
        assert 0 <= float(line["value"]) <= 100, line
        if line["column"] in ("accuracy", "balanced accuracy"):
            assert 40 < float(line["value"]) < 98, line


def test_columns_are_measures_that_the_report_can_take():
    classes = {"Surprise", "Fear", "Disgust", "Happiness", "Sadness", "Anger", "Neutral", "Contempt"}
    for line in LINES:
        if line["item"] != LAYERS and line["column"] not in ("accuracy", "balanced accuracy"):
            assert set(line["column"].removeprefix("recall ").split(" as ")) <= classes, line


def test_a_quoted_number_says_whose_it_is_and_stands_alike_wherever_it_is_quoted():
    quoted = [line for line in LINES if line["of"] == "quoted"]
    assert all(line["note"].startswith("cited as [") for line in quoted)
    values = {}
    for line in quoted:
        values.setdefault((line["row"], line["column"], line["data"]), set()).add(line["value"])
    assert all(len(found) == 1 for found in values.values())


def test_chapter_4_repeats_chapter_3():
    for row in ("softmax", "center loss", "DDA"):
        for column in ("accuracy", "balanced accuracy"):
            key = (column, "RAF-DB")
            assert VALUES["table 3.3", row, *key] == VALUES["table 4.1", f"{row} [ImageNet]", *key]
        assert VALUES["table 3.4", row, "accuracy", "AffectNet"] == VALUES["table 4.2", row, "accuracy", "AffectNet"]


def test_the_gains_that_the_texts_claim_follow_from_the_tables():
    def value(item, row, column="accuracy", data="RAF-DB"):
        return float(VALUES[item, row, column, data])

    faces, balanced = [value("table 3.3", row) for row in ("DDA", "IPA2LT", "softmax", "center loss")], "balanced accuracy"
    assert [round(faces[0] - other, 2) for other in faces[1:]] == [0.13, 1.34, 0.65]
    dda = value("table 3.3", "DDA", balanced)
    assert [round(dda - value("table 3.3", row, balanced), 2) for row in ("softmax", "center loss")] == [2.43, 1.9]
    dacl = value("table 4.1", "DACL [MS-CELEB-1M]", balanced)
    others = [value("table 4.1", f"{row} [MS-CELEB-1M]", balanced) for row in ("DDA", "softmax", "center loss")]
    assert [round(dacl - other, 2) for other in others] == [0.44, 1.01, 0.73]
    assert round(value("table II", "pipeline b MM-NSS") - value("table II", "baseline"), 2) == 3.12


def test_averages_are_the_means_of_their_rows_or_a_note_says_no():
    for row in ("baseline", "MS-NSS", "NS-NSS", "MM-NSS"):
        part = [line for line in published("table I") if line["row"] == row]
        mean = np.mean([float(line["value"]) for line in part if line["column"].startswith("recall")])
        average = next(line for line in part if line["column"] == "balanced accuracy")
        assert (abs(mean - float(average["value"])) < 0.005) or f"mean is {mean / 100:.4f}" in average["note"]


@pytest.mark.parametrize("item", ["table 1", "table 2", "table 4"])
def test_rows_of_confusion_matrices_sum_to_100_or_a_note_says_no(item):
    lines, sums, notes = published(item), Counter(), {}
    for line in lines:
        true, predicted = line["column"].split(" as ")
        sums[true] += float(line["value"])
        if true == predicted:
            notes[true] = line["note"]
    assert len(lines) == len(sums) ** 2
    for true, total in sums.items():
        assert (abs(total - 100) > 0.4) == ("the printed row sums to" in notes[true]), (true, total)


def test_affectnet_accuracies_are_counts_of_its_3500_images():
    for line in LINES:
        if line["data"] == "AffectNet" and line["of"] == "own":
            right = round(float(line["value"]) / 100 * 3500)
            assert f"{100 * right / 3500:.2f}" == line["value"]
    assert sum(EXPECTED["affectnet"][0]["test"]) == 3500


def test_table_3_2_is_the_network_that_is_trained_here():
    trunk = FERNet(7, trunk="resnet18", width=1.0, stem="imagenet").eval()
    convolutions = []
    for module in trunk.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1):
            module.register_forward_hook(lambda m, _, out: convolutions.append((m, out.shape)))
        if isinstance(module, nn.MaxPool2d):
            pool = module
    with torch.no_grad():
        trunk(torch.zeros(1, 3, 224, 224))
    first, rest = convolutions[0], convolutions[1:]

    def printed(layer):
        columns = ("output side", "kernel side", "channels", "stride", "blocks")
        return {
            name: int(VALUES[LAYERS, layer, name, "architecture"])
            for name in columns
            if (LAYERS, layer, name, "architecture") in VALUES
        }

    conv, shape = first
    sides = {"output side": shape[-1], "kernel side": conv.kernel_size[0], "channels": shape[1], "stride": conv.stride[0]}
    assert printed("conv1") == sides
    assert (printed("maxpool1")["kernel side"], printed("maxpool1")["stride"]) == (pool.kernel_size, pool.stride)
    for number, layer in enumerate(("conv2", "conv3", "conv4", "conv5")):
        stage = rest[4 * number : 4 * number + 4]
        assert {(shape[1], shape[-1], conv.kernel_size[0]) for conv, shape in stage} == {
            (printed(layer)["channels"], printed(layer)["output side"], printed(layer)["kernel side"])
        }
        assert printed(layer)["blocks"] * 2 == len(stage)
