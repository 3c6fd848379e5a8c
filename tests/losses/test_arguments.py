"""One rule for all losses, samplers and steps: which types go together, what is refused and how, and what compiles."""

import functools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fercore import losses
from fercore.checks import nan_passes
from fercore.losses import LearnedReference
from fercore.mining import mine_positives
from fercore.samplers import MisclassificationRecord, mm_nss, ms_nss, ns_nss
from tests.oracles import random_batch, random_like

CENTERED = ("embeddings", "labels", "centers")
TUPLE = ("positives", "negatives")
FUNCTIONS: dict[str, tuple[Callable[..., Tensor], tuple[str, ...]]] = {
    "center_loss": (losses.center_loss, CENTERED),
    "sparse_center_loss": (losses.sparse_center_loss, (*CENTERED, "attention")),
    "dda_loss": (losses.dda_loss, CENTERED),
    "dda_center_gradient": (losses.dda_center_gradient, CENTERED),
    "center_step": (losses.center_step, (*CENTERED, "attention")),
    "triplet_center_loss": (losses.triplet_center_loss, CENTERED),
    "island_loss": (losses.island_loss, CENTERED),
    "island_center_gradient": (losses.island_center_gradient, ("centers",)),
    "separate_loss": (losses.separate_loss, CENTERED),
    "tc3l_loss": (losses.tc3l_loss, (*CENTERED, "negatives")),
    "amtc3l_loss": (losses.amtc3l_loss, (*CENTERED, "negatives", "attention")),
    "contrastive_loss": (losses.contrastive_loss, ("embeddings", "labels")),
    "triplet_loss": (losses.triplet_loss, ("embeddings", "labels")),
    "lossless_triplet_loss": (losses.lossless_triplet_loss, ("embeddings", "labels")),
    "coupled_clusters_loss": (losses.coupled_clusters_loss, ("embeddings", "labels")),
    "locality_preserving_loss": (losses.locality_preserving_loss, ("embeddings", "labels")),
    "n_plus_one_tuplet_loss": (functools.partial(losses.n_plus_one_tuplet_loss, tau=1.0), ("query", "positive", "negatives")),
    "n_plus_m_tuplet_loss": (functools.partial(losses.n_plus_m_tuplet_loss, reference=1.0), TUPLE),
    "the learned n_plus_m_tuplet_loss": (functools.partial(losses.n_plus_m_tuplet_loss, reference=LearnedReference(3)), TUPLE),
    "mine_positives": (lambda positives, negatives: mine_positives(positives, negatives)[1], TUPLE),
    "ms_nss": (ms_nss, CENTERED),
    "ns_nss": (ns_nss, ("predictions", "labels", "centers", "misclassified")),
    "mm_nss": (mm_nss, ("embeddings", "predictions", "labels", "centers")),
}
INTEGERS = ("labels", "predictions", "misclassified")
EVERY = pytest.mark.parametrize("name", FUNCTIONS)
WITH_LABELS = pytest.mark.parametrize("name", [name for name, (_, wanted) in FUNCTIONS.items() if "labels" in wanted])
ARGUMENTS = [(name, argument) for name, (_, wanted) in FUNCTIONS.items() for argument in wanted]
FLOATS = [(name, argument) for name, argument in ARGUMENTS if argument not in INTEGERS]


