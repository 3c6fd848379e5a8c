"""Every row of METHODS: it trains on digits and faces, resumes, and its joint loss is the sum of its parts."""

import inspect
from contextlib import nullcontext
from pkgutil import resolve_name

import pytest
import torch
import torch.nn.functional as F

import fercore.train as loop
from fercore import losses
from fercore.config import RunConfig
from fercore.data.splits import Images
from fercore.errors import ConfigError
from fercore.methods.objectives import Step, make_objective
from fercore.methods.table import METHODS
from fercore.models import DACLAttention, build_model
from fercore.models.build import output_shapes
from fercore.runs.local import local_folder
from fercore.runs.session import Session
from fercore.samplers import mm_nss, ms_nss, ns_nss
from fercore.train import train
from fercore.tuples import TupleBatch, epoch_tuples, stand_in_identities
from tests.faces import TINY as TINY_FACES
from tests.faces import make_tree
from tests.messages import one_line
from tests.oracles import squared

ATTENTIVE = [name for name in METHODS if "dacl" in name or name.startswith("amtc3l")]
TUPLETS = [name for name in METHODS if name.startswith("nplus")]
GENTLE = {"dda": {"gamma": 0.1}}  # its default diverges on some data, which is a result and no failure


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return make_tree(tmp_path_factory.mktemp("faces"))


@pytest.fixture
def on_faces(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "data"))
    return lambda **values: RunConfig(**({"data": f"simfer:{tree}", "lr": 0.01} | TINY_FACES | values))


@pytest.fixture
def saved(monkeypatch) -> list[dict]:
    """What every checkpoint held."""
    kept, save = [], Session.save

    def spy(session, record, parts):
        states = {name: parts[name].state_dict() for name in ("model", "objective")}
        kept.append({name: {key: value.clone() for key, value in state.items()} for name, state in states.items()})
        save(session, record, parts)

    monkeypatch.setattr(Session, "save", spy)
    return kept


# --- training -----------------------------------------------------------------------------------------------------------


def check_trained(result, method: str, saved: list[dict]) -> None:
    assert result.status == "finished"
    for row in result.epochs:
        assert row["loss"] > 0
        assert row["val_loss"] > 0
        assert ("attention_mean" in row) == ("attention_spread" in row) == (method in ATTENTIVE)
        assert 0 < row.get("attention_mean", 0.5) < 1
        assert 0 < row.get("attention_spread", 0.1) < 0.5
    before, after = saved[-2:]
    for part in ("model", "objective"):
        for key, value in before[part].items():
            learned = value.is_floating_point() and value.ndim > 1  # a bias before a normalization never moves
            assert not learned or not torch.equal(value, after[part][key]), key


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_on_faces(method, on_faces, saved):
    check_trained(train(on_faces(method=method, **GENTLE.get(method, {}))), method, saved)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_on_digits(method, tiny, saved):
    result = train(tiny(method=method, epochs=2, **GENTLE.get(method, {})))
    check_trained(result, method, saved)
    assert result.arrays["test_embeddings"].shape == (300, 2)


