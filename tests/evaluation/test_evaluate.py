"""What a network answers does not hang on how many images are shown to it at once."""

import pytest
import torch

from fercore.config import RunConfig
from fercore.data.splits import Images, Splits
from fercore.evaluation import evaluate as module
from fercore.evaluation.evaluate import evaluate
from fercore.models import build_model

NETWORKS = {
    "the words'": {"data": "wmnist", "width": 0.25},
    "its author's": {"data": "wmnist", "width": 0.25, "lenets": "normalized"},
    "faces": {"data": "simfer", "width": 0.25, "image_size": 32, "crop": 28},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_answers_do_not_hang_on_the_batch(name, monkeypatch):
    config = RunConfig(method="softmax", profile="quick", **NETWORKS[name])
    channels, side = (1, 28) if config.crop is None else (3, config.image_size)
    torch.manual_seed(0)
    images = torch.randint(0, 256, (70, channels, side, side), dtype=torch.uint8)
    split = Images(images, torch.zeros(len(images), dtype=torch.int64))
    data = Splits(name, split, split, split, ("one",), (), (0.5,) * channels, (0.5,) * channels)
    model = build_model(config, 10).to(memory_format=torch.channels_last)
    answers = []
    for size in (7, 32, 250):
        monkeypatch.setattr(module, "EVAL_BATCH", size)
        answers.append(evaluate(model, images, data, config.crop))
    for other in answers[1:]:
        for one, same in zip(answers[0], other, strict=True):
            torch.testing.assert_close(one, same)
