import pytest
import torch

from fercore.models import LeNetsPP


def count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(("num_classes", "embedding_dim"), [(10, 2), (7, 5)])
def test_lenets_shapes(num_classes, embedding_dim):
    embeddings, logits = LeNetsPP(num_classes, width=0.125, embedding_dim=embedding_dim)(torch.rand(3, 1, 28, 28))
    assert embeddings.shape == (3, embedding_dim)
    assert logits.shape == (3, num_classes)


def test_lenets_has_the_published_size():
    assert count(LeNetsPP()) == 797_191


def test_width_scales_the_channels():
    def channels(width: float) -> list[int]:
        return [layer.out_channels for layer in LeNetsPP(width=width).trunk if isinstance(layer, torch.nn.Conv2d)]

    assert channels(1.0) == [32, 32, 64, 64, 128, 128]
    assert channels(0.25) == [8, 8, 16, 16, 32, 32]
    assert count(LeNetsPP(width=0.5)) == pytest.approx(797_191 / 4, rel=0.02)


def test_logits_are_the_classifier_of_the_embeddings():
    model = LeNetsPP(width=0.125)
    embeddings, logits = model(torch.rand(3, 1, 28, 28))
    torch.testing.assert_close(model.classify(embeddings), logits)


def test_initial_weights_follow_the_seed():
    def first(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return LeNetsPP(width=0.125).trunk[0].weight

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0), first(1))


def test_too_narrow_a_network_is_refused():
    with pytest.raises(ValueError, match=r"^width [^\n]+$"):
        LeNetsPP(width=0.01)


# --- the network that the author published --------------------------------------------------------------------------------


def slow_normalized(model: LeNetsPP, images: torch.Tensor) -> torch.Tensor:
    """The embedding of the published network in training, a layer at a time, from the weights of `model`."""

    def normalize(x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
        rows = x.movedim(1, -1).flatten(end_dim=-2)
        mean, variance = rows.mean(dim=0), rows.var(dim=0, unbiased=False)
        shape = [1, -1] + [1] * (x.ndim - 2)
        return (x - mean.view(shape)) / (variance + 1e-5).sqrt().view(shape) * scale.view(shape) + shift.view(shape)

    weights = list(model.parameters())
    x = images
    for layer in range(6):
        kernel, bias, slope, scale, shift = weights[5 * layer : 5 * layer + 5]
        x = torch.nn.functional.conv2d(x, kernel, bias, padding=2)
        x = normalize(torch.where(x > 0, x, slope * x), scale, shift)
        if layer % 2:
            x = torch.nn.functional.max_pool2d(x, 2)
    kernel, bias, scale, shift = weights[30:34]
    return normalize(x.flatten(start_dim=1) @ kernel.T + bias, scale, shift)


def test_the_normalized_network_is_the_published_one_layer_by_layer():
    torch.manual_seed(0)
    model = LeNetsPP(width=0.125, normalized=True)
    with torch.no_grad():
        for parameter in model.parameters():  # scales and shifts that a forgotten one would show
            parameter.add_(0.1 * torch.randn_like(parameter))
    images = torch.rand(5, 1, 28, 28)
    torch.testing.assert_close(model(images)[0], slow_normalized(model, images), rtol=1e-4, atol=1e-5)


def test_the_normalized_embedding_is_not_rectified_and_its_spread_is_1():
    embeddings, _ = LeNetsPP(width=0.125, normalized=True)(torch.rand(64, 1, 28, 28))
    assert (embeddings < 0).any()
    torch.testing.assert_close(embeddings.std(dim=0, unbiased=False), torch.ones(2), rtol=1e-2, atol=0)


def test_the_plain_network_has_no_normalization_and_the_other_two_more_numbers_a_channel():
    plain, normalized = LeNetsPP(), LeNetsPP(normalized=True)
    assert not any(isinstance(layer, torch.nn.modules.batchnorm._BatchNorm) for layer in plain.modules())
    more = 2 * (32 + 32 + 64 + 64 + 128 + 128) + 2 * 2 - 1  # scales and shifts; one PReLU less
    assert count(normalized) == count(plain) + more