@pytest.mark.parametrize("method", ["dacl", "amtc3l-mm", "amtc3l-ns", "nplusm-2b"])
def test_a_broken_off_training_resumes_bit_identically(method, on_faces, monkeypatch, tmp_path):
    config, save = on_faces(method=method, epochs=3), Session.save

    def save_and_stop(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Session, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            train(config)
    torch.manual_seed(999)  # nothing may hang on what the stopped training left
    resumed, folder = train(config), local_folder(config)
    monkeypatch.setenv("FERCORE_RUNS", str(tmp_path / "uninterrupted"))
    whole = train(config)
    for name in ("last.safetensors", "best.safetensors"):
        assert (folder / name).read_bytes() == (local_folder(config) / name).read_bytes()
    timeless = [[{k: v for k, v in row.items() if k != "seconds"} for row in result.epochs] for result in (resumed, whole)]
    assert timeless[0] == timeless[1]
    assert len(whole.epochs) == 3


def test_the_head_of_a_run_is_in_its_predictions(on_faces, tree):
    from fercore.trained import predict

    for method in ("amtc3l-mm", "nplusm-2b"):
        result = train(on_faces(method=method))
        images = sorted((tree / "Image" / "aligned").glob("test_*.jpg"))
        predicted = predict(images, result.config.id)[1].argmax(axis=1)
        labels = torch.tensor([i % 7 for i in range(len(images))]).numpy()
        assert (predicted == labels).mean() == pytest.approx(result.test["best"]["accuracy"])


def test_adam_and_the_inception_trunk_train(on_faces):
    result = train(on_faces(method="nplusm-2b", optimizer="adam", lr=0.001, trunk="inception", softmax_of="queries"))
    assert result.status == "finished"
    assert result.epochs[0]["step"] == result.provenance["train_images"]


# --- the joint loss -----------------------------------------------------------------------------------------------------

M, K, D, MAP = 8, 3, 4, (4, 2, 2)
X, LOGITS, C = (torch.randn(n, d, generator=torch.Generator().manual_seed(n + d)).double() for n, d in ((M, D), (M, K), (K, D)))
Y = torch.tensor([0, 1, 2, 0, 1, 1, 0, 2])
PEOPLE = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
FEATURES = torch.randn(M, *MAP, generator=torch.Generator().manual_seed(1)).double()
TUPLES = TupleBatch(torch.arange(M), [(2, 2), (1, 3)])


def joint(method: str, **own: object):
    """The objective in float64 on one batch, its step and its value."""
    torch.manual_seed(0)
    objective = make_objective(RunConfig(method=method, **own), K, D, MAP).double()
    if hasattr(objective, "centers"):
        objective.centers.copy_(C)
    attention = objective.attend(FEATURES)
    step = Step(X, LOGITS, Y, 1.0, attention, TUPLES)
    return objective, step, objective(step).item()


def entropy(rows: range = range(M)) -> float:
    return -sum(float(LOGITS[i].softmax(dim=0)[Y[i]].log()) for i in rows) / len(rows)


def record(predictions: list[int]) -> torch.Tensor:
    matrix = torch.zeros(K, K, dtype=torch.float64)
    for true, predicted in zip(Y.tolist(), predictions, strict=True):
        matrix[true, predicted] += true != predicted
    return matrix


def negatives(sampler: str) -> torch.Tensor:
    predictions = LOGITS.argmax(dim=1)
    matrix = record(predictions.tolist())
    return {
        "ms": lambda: ms_nss(X, Y, C),
        "ns": lambda: ns_nss(predictions, Y, C, matrix),
        "mm": lambda: mm_nss(X, predictions, Y, C, matrix),
    }[sampler]()


def own_loss(method: str, step: Step, objective: torch.nn.Module) -> float:
    """The method's own loss with its default weight, from the losses alone."""
    n_plus = [(X[:2], X[2:4]), (X[4:5], X[5:])]
    unit = [tuple(F.normalize(part, dim=1) for part in pair) for pair in n_plus]
    if "tc3l" in method:
        kind, sampler = method.split("-")
        if kind == "tc3l":
            return losses.tc3l_loss(X, Y, C, negatives(sampler))
        return losses.amtc3l_loss(X, Y, C, negatives(sampler), step.attention)
    if method.startswith("nplus1"):
        return sum(losses.n_plus_one_tuplet_loss(p[0], p[len(p) - 1], n, tau=2.0) for p, n in unit) / 2
    if method.startswith("nplusm"):
        return sum(losses.n_plus_m_tuplet_loss(p, n, reference=objective.reference) for p, n in unit) / 2
    center = sum(squared(X[i], C[Y[i]]) for i in range(M)) / (2 * M)
    return {
        "softmax": lambda: 0,
        "center": lambda: 0.01 * center,
        "dda": lambda: 0.01 * center + 5 * losses.dda_loss(X, Y, C),
        "dacl": lambda: 0.01 * (step.attention * (X - C[Y]) ** 2).sum() / (2 * M),
        "g-dacl": lambda: 0.01 * (step.attention * (X - C[Y]) ** 2).sum() / (2 * M),
        "island": lambda: 0.01 * losses.island_loss(X, Y, C, weight=10.0),
        "separate": lambda: losses.separate_loss(X, Y, C),
        "lp": lambda: 0.01 * losses.locality_preserving_loss(X, Y, neighbors=20),
        "ccl": lambda: 0.1 * losses.coupled_clusters_loss(X, Y, margin=1.0),
        "triplet-center": lambda: 0.1 * losses.triplet_center_loss(X, Y, C, margin=5.0),
        "lossless-triplet": lambda: losses.lossless_triplet_loss(X, Y),
        "contrastive": lambda: losses.contrastive_loss(X, Y, neg_margin=1.0),
        "triplet": lambda: losses.triplet_loss(X, Y, margin=0.05),
    }[method]()


@pytest.mark.parametrize("method", METHODS)
def test_the_joint_loss_is_softmax_and_the_methods_own(method):
    objective, step, found = joint(method)
    assert found == pytest.approx(entropy() + float(torch.as_tensor(own_loss(method, step, objective)).detach()), rel=1e-9)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "softmax"])
