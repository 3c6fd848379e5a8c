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
