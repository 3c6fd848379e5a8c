"""Weights: every packaging of a whole trunk loads, and nothing less does."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fercore.errors import DataError
from fercore.models import FERNet
from fercore.models.weights import WeightsReport, load_weights
from tests.messages import one_line

HEAD = {"fc.weight": torch.zeros(5, 64), "fc.bias": torch.zeros(5)}


def network(seed: int, **values: object) -> FERNet:
    torch.manual_seed(seed)
    return FERNet(3, **({"width": 0.125, "stem": "small"} | values))


@pytest.fixture
def source() -> dict[str, torch.Tensor]:
    """The trunk's weights as a released file names them."""
    return network(1).trunk.state_dict()


def prefixed(weights: dict[str, torch.Tensor], start: str) -> dict[str, torch.Tensor]:
    return {start + key: value for key, value in weights.items()}


def save(content: object, tmp_path: Path) -> Path:
    torch.save(content, tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


PACKAGINGS = {
    "bare": lambda w: w,
    "with a classifier": lambda w: w | HEAD,
    "DataParallel": lambda w: prefixed(w | HEAD, "module."),
    "a training checkpoint": lambda w: {"epoch": 3, "arch": "resnet18", "state_dict": prefixed(w | HEAD, "module.")},
    "nested twice": lambda w: {"model": {"state_dict": prefixed(w, "backbone.")}},
    "prefix on prefix": lambda w: {"state_dict": prefixed(w, "module.model.encoder.")},
    "an unknown prefix": lambda w: prefixed(w, "face_net.body."),
    "classifier outside": lambda w: prefixed(w, "backbone.") | {"classifier.weight": torch.zeros(9, 64)},
    "classifier first": lambda w: HEAD | w,
    "ours": lambda w: prefixed(w, "trunk.") | {"classify.weight": torch.zeros(9, 64), "classify.bias": torch.zeros(9)},
    "no batch counters": lambda w: {key: value for key, value in w.items() if "num_batches" not in key},
    "half precision": lambda w: {key: value.half() if value.is_floating_point() else value for key, value in w.items()},
    "with an optimizer": lambda w: {"state_dict": w, "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(3)}}}},
    "with a moving average": lambda w: {"state_dict": w, "ema": {key: torch.zeros_like(value) for key, value in w.items()}},
}


@pytest.mark.parametrize("packaging", PACKAGINGS.values(), ids=PACKAGINGS)
def test_every_packaging_loads_the_same_trunk(packaging, source, tmp_path):
    model = network(2)
    classifier = model.classify.weight.clone()
    report = load_weights(model, save(packaging(source), tmp_path))
    for key, value in model.trunk.state_dict().items():
        if key in report.matched:
            torch.testing.assert_close(value, source[key], atol=1e-3, rtol=1e-3)  # half precision
    assert {*report.matched, *report.missing} == set(source)
    assert all(key.endswith("num_batches_tracked") for key in report.missing)
    assert torch.equal(model.classify.weight, classifier)
    assert all("conv" not in key for key in report.unexpected if not key.startswith("ema."))


def test_safetensors_load(source, tmp_path):
    save_file(prefixed(source, "trunk."), tmp_path / "best.safetensors")
    model = network(2)
    assert load_weights(model, tmp_path / "best.safetensors") == WeightsReport(tuple(source), (), ())
    assert all(torch.equal(value, source[key]) for key, value in model.trunk.state_dict().items())


def test_the_report_names_what_was_left_out(source, tmp_path):
    path = save({"state_dict": prefixed(source | HEAD, "module.")}, tmp_path)
    assert load_weights(network(2), path).unexpected == ("state_dict.module.fc.weight", "state_dict.module.fc.bias")


# --- refused ------------------------------------------------------------------------------------------------------------


def deeper(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """As ResNet-34's file holds every name and shape of ResNet-18."""
    return weights | {key.replace("layer1.1", "layer1.2"): value for key, value in weights.items() if "layer1.1" in key}


BROKEN = {
    "other names": (lambda w: {f"features.{n}": v for n, v in enumerate(w.values())}, ["features.0", "conv1.weight"]),
    "one weight less": (lambda w: {k: v for k, v in w.items() if k != "layer3.0.conv1.weight"}, ["layer3.0.conv1.weight"]),
    "one statistic less": (lambda w: {k: v for k, v in w.items() if k != "bn1.running_mean"}, ["bn1.running_mean"]),
    "classifier alone": (lambda w: HEAD, ["fc.weight", "conv1.weight"]),
    "nothing": (lambda w: {}, ["source has none"]),
    "another width": (lambda w: network(1, width=0.25).trunk.state_dict(), ["conv1.weight", "[16, 3, 3, 3]", "[8, 3, 3, 3]"]),
    "another stem": (lambda w: network(1, stem="imagenet").trunk.state_dict(), ["[8, 3, 7, 7]", "[8, 3, 3, 3]", "crop"]),
    "a deeper network": (deeper, ["deeper network", "layer1.2.conv1.weight"]),
    "a NaN": (lambda w: w | {"bn1.bias": torch.full((8,), torch.nan)}, ["bn1.bias has values that are not finite"]),
    "a list": (lambda w: [1, 2], ["holds a list"]),
    "a whole module": (lambda w: torch.nn.Linear(2, 2), ["holds the Python object torch.nn.modules.linear.Linear"]),
}


@pytest.mark.parametrize(("content", "named"), BROKEN.values(), ids=BROKEN)
def test_less_than_the_whole_trunk_is_one_line_and_changes_nothing(content, named, source, tmp_path):
    model = network(2)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    path = save(content(source), tmp_path)
    with pytest.raises(DataError) as error:
        load_weights(model, path)
    message = one_line(error.value)
    assert str(path) in message
    assert not [text for text in named if text not in message], message
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize("content", [b"", b"hello world", b"\x80\x02}", "cut"])
def test_a_damaged_file_is_one_line(name, content, source, tmp_path):
    path = tmp_path / name
    if content == "cut":
        (save_file if name.endswith("safetensors") else torch.save)(source, path)
        content = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"weights\.\w+ is damaged, or no file of weights"):
        load_weights(network(2), path)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_file_with_code_in_it_executes_nothing(protocol, tmp_path, recwarn):
    marker = tmp_path / "executed"

    class Evil:
        def __reduce__(self):
            return (Path.touch, (marker,))

    (tmp_path / "weights.pth").write_bytes(pickle.dumps({"conv1.weight": Evil()}, protocol=protocol))
    with pytest.raises(DataError) as error:
        load_weights(network(2), tmp_path / "weights.pth")
    one_line(error.value)
    assert not marker.exists()
    assert not recwarn


def test_a_missing_file_is_one_line(tmp_path):
    for path, problem in ((tmp_path / "no.pth", "file not found"), (tmp_path, "not a file")):
        with pytest.raises(DataError, match=problem):
            load_weights(network(2), path)


# --- imagenet -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Path:
    """An empty cache, and no way out of this machine: every proxy is the discard port, where nobody answers."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path / "hub" / "checkpoints"


def test_imagenet_out_of_reach_says_what_to_put_where(hub):
    with pytest.raises(DataError) as error:
        load_weights(FERNet(7), "imagenet")
    message = one_line(error.value)
    assert f"put resnet18-f37072fd.pth into {hub}" in message
    assert "pretrained=simfer-id" in message


def test_imagenet_from_the_cache_loads(hub):
    hub.mkdir(parents=True)
    torch.manual_seed(1)
    theirs = FERNet(1000)
    weights = theirs.trunk.state_dict() | {"fc.weight": theirs.classify.weight.data, "fc.bias": theirs.classify.bias.data}
    torch.save(weights, hub / "resnet18-f37072fd.pth")
    model = FERNet(7)
    report = load_weights(model, "imagenet")
    assert report.unexpected == ("fc.weight", "fc.bias")
    assert torch.equal(model.trunk.layer4[1].conv2.weight, theirs.trunk.layer4[1].conv2.weight)


def test_a_damaged_cache_is_one_line(hub):
    hub.mkdir(parents=True)
    (hub / "resnet18-f37072fd.pth").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"resnet18-f37072fd\.pth is damaged[^\n]*delete it"):
        load_weights(FERNet(7), "imagenet")