def test_the_weight_of_a_method_is_its_own(method):
    """Twice the weight, twice the loss; without it, softmax alone."""
    name = "weight" if "weight" in METHODS[method].hyperparameters else "lambda_c"
    more = {"gamma": 0} if method == "dda" else {}
    nothing, once, twice = (joint(method, **{name: weight}, **more)[2] for weight in (0, 0.5, 1))
    assert nothing == pytest.approx(entropy(), rel=1e-9)
    assert twice - nothing == pytest.approx(2 * (once - nothing), rel=1e-6)
    assert once != nothing


@pytest.mark.parametrize("method", [name for name in METHODS if METHODS[name].hyperparameters])
def test_every_hyperparameter_changes_what_is_trained(method):
    """A name in a row that nothing reads would be a knob of air."""
    others = {"center_init": "released", "normalization": "released", "center_step": "wen", "form": "log"}
    others |= {"dim_reduction": "sum", "margin_grad": "attached", "gate": "hard", "memory": "batch", "lengths": "free"}
    others |= {
        "attention_from": "constant",
        "softmax_of": "queries",
        "identities": "random",
        "mining": "off",
        "reference": "constant",
        "neighbors": 1,
        "gamma_warmup": 1.0,
        "positives": 1,
        "negatives": 1,
    }
    plain = trace(method)
    for name, value in METHODS[method].hyperparameters.items():
        change = others.get(name, value + 1 if isinstance(value, int) else value)
        changed = trace(method, **{name: change if change != value else value * 0.5})
        assert changed != plain, name


def trace(method: str, **own: object) -> list[float]:
    """Losses, gradients, centers and mistakes of two steps, the first tuples, and which weights learn."""
    torch.manual_seed(0)
    objective = make_objective(RunConfig(method=method, batch_size=16, **own), K, D, MAP).double()
    found = [float(weight.requires_grad) for weight in objective.parameters()]
    for progress, shift in ((0.3, 0.0), (1.0, 0.1)):
        x, features = (X + shift).requires_grad_(), FEATURES.clone().requires_grad_()
        logits = LOGITS.roll(round(10 * shift), dims=0)
        step = Step(x, logits, Y, progress, objective.attend(features), TUPLES)
        loss = objective(step)
        loss.backward()
        objective.after_step(step)
        found += [loss.item(), *x.grad.flatten().tolist()]
        found += [] if features.grad is None else features.grad.flatten().tolist()
    if hasattr(objective, "centers"):
        found += objective.centers.flatten().tolist()
    if hasattr(objective, "record"):
        found += objective.record.matrix.flatten().tolist()
    for batch in objective.tuples(Y, PEOPLE, 0) or []:
        found += batch.positions.tolist()
    return found