def arguments(name: str, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """What the function takes, of one floating type; the numbers are those that bfloat16 knows."""
    x, _, c = (value.bfloat16() if value.is_floating_point() else value for value in random_batch(6, 4, 3))
    labels = torch.tensor([0, 0, 1, 1, 2, 3])
    known = {"embeddings": x, "centers": c, "attention": random_like(x).bfloat16(), "negatives": c[(labels + 1) % 4]}
    known |= {"query": x[0], "positive": x[1], "positives": x[:3]}
    known = {key: value.to(dtype) for key, value in known.items()}
    known |= {"labels": labels, "predictions": labels.flip(0), "misclassified": torch.ones(4, 4, dtype=torch.int64)}
    return {key: known[key] for key in FUNCTIONS[name][1]}


def call(name: str, given: dict[str, Tensor]) -> Tensor:
    return FUNCTIONS[name][0](**given)


# --- types ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wide", [torch.float32, torch.float64])
@pytest.mark.parametrize("narrow", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("name", "argument"), FLOATS)
def test_the_widest_type_among_the_arguments_is_computed_in(name, argument, narrow, wide):
    """The same numbers in a narrower type change nothing, whichever argument has it."""
    given, expected = arguments(name, wide), call(name, arguments(name, wide))
    given[argument] = given[argument].to(narrow)
    found = call(name, given)
    others = any(key not in INTEGERS for key in given if key != argument)
    assert found.dtype == (wide if others else torch.float32)
    assert torch.equal(found, expected.to(found)) or not others
    torch.testing.assert_close(found, expected.to(found), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
@EVERY
def test_half_precision_is_computed_in_float32(name, half):
    found = call(name, arguments(name, half))
    assert found.dtype == torch.float32
    assert torch.equal(found, call(name, arguments(name)))


UNSIGNED = [torch.uint8, torch.uint16, torch.uint32, torch.uint64]


@pytest.mark.parametrize("integer", [torch.int8, torch.int16, torch.int32, *UNSIGNED])
@WITH_LABELS
def test_labels_may_be_of_any_integer_type(name, integer):
    given, expected = arguments(name), call(name, arguments(name))
    given["labels"] = given["labels"].to(integer)
    assert torch.equal(call(name, given), expected)
    for other in set(given) & {"predictions", "misclassified"}:
        given[other] = given[other].to(integer)
        assert torch.equal(call(name, given), expected)


@pytest.mark.parametrize("integer", [torch.int8, *UNSIGNED])
def test_the_record_takes_any_integer_type(integer):
    record, guess = MisclassificationRecord(3), torch.tensor([1, 1, 2], dtype=integer)
    record.update(guess, torch.tensor([0, 1, 1]))
    record.update(torch.tensor([0, 1, 1]), guess)
    assert record.matrix.tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["list", "array"])
@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_lists_and_arrays_are_refused_in_one_line(name, argument, kind):
    given = arguments(name)
    given[argument] = given[argument].tolist() if kind == "list" else given[argument].numpy()
    with pytest.raises(TypeError, match=rf"^{argument} must be a tensor, got (list|ndarray); torch.as_tensor makes one of it$"):
        call(name, given)


def test_a_module_of_centers_in_the_place_of_its_tensor_is_told_apart():
    given = arguments("dda_loss") | {"centers": losses.ClassCenters(4, 3)}
    with pytest.raises(TypeError, match=r"^centers must be a tensor, got ClassCenters; its `centers` is one$"):
        call("dda_loss", given)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(("name", "argument"), FLOATS)
def test_what_is_not_finite_is_refused_and_passes_within_a_training(name, argument, value):
    given = arguments(name)
    given[argument].view(-1)[0] = value
    places = rf"{given[argument].numel()} places of \[[\d, ]+\]"
    with pytest.raises(ValueError, match=rf"^{argument} must be finite, got NaN or infinity in 1 of {places}$"):
        call(name, given)
    if argument != "attention" or value != value:  # infinite attention leaves [0, 1], which nothing allows
        with nan_passes():
            call(name, given)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("argument", ["embeddings", "centers"])
@pytest.mark.parametrize("name", ["center_loss", "sparse_center_loss", "dda_loss", "island_loss", "separate_loss"])
def test_a_loss_that_is_judged_by_its_result_hides_nothing(name, argument, value):
    """In any row, in batches, dimensions and sets of classes down to one. Center loss sees no class that is not there."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        m, num_classes, dim = torch.randint(1, 5, (3,), generator=generator).tolist()
        labels = torch.randint(num_classes, (m,), generator=generator)
        sizes = {"embeddings": m, "centers": num_classes, "attention": m}
        given = {key: torch.rand(size, dim, generator=generator) for key, size in sizes.items()} | {"labels": labels}
        given["attention"][0] = 0  # times infinity is NaN
        given[argument][labels[0] if argument == "centers" and "center_loss" in name else -1, -1] = value
        with pytest.raises(ValueError, match=f"^{argument} must be finite"):
            call(name, {key: given[key] for key in FUNCTIONS[name][1]})


def test_a_sum_beyond_the_largest_number_is_no_infinity():
    x = torch.full((4, 2), 3e38)
    assert losses.center_loss(x, torch.zeros(4, dtype=torch.long), x[:1]).item() == 0


@pytest.mark.parametrize("options", [{"alpha": 0.0}, {"alpha": -0.5}, {"alpha": 1.01}, {"alpha": float("nan")}])
def test_a_step_size_outside_0_to_1_is_refused(options):
    with pytest.raises(ValueError, match=r"^alpha must lie in \(0, 1\], got [^\n]+$"):
        losses.ClassCenters(3, 2, **options)
    assert losses.ClassCenters(3, 2, alpha=1).alpha == 1


@pytest.mark.parametrize("value", ["a", "0.5", None])
def test_what_is_no_number_is_named(value):
    x, y = torch.eye(4), torch.arange(4) % 2
    with pytest.raises(TypeError, match=rf"^alpha must be a number, got {value!r}$"):
        losses.ClassCenters(3, 2, alpha=value)
    with pytest.raises(TypeError, match=rf"^neg_margin must be a number, got {value!r}$"):
        losses.contrastive_loss(x, y, neg_margin=value)


# --- torch.compile ----------------------------------------------------------------------------------------------------


def compiled_is_equal(function: Callable[[dict[str, Tensor]], Tensor], given: dict[str, Tensor], backend: str) -> None:
    torch.compiler.reset()
    found = torch.compile(function, fullgraph=True, backend=backend)(given)
    assert torch.equal(found, function(given))


@EVERY
def test_it_compiles_without_a_graph_break(name):
    compiled_is_equal(functools.partial(call, name), arguments(name), "eager")


@pytest.mark.parametrize("name", ["dda_loss", "center_loss", "sparse_center_loss", "tc3l_loss", "n_plus_m_tuplet_loss"])
def test_its_gradient_compiles(name):
    given = arguments(name)
    first = next(iter(given.values())).requires_grad_()
    torch.compiler.reset()
    found = torch.compile(functools.partial(call, name), fullgraph=True, backend="aot_eager")(given)
    expected = call(name, given)
    assert torch.equal(found, expected)
    assert torch.equal(*(torch.autograd.grad(value, first)[0] for value in (found, expected)))


def test_the_center_update_compiles():
    given = arguments("center_step")
    plain, compiled = losses.ClassCenters(4, 3), losses.ClassCenters(4, 3)
    compiled.load_state_dict(plain.state_dict())
    for centers, update in ((plain, plain.update), (compiled, torch.compile(compiled.update, fullgraph=True, backend="eager"))):
        update(given["embeddings"], given["labels"], given["attention"], gradient=torch.ones(4, 3))
        assert centers.centers.isfinite().all()
    assert torch.equal(plain.centers, compiled.centers)
