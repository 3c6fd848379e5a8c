"""Faces through the training loop: splits, views, resume, pre-trained weights, sequences, predictions."""

import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import fercore.train as loop
from fercore.cli import main
from fercore.config import RunConfig
from fercore.data import load_data, simfer
from fercore.data.augment import center_crop, normalize
from fercore.errors import ConfigError, DataError, StoreError
from fercore.evaluation.artifacts import KEPT_DIMENSIONS, class_numbers, compact, principal
from fercore.evaluation.evaluate import evaluate
from fercore.methods.batches import epoch_batches, training_views
from fercore.models import build_model
from fercore.parallel.devices import Execution
from fercore.runs.find import find_record
from fercore.runs.local import local_folder
from fercore.runs.shipped import ship
from fercore.sweep import sweep
from fercore.train import train
from fercore.trained import predict
from tests.faces import COLORS, SIDE, TINY, make_tree
from tests.killed import kill_after_one_epoch
from tests.messages import one_line


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def tree(tmp_path) -> Path:
    return make_tree(tmp_path / "faces")


@pytest.fixture
def tiny(tree):
    def make(**values: object) -> RunConfig:
        return RunConfig(**({"method": "softmax", "data": f"simfer:{tree}"} | TINY | values))

    return make


@pytest.fixture
def identity_preset(data_folder, monkeypatch) -> Path:
    """What `data=simfer-id` reads at profile quick, so that nothing is rendered."""
    monkeypatch.setattr(simfer, "render_simfer", lambda preset, *_: pytest.fail(f"preset {preset} was rendered"))
    return make_tree(data_folder / "simfer" / "identity-quick", train=12, test=0, people=4)


def load(data: str, **options: object):
    defaults = {"preset": None, "image_size": SIDE, "fraction": 1.0, "val_fraction": 0.2, "fold": None}
    return load_data(data, **(defaults | options))


# --- splits -----------------------------------------------------------------------------------------------------------


def test_nobody_is_in_two_splits(tree):
    data = load(f"simfer:{tree}")
    people = [set(getattr(data, name).identities.tolist()) for name in ("train", "val", "test")]
    train, val, test = people
    assert train.isdisjoint(val | test)
    assert val.isdisjoint(test)
    assert train | val == set(range(6))
    assert (len(data.train) + len(data.val), len(data.test)) == (70, 28)
    assert data.train.images.shape[1:] == (3, SIDE, SIDE)


def test_an_image_keeps_its_own_label(tree):
    data = load(f"simfer:{tree}")
    for split in (data.train, data.val, data.test):
        color = split.images[:].float().mean(dim=(2, 3)).numpy()
        nearest = ((color[:, None] - COLORS) ** 2).sum(axis=2).argmin(axis=1)
        assert nearest.tolist() == split.labels.tolist()


