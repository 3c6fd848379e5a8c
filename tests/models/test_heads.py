import pytest
import torch

from fercore.models import TwoBranchNet

SMALL = {"width": 0.125, "shared": 12, "branch": 10, "dim": 6}


def images(m: int = 4, channels: int = 1, side: int = 48) -> torch.Tensor:
    return torch.randn(m, channels, side, side, generator=torch.Generator().manual_seed(0))


def count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(("branches", "dim"), [(1, 10), (2, 6)])
@pytest.mark.parametrize("shape", [(1, 48), (3, 48), (1, 64), (1, 100)])
def test_shapes(branches, dim, shape):
    channels, side = shape
    embeddings, logits = TwoBranchNet(7, branches=branches, in_channels=channels, **SMALL)(images(4, channels, side))
    assert embeddings.shape == (4, dim)
    assert logits.shape == (4, 7)


def test_a_face_of_48_pixels_ends_at_three_by_three():
    with torch.device("meta"):
        groups = list(TwoBranchNet().trunk)[:-1]  # without the pooling that brings other sizes there
        assert torch.nn.Sequential(*groups)(torch.zeros(2, 1, 48, 48)).shape == (2, 512, 3, 3)


def test_the_default_sizes():
    with torch.device("meta"):
        one, two = TwoBranchNet(branches=1), TwoBranchNet()
    assert count(two) - count(one) == 1024 * 512 + 3 * 512 + 1 + 2 * 512 * 256  # FC3, its norm and PReLU, and P of (13)
    assert one.fc1[1].in_features == 512 * 9


def test_the_embedding_is_equation_13():
    model = TwoBranchNet(**SMALL).eval()
    shared = model.fc1(model.trunk(images()))
    fc2, fc3 = model.fc2(shared), model.fc3(shared)
    p1, p2 = model.fc4.weight.T[:10], model.fc4.weight.T[10:]
    embeddings, logits = model(images())
    torch.testing.assert_close(embeddings, fc2 @ p1 + fc3 @ p2)
    torch.testing.assert_close(logits, model.classify(fc2))


def test_the_metric_branch_has_no_say_in_the_logits():
    model = TwoBranchNet(**SMALL)
    _, logits = model(images())
    gradients = torch.autograd.grad(logits.sum(), [*model.fc3.parameters(), *model.fc4.parameters()], allow_unused=True)
    assert set(gradients) == {None}


def test_with_one_branch_the_embedding_is_what_the_classifier_sees():
    model = TwoBranchNet(branches=1, **SMALL).eval()
    embeddings, logits = model(images())
    torch.testing.assert_close(model.classify(embeddings), logits)


def test_a_pre_trained_expression_branch_fits_into_the_network_of_two():
    one, two = TwoBranchNet(branches=1, **SMALL), TwoBranchNet(**SMALL)
    report = two.load_state_dict(one.state_dict(), strict=False)
    assert not report.unexpected_keys
    assert {key.split(".")[0] for key in report.missing_keys} == {"fc3", "fc4"}
    torch.testing.assert_close(two.eval()(images())[1], one.eval()(images())[1])


def test_weights_start_by_he_with_zero_biases():
    torch.manual_seed(0)
    model = TwoBranchNet(width=0.5, shared=256, branch=128, dim=64)
    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear):
            expected = (2 / (1 + 0.25**2) / layer.in_features) ** 0.5
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.05)
            assert layer.bias is None or not layer.bias.any()


def test_every_parameter_learns():
    model = TwoBranchNet(**SMALL)
    embeddings, logits = model(images())
    for gradient in torch.autograd.grad(embeddings.square().sum() + logits.square().sum(), model.parameters()):
        assert gradient.isfinite().all()
        assert gradient.any()


@pytest.mark.parametrize(
    ("options", "name"),
    [({"branches": 3}, "branches"), ({"width": 0.01}, "width"), ({"dim": 0}, "dim"), ({"num_classes": 0}, "num_classes")],
)
def test_wrong_sizes_are_named(options, name):
    with pytest.raises(ValueError, match=rf"^{name} must [^\n]+$"):
        TwoBranchNet(**options)


def test_images_of_other_channels_are_refused():
    with pytest.raises(ValueError, match=r"^images must have shape \[m, 1, H, W\], got \[4, 3, 48, 48\]$"):
        TwoBranchNet(**SMALL)(images(4, 3))