@pytest.mark.parametrize("method", ["dacl", "g-dacl", "amtc3l-mm"])
def test_attention_learns_from_the_joint_loss(method):
    objective, step, _ = joint(method)
    objective(step).backward()
    for name, parameter in objective.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all()
    assert any(parameter.grad.abs().sum() > 0 for parameter in objective.parameters())


def test_the_centers_of_dacl_follow_4_14():
    objective, step, _ = joint("dacl")
    objective.after_step(step)
    expected = C.clone()
    for k in range(K):
        members = [i for i in range(M) if Y[i] == k]
        expected[k] -= 0.5 * sum(step.attention[i] * (C[k] - X[i]) for i in members).detach() / (1 + len(members))
    torch.testing.assert_close(objective.centers, expected)


def ablated(source: str, progress: float, seed: int = 0) -> tuple[float, torch.Tensor, torch.Tensor]:
    """Of DACL without its own attention: the loss beside softmax, the centers after a step, the network's attention."""
    torch.manual_seed(0)
    config = RunConfig(method="dacl", lambda_c=1, attention_from=source, seed=seed)
    objective = make_objective(config, K, D, MAP).double()
    objective.centers.copy_(C)
    step = Step(X, LOGITS, Y, progress, objective.attend(FEATURES))
    loss = objective(step).item() - entropy()
    objective.after_step(step)
    return loss, objective.centers.clone(), step.attention


def by_loops(a: torch.Tensor) -> tuple[float, torch.Tensor]:
    """The loss and the centers that the weights a give."""
    loss = sum(a[i, j] * (X[i, j] - C[Y[i], j]) ** 2 for i in range(M) for j in range(D)).item() / (2 * M)
    centers = C.clone()
    for k in range(K):
        members = [i for i in range(M) if Y[i] == k]
        centers[k] -= 0.5 * sum(a[i] * (C[k] - X[i]) for i in members) / (1 + len(members))
    return loss, centers


def test_constant_attention_is_center_loss_with_half_of_both_steps():
    loss, centers, network = ablated("constant", 0.5)
    expected = by_loops(torch.full((M, D), 0.5))
    assert network is None
    assert loss == pytest.approx(expected[0], rel=1e-9)
    torch.testing.assert_close(centers, expected[1])
    half = make_objective(RunConfig(method="center", lambda_c=0.5, alpha=0.25), K, D, MAP).double()
    half.centers.copy_(C)
    step = Step(X, LOGITS, Y)
    assert half(step).item() - entropy() == pytest.approx(loss, rel=1e-9)
    half.after_step(step)
    torch.testing.assert_close(half.centers, centers)


def test_shuffled_attention_is_the_next_images():
    loss, centers, network = ablated("shuffled", 0.5)
    expected = by_loops(torch.stack([network[i - 1] for i in range(M)]).detach())
    assert loss == pytest.approx(expected[0], rel=1e-9)
    torch.testing.assert_close(centers, expected[1])
    assert loss != pytest.approx(by_loops(network.detach())[0], rel=1e-6)


def test_noise_is_of_the_seed_and_the_step_alone():
    loss, centers, network = ablated("noise", 0.5)
    torch.manual_seed(7)
    torch.testing.assert_close(ablated("noise", 0.5)[1], centers, rtol=0, atol=0)
    assert network is None
    assert len({loss, ablated("noise", 0.5 + 1e-5)[0], ablated("noise", 0.5, seed=1)[0]}) == 3
    whole = make_objective(RunConfig(method="dacl", attention_from="noise"), K, 400, MAP)
    a = whole.weights(Step(torch.zeros(M, 400), LOGITS, Y, 0.5))
    assert 0 <= a.min() < 0.01
    assert 0.99 < a.max() < 1
    assert a.mean().item() == pytest.approx(0.5, abs=0.02)
    assert a.std().item() == pytest.approx(12**-0.5, abs=0.01)