def test_training_images_have_mean_0_and_spread_1(tree):
    data = load(f"simfer:{tree}")
    pixels = normalize(data.train.images[:], data.mean, data.std).transpose(0, 1).flatten(1)
    torch.testing.assert_close(pixels.mean(dim=1), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(pixels.std(dim=1), torch.ones(3), atol=1e-4, rtol=0)


def test_a_fraction_keeps_every_class(tree):
    data = load(f"simfer:{tree}", fraction=0.5)
    assert len(data.train) + len(data.val) == 35
    assert set(data.train.labels.tolist()) == set(range(7))
    assert len(data.test) == 28


def test_rare_classes_are_the_minority(tree):
    listed = tree / "EmoLabel" / "list_patition_label.txt"
    lines = listed.read_text().splitlines(keepends=True)
    fear = [line for line in lines if line.startswith("train") and line.endswith(" 2\n")]
    listed.write_text("".join(line for line in lines if line not in fear[3:]))
    assert load(f"rafdb:{tree}").minority == (1,)


def test_what_a_reader_skips_is_printed(tree, capsys):
    Image.new("RGB", (SIDE, SIDE)).save(tree / "Image" / "aligned" / "train_99999_aligned.jpg")
    load(f"simfer:{tree}")
    assert "1 skipped: images without a label" in capsys.readouterr().err


def test_folds_take_turns_as_test_set(tmp_path):
    root = make_tree(tmp_path / "video", train=48, test=0, people=8, frames=3)
    tested = []
    for fold in range(8):
        data = load(f"simfer:{root}", fold=fold)
        people = set(data.test.identities.tolist())
        assert not people & {*data.train.identities.tolist(), *data.val.identities.tolist()}
        tested += people
    assert sorted(tested) == list(range(8))
    for fold in (None, 8):
        with pytest.raises(ConfigError, match=r"^simfer is tested in 8 folds: set fold to 0\.\.7"):
            load(f"simfer:{root}", fold=fold)


def test_a_set_with_a_test_split_has_no_folds(tree):
    with pytest.raises(ConfigError, match="leave fold out"):
        load(f"simfer:{tree}", fold=0)


@pytest.mark.usefixtures("identity_preset")
def test_every_identity_is_a_class_in_all_three_splits():
    data = load("simfer-id", preset="identity-quick")
    assert data.class_names == ("id 0", "id 1", "id 2", "id 3")
    for split in (data.train, data.val, data.test):
        assert set(split.labels.tolist()) == set(range(4))
        assert split.labels.tolist() == split.identities.tolist()
    assert len(data.train) + len(data.val) + len(data.test) == 84
    assert len(data.test) == pytest.approx(84 / 5, abs=3)


# --- SimFER on first use ----------------------------------------------------------------------------------------------


@pytest.fixture
def renderer(monkeypatch) -> list[list[str]]:
    """A renderer that makes a small tree at once; the commands it was given."""
    called = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess:
        called.append(command)
        make_tree(Path(command[command.index("--out") + 1]))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(simfer.subprocess, "run", run)
    return called


def test_simfer_is_rendered_once_by_its_own_command(renderer, data_folder, capsys):
    folder = data_folder / "simfer" / "quick"
    for _ in range(2):
        assert len(load("simfer", preset="quick").test) == 28
    (command,) = renderer
    assert command[:9] == [sys.executable, "-m", "simfer", "--preset", "quick", "--out", str(folder), "--seed", "0"]
    assert capsys.readouterr().err.count("rendering SimFER's preset quick") == 1


def test_sequences_are_of_other_people(renderer, data_folder):
    """Another seed makes other people: who is tested on in a fold is not known from a pre-training on a preset of seed 0."""
    simfer.make_simfer("sequences")
    assert renderer[0][5:9] == ["--out", str(data_folder / "simfer" / "sequences"), "--seed", "1"]


def test_an_unfinished_simfer_is_gone_on_with(renderer, data_folder):
    folder = data_folder / "simfer" / "quick"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text('{"complete": false}')
    load("simfer", preset="quick")
    assert len(renderer) == 1


def test_a_renderer_that_fails_is_one_line(monkeypatch):
    monkeypatch.setattr(simfer.subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1))
    with pytest.raises(DataError) as error:
        load("simfer", preset="quick")
    assert "preset quick was not rendered (exit code 1" in one_line(error.value)


# --- the pieces of the loop -------------------------------------------------------------------------------------------


def test_views_follow_seed_and_step_alone(tiny):
    images = torch.randint(0, 256, (8, 3, SIDE, SIDE), dtype=torch.uint8)
    config = tiny(seed=1)
    view = training_views(config, images, 7)
    torch.rand(5)
    assert torch.equal(view, training_views(config, images, 7))
    assert not torch.equal(view, training_views(config, images, 8))
    assert not torch.equal(view, training_views(tiny(seed=2), images, 7))
    assert view.shape == (8, 3, 20, 20)
    digits = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    assert training_views(RunConfig(method="softmax"), digits, 0) is digits


