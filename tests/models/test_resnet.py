"""FERNet: torchvision's ResNets in names, shapes and values, and narrower or for smaller faces."""

import pytest
import torch
import torchvision

from fercore.config import RunConfig
from fercore.models import FERNet, LeNetsPP, build_model
from fercore.models.fernet import stem_for
from fercore.models.resnet import shortcut


def count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("trunk", ["resnet18", "resnet50"])
def test_at_width_1_it_is_torchvisions_network(trunk):
    theirs = getattr(torchvision.models, trunk)(weights=None, num_classes=7).eval()
    ours = FERNet(7, trunk=trunk).eval()
    assert count(ours) == count(theirs)
    weights = {key: value for key, value in theirs.state_dict().items() if not key.startswith("fc.")}
    assert {key: value.shape for key, value in ours.trunk.state_dict().items()} == {k: v.shape for k, v in weights.items()}
    ours.trunk.load_state_dict(weights)
    ours.classify.load_state_dict(theirs.fc.state_dict())
    images = torch.rand(2, 3, 90, 90)
    with torch.no_grad():
        torch.testing.assert_close(ours(images)[1], theirs(images), atol=1e-4, rtol=1e-4)


def test_fresh_weights_spread_as_torchvisions():
    theirs = torchvision.models.resnet18(weights=None).state_dict()
    for key, value in FERNet(7).trunk.state_dict().items():
        if key.endswith("weight"):
            assert value.std().item() == pytest.approx(theirs[key].std().item(), rel=0.05), key


@pytest.mark.parametrize(("trunk", "expansion"), [("resnet18", 1), ("resnet50", 4)])
@pytest.mark.parametrize(("stem", "side"), [("imagenet", 2), ("small", 4)])
def test_shapes(trunk, expansion, stem, side):
    model = FERNet(5, trunk=trunk, width=0.125, stem=stem)
    images = torch.rand(3, 3, 56, 56)
    embeddings, logits = model(images)
    assert model.features(images).shape == (3, 64 * expansion, side, side)
    assert embeddings.shape == (3, 64 * expansion) == (3, model.classify.in_features)
    assert logits.shape == (3, 5)


def test_the_embedding_is_the_mean_of_the_map_and_the_logits_are_linear_in_it():
    model = FERNet(4, width=0.125, stem="small").eval()
    images = torch.rand(2, 3, 48, 48)
    embeddings, logits = model(images)
    torch.testing.assert_close(embeddings, model.features(images).flatten(2).mean(dim=2))
    torch.testing.assert_close(logits, embeddings @ model.classify.weight.T + model.classify.bias)


@pytest.mark.parametrize("channels", [2, 4, 5, 15, 16])
def test_a_narrow_shortcut_is_a_1x1_convolution_of_every_second_pixel(channels):
    """Trained in the format of a training: with AVX2 alone a plain convolution would write past its memory (oneDNN, 6035)."""
    torch.manual_seed(0)
    convolution = shortcut(channels, 2 * channels, stride=2)[0].to(memory_format=torch.channels_last)
    for _ in range(20):
        x = torch.randn(16, channels, 20, 20).contiguous(memory_format=torch.channels_last)
        convolution.weight.grad = None
        y = convolution(x)
        y.square().sum().backward()
        picked, weight = x[:, :, ::2, ::2].double(), convolution.weight.detach().double().requires_grad_()
        slow = torch.einsum("mchw,oc->mohw", picked, weight[:, :, 0, 0])
        slow.square().sum().backward()
        torch.testing.assert_close(y, slow.float())
        assert (convolution.weight.grad - weight.grad).norm() < 1e-5 * weight.grad.norm()


def test_width_scales_the_parameters():
    assert count(FERNet(7, width=0.5)) == pytest.approx(count(FERNet(7)) / 4, rel=0.01)
    assert FERNet(7, width=0.25).trunk.layer4[1].conv2.out_channels == 128


def test_the_published_crops_keep_imagenets_stem_and_small_faces_do_not():
    assert [stem_for(crop) for crop in (40, 48, 56, 90, 224)] == ["small"] * 3 + ["imagenet"] * 2


@pytest.mark.parametrize(
    ("values", "named"),
    [({"trunk": "vgg"}, "trunk must be one of"), ({"stem": "big"}, "stem must be"), ({"width": 0.001}, "width must leave")],
)
def test_what_cannot_be_built_is_refused(values, named):
    with pytest.raises(ValueError, match=rf"^{named}[^\n]+$"):
        FERNet(7, **values)


def test_a_config_decides_the_network():
    assert isinstance(build_model(RunConfig(method="softmax"), 10), LeNetsPP)
    small = build_model(RunConfig(method="softmax", data="rafdb", profile="quick"), 7)
    assert small.trunk.conv1.kernel_size == (3, 3)
    assert small.classify.in_features == 512 * RunConfig(method="softmax", data="rafdb", profile="quick").width
    assert count(build_model(RunConfig(method="softmax", data="rafdb", profile="paper"), 7)) == count(FERNet(7))


def test_the_layers_are_those_of_the_thesis_table_3_2():
    """Output side and channels of each layer for a face of 224 pixels."""
    trunk, seen = FERNet(7).trunk, {}
    for name in ("conv1", "pool", "layer1", "layer2", "layer3", "layer4"):
        layer = getattr(trunk, name)
        layer.register_forward_hook(lambda _, __, out, name=name: seen.update({name: (out.shape[2], out.shape[1])}))
    with torch.no_grad():
        trunk(torch.zeros(1, 3, 224, 224))
    table = {"conv1": (112, 64), "pool": (56, 64), "layer1": (56, 64), "layer2": (28, 128), "layer3": (14, 256)}
    assert seen == table | {"layer4": (7, 512)}
    assert [len(getattr(trunk, f"layer{number}")) for number in (1, 2, 3, 4)] == [2, 2, 2, 2]