@pytest.mark.parametrize("source", ["constant", "noise"])
def test_without_a_network_nothing_of_it_is_trained_or_recorded(source, on_faces):
    result = train(on_faces(method="dacl", attention_from=source))
    assert result.status == "finished"
    assert "attention_mean" not in result.epochs[-1]


def test_validation_does_not_count_mistakes():
    objective, step, _ = joint("tc3l-ns")
    counted = objective.record.matrix.clone()
    assert counted.sum() > 0
    objective.eval()
    objective(step)
    assert torch.equal(objective.record.matrix, counted)


def test_softmax_of_queries_is_theirs_alone():
    _, _, found = joint("nplusm-1b", softmax_of="queries", weight=0)
    assert found == pytest.approx(-sum(float(LOGITS[i].log_softmax(dim=0)[Y[i]]) for i in (0, 4)) / 2, rel=1e-9)


def test_a_validation_loss_of_relations_does_not_grow_with_the_split(on_faces, tree):
    """It is a mean over batches like the training's: the memory of triplets goes with the cube of the batch."""
    config = on_faces(method="triplet", batch_size=4)
    data = loop.load_data(config.data, **config.data_options)
    model = build_model(config, 7)
    shapes = output_shapes(model, config)
    objective = make_objective(config, 7, shapes[1], shapes[0])
    seen, forward = [], objective.forward
    objective.forward = lambda step: seen.append(len(step.labels)) or forward(step)
    loop.validate(model, objective, data, config)
    assert max(seen) == 4
    assert sum(seen) >= len(data.val) - 1


# --- tuples without identities --------------------------------------------------------------------------------------------


def test_stand_in_identities_have_one_image_of_a_class_each():
    labels = torch.tensor([0] * 5 + [1] * 3 + [2] * 2)
    first, second = (stand_in_identities(labels, torch.Generator().manual_seed(seed)) for seed in (0, 1))
    for identities in (first, second):
        pairs = list(zip(labels.tolist(), identities.tolist(), strict=True))
        assert len(set(pairs)) == len(pairs)
        assert [max(i for y, i in pairs if y == k) for k in range(3)] == [4, 2, 1]
    assert not torch.equal(first, second)


