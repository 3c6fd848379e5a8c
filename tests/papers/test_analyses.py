"""What a trained network is asked afterwards: asked once, kept, shipped, and checked when it is read."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from fercore.config import RunConfig
from fercore.data.augment import center_crop, normalize
from fercore.data.simfer import load_turned
from fercore.errors import ConfigError, DataError, NotShipped, StoreError
from fercore.papers import analyses
from fercore.papers.analyses import examine
from fercore.runs.local import local_folder
from fercore.runs.result import RunResult
from fercore.runs.shipped import ship, shipped_folder
from fercore.train import train
from fercore.trained import load_trained
from tests.faces import TINY as TINY_FACES
from tests.faces import make_tree
from tests.messages import one_line


def test_probabilities_are_those_of_the_last_epoch(tiny):
    config = tiny(method="center")
    result = train(config)
    found = examine(config, "probabilities")
    assert found["probabilities"].sum(axis=1) == pytest.approx(1, abs=5e-3)
    right = found["probabilities"].argmax(axis=1) == found["labels"]
    assert right.mean() == pytest.approx(result.accuracy, abs=0.01)  # float16 makes ties


def test_an_answer_is_kept(tiny, monkeypatch):
    config = tiny(method="softmax")
    first = examine(config, "probabilities")  # trains the run, too
    assert (local_folder(config) / "result.json").exists()
    monkeypatch.setitem(analyses.ANALYSES, "probabilities", None)
    assert (examine(config, "probabilities")["probabilities"] == first["probabilities"]).all()
    with pytest.raises(TypeError):
        examine(config, "probabilities", fresh=True)


def test_the_objective_comes_with_its_state(tiny):
    config = tiny(method="center")
    train(config)
    trained = load_trained(config, "cpu", with_objective=True)
    assert trained.objective.centers.abs().sum() > 0
    assert not trained.objective.training
    assert not trained.model.training
    (local_folder(config) / "objective.safetensors").unlink()
    assert load_trained(config, "cpu").objective is None
    again = load_trained(config, "cpu", with_objective=True)  # trained anew
    assert np.array_equal(again.objective.centers, trained.objective.centers)


def test_a_shipped_answer_needs_no_weights_and_is_checked(tiny, monkeypatch):
    config = tiny(method="softmax")
    found = examine(config, "probabilities")
    assert ship([train(config)]) == (2, [])
    monkeypatch.setenv("FERCORE_SHIPPED_ONLY", "1")
    assert (examine(config, "probabilities")["labels"] == found["labels"]).all()
    (shipped_folder(config) / "probabilities.npz").write_bytes(b"changed")
    with pytest.raises(StoreError, match=r"analyses\.csv") as caught:
        examine(config, "probabilities")
    assert one_line(caught.value)


def test_what_is_not_shipped_is_not_asked(tiny, monkeypatch):
    monkeypatch.setenv("FERCORE_SHIPPED_ONLY", "1")
    with pytest.raises(NotShipped):
        examine(tiny(method="softmax"), "probabilities")


def test_wrong_questions_get_one_line(tiny, monkeypatch):
    with pytest.raises(ConfigError, match="known: probabilities, steps, attention") as caught:
        examine(tiny(method="softmax"), "age")
    assert one_line(caught.value)
    lost = dataclasses.replace(train(tiny(method="softmax")), status="diverged")
    assert isinstance(lost, RunResult)
    monkeypatch.setattr("fercore.trained.find_result", lambda config: lost)
    with pytest.raises(StoreError, match="diverged"):
        examine(tiny(method="softmax"), "probabilities")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_watched_steps_are_those_of_the_training(precision, tiny):
    config = tiny(method="tc3l-ns", weight=5.0)
    result, seen = train(config, precision=precision), examine(config, "steps")
    assert train(config).provenance["precision"] == precision
    joint = (seen["cross_entropy"] + seen["own"]).reshape(config.epochs, -1).mean(axis=1)
    assert joint == pytest.approx([row["loss"] for row in result.epochs], rel=1e-4)
    assert seen["own"].min() > 0
    assert (seen["own_pull"] > 0).all()
    assert seen["sizes"].sum() == len(seen["labels"]) == len(seen["predictions"])


# --- attention ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def faces(tmp_path, monkeypatch):
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "data"))
    tree = make_tree(tmp_path)
    return lambda **values: RunConfig(**({"data": f"simfer:{tree}", "lr": 0.01} | TINY_FACES | values))


def test_attention_is_what_the_network_gives_these_images(faces):
    config = faces(method="dacl")
    found = examine(config, "attention")
    trained = load_trained(config, "cpu", with_objective=True)
    split, positions = trained.data.test, torch.tensor(found["positions"].astype(int))
    assert (split.labels[positions].numpy() == found["labels"]).all()
    images = split.read(positions)
    views = normalize(center_crop(images, config.crop), trained.data.mean, trained.data.std)
    with torch.no_grad():
        features = trained.model.features(views)
        a, (x, logits) = trained.objective.attend(features).numpy(), trained.model.head(features)
    np.testing.assert_allclose(found["attention"] / 255, a, atol=0.5 / 255 + 1e-5)
    assert (found["predictions"] == logits.argmax(dim=1).numpy()).all()
    spread = np.ptp(x.numpy(), axis=0)
    np.testing.assert_allclose(found["embeddings"] / 255 * spread + x.numpy().min(axis=0), x, atol=spread.max() / 255 + 1e-5)
    assert found["attention_without_mouth"].shape == (len(found["hidden_rows"]), a.shape[1])
    assert (found["attention_without_mouth"] != found["attention"][found["hidden_rows"]]).any()
    assert (found["attention_without_mouth"] != found["attention_without_eyes"]).any()


@pytest.mark.parametrize(("part", "rows"), [("mouth", range(41, 60)), ("eyes", range(13, 32))])
def test_a_bar_hides_its_part_and_nothing_else(part, rows):
    images = torch.randint(0, 100, (2, 3, 64, 64), dtype=torch.uint8)
    hidden = analyses.hide(images, part, 56, (1.0, 0.5, 0.8))
    bar = torch.zeros(64, dtype=torch.bool)
    bar[list(rows)] = True
    changed = (hidden != images).any(dim=1)
    assert torch.equal(changed.all(dim=2), bar.expand(2, -1))
    assert not changed[:, ~bar].any()
    assert hidden[0, :, rows[0], 0].tolist() == [255, 128, 204]


def test_attention_is_asked_of_faces_and_of_methods_that_have_it(faces, tiny):
    for config, words in ((faces(method="center"), "no attention of its own"), (tiny(method="dacl"), "wmnist has none")):
        with pytest.raises(ConfigError, match=words) as caught:
            examine(config, "attention")
        assert one_line(caught.value)


# --- SimFER's knobs and labels ------------------------------------------------------------------------------------------


@pytest.fixture
def presets(tmp_path, monkeypatch):
    """A preset "quick", with every fifth training label wrong, and its turned faces: two of each class, 2 + 1 levels."""
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "data"))
    plain = make_tree(tmp_path / "data" / "simfer" / "quick")
    rows = (plain / "simfer.csv").read_text().splitlines()
    wrong = [row.split(",")[1] == "train" and number % 5 == 0 for number, row in enumerate(rows[1:])]
    true = [(int(row.split(",")[2]) - 1 + off) % 7 + 1 for row, off in zip(rows[1:], wrong, strict=True)]
    table = [f"{rows[0]},true_label", *(f"{row},{label}" for row, label in zip(rows[1:], true, strict=True))]
    (plain / "simfer.csv").write_text("\n".join(table) + "\n")
    turned = make_tree(tmp_path / "data" / "simfer" / "quick-turned", train=0, test=6)
    manifest = {"complete": True, "turned": 2, "knobs": {"occlusion": ["", "mask"], "blur": [0.0]}}
    (turned / "manifest.json").write_text(json.dumps(manifest, indent=1))
    return lambda **values: RunConfig(**({"data": "simfer", "lr": 0.01} | TINY_FACES | values))


def test_robustness_is_what_the_network_says_of_each_level(presets):
    config = presets(method="softmax")
    found = examine(config, "robustness")
    assert found["occlusion"].shape == (2, 14)
    assert found["blur"].shape == (1, 14)
    assert found["labels"].tolist() == list(range(7)) * 2
    trained = load_trained(config, "cpu")
    images = load_turned("quick", config.image_size).images[:]
    views = normalize(center_crop(images, config.crop), trained.data.mean, trained.data.std)
    with torch.no_grad():
        expected = trained.model(views)[1].argmax(dim=1).numpy()
    assert np.concatenate([found["occlusion"].ravel(), found["blur"].ravel()]).tolist() == expected.tolist()


def test_turned_faces_must_be_those_of_their_manifest(presets, tmp_path):
    manifest = tmp_path / "data" / "simfer" / "quick-turned" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"turned": 2', '"turned": 3'))
    with pytest.raises(DataError, match="not those of its manifest") as caught:
        load_turned("quick", 24)
    assert one_line(caught.value)


def test_memorization_holds_listed_against_true_labels(presets):
    config = presets(method="center")
    found = examine(config, "memorization")
    wrong = found["listed"] != found["true"]
    assert wrong.sum() == 14  # of 70 training and validation images
    assert 0 < (wrong & found["held_out"]).sum() < 14
    assert ((found["true"][wrong].astype(int) - found["listed"][wrong]) % 7 == 1).all()
    trained = load_trained(config, "cpu")
    assert (~found["held_out"]).sum() == len(trained.data.train)
    split = trained.data.val
    views = normalize(center_crop(split.images[:], config.crop), trained.data.mean, trained.data.std)
    with torch.no_grad():
        expected = trained.model(views)[1].argmax(dim=1).numpy()
    assert found["predictions"][found["held_out"]].tolist() == expected.tolist()
    assert found["listed"][found["held_out"]].tolist() == split.labels.tolist()


def test_knobs_and_truth_are_asked_of_presets_alone(faces, tiny):
    for config in (faces(method="softmax"), tiny(method="softmax")):
        for name in ("robustness", "memorization"):
            with pytest.raises(ConfigError, match="is of SimFER's presets") as caught:
                examine(config, name)
            assert one_line(caught.value)
