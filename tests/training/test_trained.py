"""Finished networks and their predictions of digits; those of faces are in test_faces.py."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from fercore.data import load_data
from fercore.errors import DataError, StoreError
from fercore.runs import files
from fercore.runs.local import local_folder
from fercore.train import train
from fercore.trained import load_trained, predict
from tests.messages import one_line


def test_a_run_on_digits_reads_gray_images(tiny, tmp_path):
    result = train(tiny(data_fraction=0.1, width=0.125, epochs=2))
    digits = load_data("wmnist", **result.config.data_options).test
    files = [tmp_path / f"{i}.png" for i in range(300)]
    for file, image in zip(files, digits.images, strict=True):
        Image.fromarray(image[0].numpy()).save(file)
    names, probabilities = predict(files, result.config.id)
    assert names == tuple("0123456789")
    right = (probabilities.argmax(axis=1) == digits.labels.numpy()).mean()
    assert right == pytest.approx(result.test["best"]["accuracy"])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    arrays = [image[0].numpy() for image in digits.images[:300]]
    in_color = [np.repeat(array[:, :, None], 3, axis=2) for array in arrays]
    for images in (arrays, in_color, [Image.fromarray(array) for array in arrays]):
        np.testing.assert_array_equal(predict(images, result.config)[1], probabilities)


def test_a_run_that_does_not_tell_its_normalization_is_refused(tiny, tmp_path):
    result = train(tiny())
    file = local_folder(result.config) / "result.json"
    content = files.read(file, result.config.id)
    del content["provenance"]["mean"]
    files.write(file, content, result.config.id)
    with pytest.raises(StoreError, match=r"^[^\n]*does not tell how its images were normalized; train it again with --fresh$"):
        predict([tmp_path / "0.png"], result.config.id)


def test_no_images_are_an_empty_answer(tiny):
    names, probabilities = predict([], train(tiny()).config.id)
    assert names == tuple("0123456789")
    assert probabilities.shape == (0, 10)


@pytest.mark.parametrize("shape", [(28,), (28, 28, 4), (1, 28, 28), (28, 28, 3, 1), (0, 28)])
def test_an_array_that_is_no_image_is_one_line(shape, tiny):
    with pytest.raises(DataError) as error:
        predict([np.zeros(shape, np.uint8)], train(tiny()).config.id)
    assert str(list(shape)) in one_line(error.value)
    with pytest.raises(DataError, match=r"uint8 \[H, W\] or \[H, W, 3\], got float64 \[28, 28\]$"):
        predict([np.zeros((28, 28))], tiny().id)


def test_one_image_instead_of_a_list_is_refused_and_any_list_will_do(tiny):
    """A color image alone would be read as H gray ones."""
    run, image = train(tiny()).config.id, np.zeros((28, 28, 3), np.uint8)
    for alone in ("face.jpg", Path("face.jpg"), Image.fromarray(image), image, None, 3):
        with pytest.raises(DataError, match=r"^predict takes a list of images, got one \w+; write \[image\]$"):
            predict(alone, run)
    with pytest.raises(StoreError, match=r"^a run is its config, its id or its folder, got NoneType$"):
        predict([image], None)
    for thing in (None, 3, b"face.jpg", torch.zeros(3, 28, 28)):
        with pytest.raises(DataError, match=r"^an image is a file, a Pillow image or an array of uint8, got \w+$"):
            predict([thing], run)
    _, expected = predict([image, image], run)
    for several in ((image, image), iter([image, image]), np.stack([image, image])):
        np.testing.assert_array_equal(predict(several, run)[1], expected)


def test_the_best_epoch_is_asked_unless_told_otherwise(tiny):
    config, image = train(tiny(epochs=1)).config, np.zeros((28, 28), np.uint8)
    last = load_trained(config, "cpu").model.state_dict()
    other = {name: numbers.roll(1) for name, numbers in last.items()}
    files.write(local_folder(config) / "best.safetensors", other, config.id)
    answers = [predict([image], config, epoch=epoch)[1] for epoch in ("best", "last")]
    np.testing.assert_array_equal(predict([image], config)[1], answers[0])
    assert not np.array_equal(*answers)


def test_a_network_is_loaded_by_config_id_folder_or_file_and_draws_nothing(tiny):
    config = train(tiny(method="center", epochs=2)).config
    folder = local_folder(config)
    before = torch.get_rng_state()
    for run in (config, config.id, folder, folder / "result.json"):
        trained = load_trained(run, "cpu", with_objective=True)
        assert trained.config == config
        assert torch.equal(
            trained.model.state_dict()["classify.weight"], load_file(folder / "last.safetensors")["classify.weight"]
        )
        assert torch.equal(trained.objective.centers, load_file(folder / "objective.safetensors")["class_centers.centers"])
        assert not trained.model.training
        assert (trained.mean, trained.std) == (trained.data.mean, trained.data.std)
    assert torch.equal(torch.get_rng_state(), before)
    assert load_trained(config, "cpu").objective is None


def test_a_run_that_diverged_has_no_network(tiny):
    config = train(tiny(lr=1000, clip_norm=0)).config
    for run in (config, config.id):
        with pytest.raises(StoreError, match=r"diverged, and left no network$"):
            load_trained(run)


def test_a_run_without_weights_is_trained_where_its_config_is_known(tiny, fits):
    config = train(tiny()).config
    (local_folder(config) / "last.safetensors").unlink()
    with pytest.raises(StoreError, match=r"last\.safetensors is missing; train the run again with --fresh$"):
        load_trained(config.id)
    load_trained(config)
    assert fits == [config]
