import pytest
import torch
from torch import Tensor, nn

from fercore.losses import amtc3l_loss, sparse_center_loss
from fercore.models import AMTC3LHead, DACLAttention, SelectiveAttention

SMALL = {"in_features": 8 * 2 * 2, "hidden": (12, 10), "latent": 6, "dim": 5}


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def features(m: int = 4, channels: int = 8, side: int = 2, seed: int = 0) -> Tensor:
    return torch.randn(m, channels, side, side, generator=torch.Generator().manual_seed(seed))


def attentions() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {
        "dacl": DACLAttention(**SMALL),
        "g-dacl": DACLAttention(gated=True, **SMALL),
        "selective": SelectiveAttention(channels=8, dim=5, hidden=7),
        "selective, hard": SelectiveAttention(channels=8, dim=5, hidden=7, gate="hard"),
    }


ALL = pytest.mark.parametrize("name", attentions())


# --- DACL -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gated", "parameters"), [(False, 91_862_208), (True, 91_862_208 + 32_960)])
def test_dacl_has_the_published_size(gated, parameters):
    with torch.device("meta"):
        assert count(DACLAttention(gated=gated)) == parameters


def test_dacl_starts_by_he_with_zero_biases():
    torch.manual_seed(0)
    model = DACLAttention(in_features=400, hidden=(300, 200), latent=100, dim=50)
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            assert layer.weight.std().item() == pytest.approx((2 / layer.in_features) ** 0.5, rel=0.05)
            assert not layer.bias.any()


