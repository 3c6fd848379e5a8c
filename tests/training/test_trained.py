"""Predictions of digits; those of faces are in test_faces.py."""

import json

import numpy as np
import pytest
from PIL import Image

from fercore.data import load_data
from fercore.errors import StoreError
from fercore.runs.local import local_folder
from fercore.train import train
from fercore.trained import predict


@pytest.mark.usefixtures("short_test")
def test_a_run_on_digits_reads_gray_images(tiny, tmp_path):
    result = train(tiny(data_fraction=0.1, width=0.125, epochs=2))
    digits = load_data("wmnist", fraction=0.01, val_fraction=0.1).test
    files = [tmp_path / f"{i}.png" for i in range(300)]
    for file, image in zip(files, digits.images, strict=False):
        Image.fromarray(image[0].numpy()).save(file)
    names, probabilities = predict(files, result.config.id)
    assert names == tuple("0123456789")
    right = (probabilities.argmax(axis=1) == digits.labels[:300].numpy()).mean()
    assert right == pytest.approx(result.test["best"]["accuracy"])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.usefixtures("short_test")
def test_a_run_that_does_not_tell_its_normalization_is_refused(tiny, tmp_path):
    result = train(tiny())
    file = local_folder(result.config) / "result.json"
    content = json.loads(file.read_text())
    del content["provenance"]["mean"]
    file.write_text(json.dumps(content))
    with pytest.raises(StoreError, match=r"^[^\n]*does not tell how its images were normalized; train it again with --fresh$"):
        predict([tmp_path / "0.png"], result.config.id)