def test_a_last_batch_of_one_face_is_left_out_and_of_one_digit_is_not(tiny):
    sizes = [len(batch) for batch in epoch_batches(tiny(), 0, 33)]
    assert sizes == [16, 16]
    assert [len(batch) for batch in epoch_batches(tiny(), 0, 34)] == [16, 16, 2]
    assert [len(batch) for batch in epoch_batches(tiny(), 0, 1)] == [1]
    assert [len(batch) for batch in epoch_batches(RunConfig(method="softmax", batch_size=16), 0, 33)] == [16, 16, 1]
    orders = [torch.cat(epoch_batches(tiny(), epoch, 33)) for epoch in (0, 1)]
    assert set(range(33)) - set(orders[0].tolist()) != set(range(33)) - set(orders[1].tolist())


def test_evaluation_crops_the_center_whatever_the_batch(tiny, tree, monkeypatch):
    data = load(f"simfer:{tree}")
    model = build_model(tiny(), 7)
    whole = evaluate(model, data.test.images, data, 20)
    assert model.training
    monkeypatch.setattr("fercore.evaluation.evaluate.EVAL_PIXELS", 3 * 20 * 20)
    for one, other in zip(whole, evaluate(model, data.test.images, data, 20), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    model.eval()
    with torch.no_grad():
        expected = model(normalize(center_crop(data.test.images[:], 20), data.mean, data.std))[1]
    torch.testing.assert_close(whole[1], expected, atol=1e-5, rtol=1e-4)


def test_principal_coordinates_keep_the_distances():
    embeddings = torch.randn(50, 5).double() @ torch.randn(5, 64).double() + 3
    kept = principal(embeddings)
    assert kept.shape == (50, KEPT_DIMENSIONS)
    torch.testing.assert_close(torch.cdist(kept, kept), torch.cdist(embeddings, embeddings), atol=1e-5, rtol=1e-5)
    assert torch.equal(principal(embeddings[:, :2]), embeddings[:, :2])


# --- training ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["softmax", "center", "dda"])
def test_methods_train_on_faces_as_they_are(method, tiny):
    extra = {"gamma": 0.1} if method == "dda" else {}
    result = train(tiny(method=method, epochs=4, erasing=0.1, **extra))
    assert result.status == "finished"
    assert result.accuracy > 0.4  # seven colors; chance is 0.14
    assert len(result.recall) == 7
    assert result.arrays["test_embeddings"].shape == (28, KEPT_DIMENSIONS)
    assert set(result.arrays) == {"test_embeddings", "test_labels", "test_predictions"}
    assert "sequence_accuracy" not in result.test["last"]
    assert result.provenance["data"] == "simfer"


def test_a_result_of_3000_test_images_is_small_enough_to_ship(tmp_path):
    arrays = {"test_embeddings": compact(principal(torch.randn(3068, 512)))}
    np.savez_compressed(tmp_path / "arrays.npz", **arrays, test_labels=np.zeros(3068, np.uint8))
    assert (tmp_path / "arrays.npz").stat().st_size < 200_000


def test_hundreds_of_classes_keep_their_numbers():
    labels = torch.arange(300)
    assert class_numbers(labels).tolist() == labels.tolist()
    assert class_numbers(labels[:256]).dtype == np.uint8


def test_a_killed_training_with_augmentation_resumes_bit_identically(tiny, monkeypatch, tmp_path):
    config = tiny(method="center", epochs=3)
    kill_after_one_epoch(config)
    assert (local_folder(config) / "checkpoint.pt").exists()
    rows = []
    resumed, folder = train(config, on_epoch=rows.append), local_folder(config)
    assert [row["epoch"] for row in rows] == [2, 3]  # the first is not trained again
    monkeypatch.setenv("FERCORE_RUNS", str(tmp_path / "uninterrupted"))
    whole = train(config)
    for name in ("last.safetensors", "best.safetensors"):
        assert (folder / name).read_bytes() == (local_folder(config) / name).read_bytes()
    assert resumed.test == whole.test
    assert [row["loss"] for row in resumed.epochs] == [row["loss"] for row in whole.epochs]
    for name, array in whole.arrays.items():
        np.testing.assert_array_equal(resumed.arrays[name], array)


def test_sequences_are_scored_as_sequences(tmp_path):
    root = make_tree(tmp_path / "video", train=24, test=0, people=8, frames=3)
    config = RunConfig(method="softmax", data=f"simfer:{root}", fold=3, **TINY)
    result = train(config)
    for name in ("best", "last"):
        score = result.test[name]["sequence_accuracy"]
        count = len(load(f"simfer:{root}", fold=3).test) / 3
        assert 0 <= score <= 1
        assert score * count == pytest.approx(round(score * count))
        voted = np.array(result.test[name]["sequence_confusion"])
        assert voted.sum() == count
        assert np.trace(voted) == pytest.approx(score * count)


def test_a_sweep_reads_each_set_with_its_own_options(tiny):
    configs = [tiny(epochs=1), tiny(epochs=1, seed=1)]
    with ThreadPoolExecutor(1) as executor:
        results = sweep(configs, executor)
    assert [result.config for result in results] == configs


def test_the_name_of_a_run_has_no_path(tiny, store):
    config = tiny(epochs=1)
    assert config.id.startswith("softmax-simfer-quick-s0-")
    assert "/" not in config.id
    train(config)
    assert [path.name for path in store.iterdir()] == [config.id]


# --- pre-trained weights ----------------------------------------------------------------------------------------------


@pytest.fixture
def loaded(monkeypatch) -> list[tuple[Path, dict[str, torch.Tensor]]]:
    """Source and resulting trunk of every loading of weights."""
    seen, load_weights = [], loop.load_weights

    def spy(model, source):
        report = load_weights(model, source)
        seen.append((source, {key: value.clone() for key, value in model.trunk.state_dict().items()}))
        return report

    monkeypatch.setattr(loop, "load_weights", spy)
    return seen


@pytest.mark.usefixtures("identity_preset")
def test_identities_are_learned_once_and_every_run_starts_from_them(tiny, fits, loaded):
    train(tiny(pretrained="simfer-id", epochs=1))
    train(tiny(pretrained="simfer-id", epochs=1, method="center", seed=1))
    assert [config.data.split(":")[0] for config in fits] == ["simfer", "simfer-id", "simfer"]
    identities = fits[1]
    assert (identities.method, identities.width, identities.crop, identities.seed) == ("softmax", 1 / 16, 20, 0)
    weights = load_file(local_folder(identities) / "best.safetensors")
    for source, trunk in loaded:
        assert source == local_folder(identities) / "best.safetensors"
        assert all(torch.equal(value, weights[f"trunk.{key}"]) for key, value in trunk.items())
    assert len(loaded) == 2


@pytest.mark.usefixtures("identity_preset")
def test_shipped_identities_without_weights_are_learned_again(tiny, fits, monkeypatch, tmp_path):
    train(tiny(pretrained="simfer-id", epochs=1))
    ship([train(fits[1])])
    monkeypatch.setenv("FERCORE_RUNS", str(tmp_path / "empty"))
    fits.clear()
    train(tiny(pretrained="simfer-id", epochs=1))
    assert [config.data.split(":")[0] for config in fits] == ["simfer", "simfer-id"]


@pytest.mark.usefixtures("identity_preset")
def test_the_profiles_own_pre_training_is_the_plain_run(monkeypatch):
    """What `pretrained=simfer-id` looks up is what `data=simfer-id` trains, in every profile and precision; so for simfer."""
    asked = []
    monkeypatch.setattr(loop, "train", lambda config, **how: asked.append((config, how["precision"])))
    for profile in ("quick", "laptop"):
        for data, more in (("simfer-id", {}), ("simfer", {"preset": "sequences", "fold": 0})):
            config = RunConfig(method="dda", data="simfer", profile=profile, pretrained=data, **more)
            with pytest.raises(StoreError, match="left no weights"):
                loop.starting_weights(config, Execution(torch.device("cpu"), "bf16"))
            assert asked.pop() == (RunConfig(method="softmax", data=data, profile=profile), "bf16")


def test_weights_from_a_file(tiny, tmp_path, loaded):
    torch.manual_seed(5)
    torch.save({"state_dict": build_model(tiny(), 7).trunk.state_dict()}, tmp_path / "face.pth")
    train(tiny(pretrained=f"msceleb:{tmp_path / 'face.pth'}", epochs=1))
    assert loaded[0][0] == str(tmp_path / "face.pth")
    with pytest.raises(DataError, match=r"no\.pth: file not found"):
        train(tiny(pretrained=f"msceleb:{tmp_path / 'no.pth'}"))


# --- predict ----------------------------------------------------------------------------------------------------------


def test_predictions_are_those_of_the_best_epoch(tiny, tree):
    result = train(tiny(epochs=3))
    images = sorted((tree / "Image" / "aligned").glob("test_*.jpg"))
    names, probabilities = predict(images, result.config.id)
    assert names[3] == "Happiness"
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    labels = load(f"simfer:{tree}").test.labels.numpy()
    assert (probabilities.argmax(axis=1) == labels).mean() == pytest.approx(result.test["best"]["accuracy"])
    by_file = predict(images, local_folder(result.config) / "best.safetensors")[1]
    np.testing.assert_array_equal(by_file, probabilities)


def test_predict_prints_a_line_an_image(tiny, tree, capsys):
    config = tiny(epochs=1)
    train(config)
    images = [str(path) for path in sorted((tree / "Image" / "aligned").glob("test_*.jpg"))[:2]]
    with pytest.raises(SystemExit) as exit_:
        main(["predict", *images, "--run", config.id])
    assert not exit_.value.code
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == images
    shown = [float(part.split()[1]) for part in lines[0].split(": ")[1].split(", ")]
    assert shown == sorted(shown, reverse=True)
    assert sum(shown) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_what_is_no_image_is_one_line(content, tiny, tmp_path):
    train(tiny(epochs=1))
    file = tmp_path / "face.jpg"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError) as error:
        predict([file], tiny(epochs=1).id)
    assert f"{file}: not a readable image" in one_line(error.value)