@pytest.mark.parametrize("identities", [None, torch.arange(60) // 6])
def test_an_epoch_of_tuples_costs_what_it_says(identities):
    labels = torch.arange(60) % 6

    def epoch(every_query: bool) -> list[TupleBatch]:
        options = {"batch_size": 24, "positives": 3, "negatives": 5, "every_query": every_query}
        return epoch_tuples(labels, identities, generator=torch.Generator().manual_seed(0), **options)

    short, long = epoch(False), epoch(True)
    assert [batch.sizes for batch in short] == [[(3, 5)] * 3] * 3  # 72 images for 60
    assert sorted(i for batch in long for i in batch.positions[batch.queries()].tolist()) == list(range(60))


def test_made_up_people_are_those_of_a_set_that_names_nobody():
    known, made_up = (
        make_objective(RunConfig(method="nplusm-1b", **more), K, D, MAP) for more in ({}, {"identities": "random"})
    )
    asked = [[batch.positions.tolist() for batch in one.tuples(Y, who, 3)] for one, who in ((made_up, PEOPLE), (known, None))]
    assert asked[0] == asked[1] != [batch.positions.tolist() for batch in known.tuples(Y, PEOPLE, 3)]


# --- networks and recipes -------------------------------------------------------------------------------------------------


def test_dacls_sizes_are_the_thesiss_at_its_feature_map():
    config = RunConfig(method="dacl", data="rafdb", profile="paper")
    with torch.device("meta"):  # sizes alone: 92 million numbers would take seconds to draw
        ours = make_objective(config, 7, 512, (512, 7, 7)).attention
        theirs = DACLAttention()
    assert {key: value.shape for key, value in ours.state_dict().items()} == {
        k: v.shape for k, v in theirs.state_dict().items()
    }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("data", ["wmnist", "simfer"])
def test_shapes_of_every_network(method, data):
    config = RunConfig(method=method, data=data)
    model = build_model(config, 7)
    (channels, height, width), dim = output_shapes(model, config)
    images = torch.zeros(2, *((3, 40, 40) if data == "simfer" else (1, 28, 28)))
    features = model.features(images)
    embeddings, logits = model.head(features)
    assert features.shape == (2, channels, height, width)
    assert embeddings.shape == (2, dim)
    assert logits.shape == (2, 7)
    assert (dim == 2) == (data == "wmnist")
    assert model.training


def test_an_embedding_under_a_sigmoid_is_not_rectified():
    for method in ("tc3l-ms", "amtc3l-mm", "lossless-triplet"):
        torch.manual_seed(0)
        config = RunConfig(method=method, data="simfer")
        embeddings, _ = build_model(config, 7)(torch.randn(8, 3, 40, 40))
        assert (embeddings < 0).any(), method


@pytest.mark.parametrize(
    ("method", "data", "expected"),
    [
        ("dacl", "rafdb", {"crop": 224, "batch_size": 128, "lr": 0.01, "epochs": 60, "lr_step": 20, "trunk": "resnet18"}),
        ("g-dacl", "affectnet", {"epochs": 20, "lr_step": 5, "lr_decay": 5.0, "lambda_c": 0.01, "alpha": 0.5}),
        ("amtc3l-mm", "rafdb", {"trunk": "resnet50", "lr": 0.05, "epochs": 60, "augment": "multi-scale", "lr_decay": 10.0}),
        ("nplusm-2b", "ckplus", {"optimizer": "adam", "crop": 48, "batch_size": 144, "trunk": "inception"}),
        ("nplusm-2b", "mmi", {"positives": 5, "negatives": 5, "batch_size": 120}),
    ],
)
def test_the_published_recipes(method, data, expected):
    config = RunConfig(method=method, data=data, profile="paper")
    assert {name: getattr(config, name) for name in expected} == expected
    common = RunConfig(method=method, data=data, profile="laptop")
    plain = RunConfig(method="softmax", data=data, profile="laptop")
    assert (common.lr, common.epochs, common.trunk, common.optimizer) == (plain.lr, plain.epochs, plain.trunk, None)


def test_the_inception_trunk_has_no_imagenet_weights():
    with pytest.raises(ConfigError) as error:
        RunConfig(method="softmax", data="rafdb", profile="paper", trunk="inception")
    assert "no imagenet weights of trunk=inception" in one_line(error.value)


def test_every_row_says_where_it_comes_from():
    for name, row in METHODS.items():
        assert row.label, name
        assert row.source, name
    assert len({row.label for row in METHODS.values()}) == len(METHODS)
    assert all(inspect.getdoc(resolve_name(f"fercore.methods.objectives:{row.objective}")) for row in METHODS.values())


# --- GPUs ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_step_never_makes_a_gpu_wait(method, monkeypatch):
    """On PyTorch's "meta" device tensors have shapes and no numbers: whatever reads a number back, or makes a shape of
    numbers, as choosing by a mask does, fails. So it would break a CUDA graph.
    """
    real = torch.autocast  # does not know "meta"
    monkeypatch.setattr(torch, "autocast", lambda device, *a, **o: nullcontext() if device == "meta" else real(device, *a, **o))
    config = RunConfig(method=method, data="simfer", profile="quick")
    labels, identities = torch.arange(96) % 7, torch.arange(96) % 5
    split = Images(torch.zeros(96, 3, 48, 48, dtype=torch.uint8), labels, identities)
    model = build_model(config, 7)
    features, dim = output_shapes(model, config)
    objective = make_objective(config, 7, dim, features)
    batch = loop.make_batches(objective, config, 0, split)[0]
    training = loop.BatchLoss(model, objective).to("meta")
    images = torch.empty(len(batch.positions), 3, 40, 40, device="meta")
    loss, seen = training(images, labels[batch.positions].to("meta"), batch, 0.5)
    loss.backward()
    objective.after_step(seen)
    assert all(weight.grad is not None for weight in model.parameters())