def slow_dacl(model: DACLAttention, feature_map: Tensor) -> Tensor:
    """(4.5) to (4.10) in evaluation, layer by layer, with each head on its own."""

    def layer(block: nn.Sequential, start: int, x: Tensor) -> Tensor:
        linear, norm = block[start], block[start + 1]
        y = torch.stack([(linear.weight * row).sum(dim=1) + linear.bias for row in x])
        return (y - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias

    h = torch.relu(layer(model.encode, 0, feature_map.reshape(len(feature_map), -1)))
    h = torch.relu(layer(model.encode, 3, h))
    e = layer(model.latent, 0, h).tanh()
    if model.gated:
        e = e * torch.sigmoid(layer(model.gate, 0, h))
    a = torch.empty(len(e), model.dim, dtype=e.dtype)
    for j in range(model.dim):
        excluded, included = (e @ model.heads.weight[row] + model.heads.bias[row] for row in (2 * j, 2 * j + 1))
        a[:, j] = included.exp() / (included.exp() + excluded.exp())
    return a


@pytest.mark.parametrize("name", ["dacl", "g-dacl"])
def test_dacl_is_its_equations(name):
    model = attentions()[name].double()
    for seed in range(5):  # move the running statistics and the biases away from where they start
        model(3 + 2 * features(seed=seed).double())
    nn.init.normal_(model.heads.bias)
    model.eval()
    torch.testing.assert_close(model(features().double()), slow_dacl(model, features().double()), rtol=1e-12, atol=1e-12)


def test_the_gate_changes_the_encoding():
    plain, gated = attentions()["dacl"].eval(), attentions()["g-dacl"].eval()
    gated.load_state_dict(plain.state_dict(), strict=False)
    assert not torch.allclose(plain(features()), gated(features()))


# --- selective attention ----------------------------------------------------------------------------------------------


def test_selective_attention_is_its_formula():
    model = attentions()["selective"].double()
    feature_map = features(side=3).double()
    w = model.mask(feature_map)
    assert w.shape == (4, 1, 3, 3)
    weighted = [sum(w[i, 0, r, s] * feature_map[i, :, r, s] for r in range(3) for s in range(3)) for i in range(4)]
    context = torch.stack([row / w[i].sum() for i, row in enumerate(weighted)])
    outputs = model.elements(context).reshape(4, 5, 2)
    expected = outputs[:, :, 1].exp() / outputs.exp().sum(dim=2)
    torch.testing.assert_close(model(feature_map), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bias", [-1e4, 1e4])
def test_a_mask_of_nothing_or_of_everything_is_the_plain_mean(bias):
    model = attentions()["selective"]
    nn.init.constant_(model.pixels.bias, bias)
    nn.init.zeros_(model.pixels.weight)
    feature_map = features().requires_grad_()
    found = model(feature_map)
    outputs = model.elements(feature_map.mean(dim=(2, 3))).reshape(4, 5, 2)
    torch.testing.assert_close(found, outputs.softmax(dim=2)[:, :, 1])
    assert torch.autograd.grad(found.sum(), feature_map)[0].isfinite().all()


def test_the_hard_gate_is_the_rounded_soft_one_with_its_gradient():
    soft, hard = attentions()["selective"], attentions()["selective, hard"]
    hard.load_state_dict(soft.state_dict())
    a, b = soft(features()), hard(features())
    assert set(b.flatten().tolist()) <= {0.0, 1.0}
    assert torch.equal(b, (a > 0.5).float())
    for p, q in zip(torch.autograd.grad(a.sum(), soft.parameters()), torch.autograd.grad(b.sum(), hard.parameters())):  # noqa: B905
        torch.testing.assert_close(p, q)


# --- what all attentions do -------------------------------------------------------------------------------------------


@ALL
def test_one_weight_for_each_dimension(name):
    a = attentions()[name](features())
    assert a.shape == (4, 5)
    assert ((a >= 0) & (a <= 1)).all()


@ALL
def test_the_losses_take_it_and_teach_it(name):
    model, feature_map = attentions()[name], features().requires_grad_()
    a, y, c = model(feature_map), torch.tensor([0, 1, 2, 0]), torch.zeros(3, 5)
    x = feature_map.mean(dim=(2, 3))[:, :5]
    loss = sparse_center_loss(x, y, c, a) + amtc3l_loss(x, y, c, c[y] + 1, a)
    for gradient in torch.autograd.grad(loss, [feature_map, *model.parameters()]):
        assert gradient.isfinite().all()
        assert gradient.any() or name.startswith(("dacl", "g-dacl"))  # a bias before a batch norm has none


@ALL
def test_a_batch_of_one_image_trains(name):
    model = attentions()[name]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert model(features(m=1)).isfinite().all()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@ALL
def test_weights_come_out_in_float32_under_autocast(name):
    model = attentions()[name].eval()
    with torch.autocast("cpu", torch.bfloat16):
        found = model(features())
    assert found.dtype == torch.float32
    if "hard" not in name:
        torch.testing.assert_close(found, model(features()), rtol=0, atol=0.05)


@ALL
@pytest.mark.parametrize("shape", [(4, 8), (4, 7, 2, 2), (4, 7, 8), (32,)])
def test_another_feature_map_is_refused(name, shape):
    with pytest.raises(ValueError, match=r"^feature_map must have shape [^\n]+$"):
        attentions()[name](torch.zeros(shape))


# --- the head ---------------------------------------------------------------------------------------------------------


def test_the_head_gives_an_embedding_of_both_signs_and_its_logits():
    torch.manual_seed(0)
    head = AMTC3LHead(7, channels=8, hidden=6, dim=5)
    embeddings, logits = head(features(m=16))
    assert embeddings.shape == (16, 5)
    assert logits.shape == (16, 7)
    assert (embeddings < 0).any()
    assert (embeddings > 0).any()
    torch.testing.assert_close(head.classify(embeddings), logits)


def test_the_head_pools_what_its_convolutions_give():
    head = AMTC3LHead(7, channels=8, hidden=6, dim=5).eval()
    torch.testing.assert_close(head(features(side=3))[0], head.context(features(side=3)).flatten(start_dim=2).mean(dim=2))


def test_the_head_refuses_another_feature_map():
    with pytest.raises(ValueError, match=r"^feature_map must have shape \[m, 8, H, W\], got \[4, 7, 2, 2\]$"):
        AMTC3LHead(7, channels=8)(torch.zeros(4, 7, 2, 2))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: DACLAttention(in_features=0), "in_features"),
        (lambda: DACLAttention(in_features=4, hidden=(0, 4)), "hidden"),
        (lambda: SelectiveAttention(channels=4, dim=0), "dim"),
        (lambda: SelectiveAttention(channels=4, gate="firm"), "gate"),
        (lambda: AMTC3LHead(0, channels=4), "num_classes"),
    ],
)
def test_wrong_sizes_are_named(make, name):
    with pytest.raises(ValueError, match=rf"^{name} must be [^\n]+$"):
        make()