def test_predict_needs_a_finished_run_with_weights(tiny, tmp_path):
    with pytest.raises(StoreError, match=r"^no finished run 'softmax-x' here; with weights: none yet"):
        predict(["face.jpg"], "softmax-x")
    result = train(tiny(epochs=1))
    with pytest.raises(StoreError, match=result.config.id):
        predict(["face.jpg"], "softmax-x")
    weights = local_folder(result.config) / "best.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(StoreError, match=r"best\.safetensors is damaged"):
        predict(["face.jpg"], result.config.id)
    weights.unlink()
    with pytest.raises(StoreError, match=r"best\.safetensors is missing; train the run again"):
        predict(["face.jpg"], result.config.id)


def test_a_shipped_run_has_no_weights_to_predict_with(tiny, tmp_path, monkeypatch):
    run = train(tiny(epochs=1)).config.id
    ship([find_record(run)])
    monkeypatch.setenv("FERCORE_RUNS", str(tmp_path / "empty"))
    with pytest.raises(StoreError, match=rf"^{run} is shipped without weights; `python -m fercore train --like {run} --fresh`"):
        predict(["face.jpg"], run)


def test_the_renderer_runs_where_stderr_is_no_file(monkeypatch, tmp_path):
    """In a notebook's kernel sys.stderr has no file descriptor; an unknown preset comes as far as the renderer's own no."""
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path))
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with pytest.raises(DataError, match="SimFER's preset nope was not rendered"):
        simfer.make_simfer("nope")
