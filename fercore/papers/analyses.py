"""What a trained network is asked afterwards: one function a question, each answer kept beside the run that it is about.

A training touches the test set once. An analysis looks at the network again, to explain and never to choose: how sure
it is, where its attention lies, what it makes of darker or hidden faces. Answers are small arrays, shipped with their runs.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge

from fercore.config import RunConfig
from fercore.data import load_data, parse_name
from fercore.data.augment import center_crop
from fercore.data.readers.simfer import read_simfer
from fercore.data.simfer import load_turned, make_simfer, simfer_truth
from fercore.data.store import StoredImages, open_store
from fercore.errors import ConfigError
from fercore.evaluation.artifacts import first_of_each
from fercore.evaluation.evaluate import evaluate
from fercore.methods import build
from fercore.methods.objectives import Step
from fercore.mining import mine_positives
from fercore.models.weights import load_weights
from fercore.papers.probes import read_expression, read_identity
from fercore.parallel.devices import Execution, find_device, seed_everything
from fercore.runs import files
from fercore.runs.find import find_analysis, require_trainable, shipped_only
from fercore.runs.session import Session
from fercore.train import starting_weights
from fercore.trained import Trained, load_trained, train_again
from fercore.tuples import TupleBatch

Arrays = dict[str, np.ndarray]


def examine(config: RunConfig, name: str, *, device: str = "auto", fresh: bool = False) -> Arrays:
    """What analysis `name`, a key of ANALYSES, says of the run of `config`.

    Found in the local store or among the shipped ones, else asked now: of the run's weights, or, where these are not
    here (a shipped run has none), of a new training of the same config.

    Raises:
        ConfigError: there is no such analysis.
        NotShipped: the answer is not shipped, and FERCORE_SHIPPED_ONLY=1 forbids to ask.
    """
    if name not in ANALYSES:
        raise ConfigError(f"unknown analysis {name!r}; known: {', '.join(ANALYSES)}")
    if not fresh and (known := find_analysis(config, name)) is not None:
        return known
    if shipped_only():
        require_trainable(config)
    arrays = ANALYSES[name](config, device)
    session = Session(config)
    with session.locked():
        files.write(session.folder / f"{name}.npz", arrays, config.id)
    return arrays


# --- the questions -----------------------------------------------------------------------------------------------------


def probabilities(config: RunConfig, device: str) -> Arrays:
    """How sure the network is: softmax probabilities of the test images, [N, K] float16, and their labels [N] uint8."""
    trained = load_trained(config, device)
    _, logits = evaluate(trained.model, trained.data.test.images, trained.data, trained.config.crop)
    labels = trained.data.test.labels.cpu().numpy().astype(np.uint8)
    return {"probabilities": logits.softmax(dim=1).half().cpu().numpy(), "labels": labels}


def steps(config: RunConfig, device: str) -> Arrays:
    """The training once more, watched step by step, for a method that adds a loss of its own to the cross entropy.

    Returns:
        cross_entropy, own: [T], the two parts of each step's loss; own with its weight.
        cross_entropy_pull, own_pull: [T], the length of each part's gradient by the batch's embeddings.
        predictions, labels: [N] uint8, of the training images in the order in which they came; sizes: [T], how many a step.
    """
    rows, seen_classes = [], []

    def watch(loss: Tensor, step: Step) -> None:
        entropy = F.cross_entropy(step.logits, step.labels)
        parts = {"cross_entropy": entropy, "own": loss - entropy}
        row = {"sizes": len(step.labels)} | {name: part.item() for name, part in parts.items()}
        for name, part in parts.items():
            (gradient,) = torch.autograd.grad(part, as_computed(step.embeddings), retain_graph=True)
            row[f"{name}_pull"] = gradient.float().norm().item()
        rows.append(row)
        seen_classes.append(torch.stack([step.logits.argmax(dim=1), step.labels]).cpu())

    train_again(config, device, watch)
    predictions, labels = torch.cat(seen_classes, dim=1).numpy().astype(np.uint8)
    table = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return table | {"predictions": predictions, "labels": labels}


def as_computed(embeddings: Tensor) -> GradientEdge:
    """Where the network made them: in bfloat16 a step has a copy in float32, on which the logits do not hang."""
    edge = get_gradient_edge(embeddings)
    return GradientEdge(*edge.node.next_functions[0]) if edge.node.name().startswith("ToCopyBackward") else edge


ASKED_PER_CLASS, HIDDEN_PER_CLASS = 60, 20  # a shipped answer must stay small
HIDDEN = {"mouth": (2 / 3, 1), "eyes": (1 / 6, 1 / 2)}  # from where to where down the crop: a third of it either way


def attention(config: RunConfig, device: str) -> Arrays:
    """Where the attention lies, image by image, and where it goes when a part of the face is hidden.

    Returns, of the first 60 test images of each class:
        positions [n] in the test split, labels [n], predictions [n];
        attention [n, D] uint8, 0..255 for 0..1;
        embeddings [n, D] uint8, each dimension from its lowest value, 0, to its highest, 255: enough for a correlation;
        hidden_rows [h], which of the n: the first 20 of each class, seen again under a gray bar; and for "mouth" and "eyes"
        attention_without_PART [h, D] as above and predictions_without_PART [h].

    Raises:
        ConfigError: the method has no attention, or the data set no faces.
    """
    if config.crop is None:
        raise ConfigError(f"analysis 'attention' hides parts of faces, and {config.data} has none")
    trained = load_trained(config, device, with_objective=True)
    labels = trained.data.test.labels.cpu()
    positions = first_of_each(labels, ASKED_PER_CLASS)
    images = trained.data.test.read(positions)
    embeddings, answers = seen(trained, images)
    hidden_rows = first_of_each(labels[positions], HIDDEN_PER_CLASS)
    arrays = {"positions": positions, "labels": labels[positions], "hidden_rows": hidden_rows, "embeddings": embeddings}
    arrays |= answers
    for part in HIDDEN:
        bars = hide(images[hidden_rows.to(images.device)], part, config.crop, trained.data.mean)
        arrays |= {f"{name}_without_{part}": values for name, values in seen(trained, bars)[1].items()}
    small = {"positions": np.uint16, "hidden_rows": np.uint16}
    return {name: values.cpu().numpy().astype(small.get(name, np.uint8)) for name, values in arrays.items()}


def seen(trained: Trained, images: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Embeddings [n, D] in 0..255, each dimension from its lowest to its highest; attention [n, D] in 0..255, predictions."""
    outputs = evaluate(trained.model, images, trained.data, trained.config.crop, trained.objective)
    if len(outputs) < 3:
        raise ConfigError(f"{trained.config.id} has no attention of its own to examine")
    embeddings, logits, a = outputs
    spread = embeddings.amax(dim=0) - embeddings.amin(dim=0)
    scaled = 255 * (embeddings - embeddings.amin(dim=0)) / spread.clamp(min=1e-12)
    return scaled.round(), {"attention": (255 * a).round(), "predictions": logits.argmax(dim=1)}


def hide(images: torch.Tensor, part: str, crop: int, mean: tuple[float, ...]) -> torch.Tensor:
    """A copy of images [n, C, H, W] with a bar over `part` of the central crop, in the training images' mean color."""
    above = (images.shape[2] - crop) // 2
    first, last = (above + round(crop * share) for share in HIDDEN[part])
    hidden = images.clone()
    hidden[:, :, first:last] = (255 * images.new_tensor(mean, dtype=torch.float32)).round().to(images)[:, None, None]
    return hidden


PROBED = "people"  # the preset of SimFER that is asked about; its people stand in no other one


def identity(config: RunConfig, device: str) -> Arrays:
    """How well a linear classifier still reads from the features of new people who is seen, and what the face shows.

    Returns, of the N images of SimFER's preset `people`: identities [N], labels [N]; and for each of "pixels", "embedding"
    (what a metric loss shapes) and "classifier" (what the network's own last layer reads: another thing where there are two
    branches) whether an image is recognized, 1, 0, or NaN where it could not be asked: identity_FEATURES [N],
    expression_FEATURES [N].

    Raises:
        ConfigError: the network is not for faces.
        DataError: SimFER could not be made.
    """
    if config.crop is None:
        raise ConfigError(f"analysis 'identity' shows faces, and {config.data} has none")
    trained = load_trained(config, device)
    catalog = read_simfer(make_simfer(PROBED))
    store, identities, labels = open_store(catalog, config.image_size), catalog.identities, catalog.labels
    arrays = {"identities": identities.astype(np.uint16), "labels": labels.astype(np.uint8)}
    for name, features in features_of(trained, StoredImages(store, np.arange(len(labels)))).items():
        arrays[f"identity_{name}"] = read_identity(features, identities, labels).astype(np.float16)
        arrays[f"expression_{name}"] = read_expression(features, identities, labels).astype(np.float16)
    return arrays


def features_of(trained: Trained, images: StoredImages) -> dict[str, np.ndarray]:
    """[N, D] each: the crops' pixels, the embeddings, and what the last linear layer reads."""
    read: list[torch.Tensor] = []
    last = next(part for name, part in trained.model.named_modules() if name.split(".")[-1] == "classify")
    hook = last.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0].float().cpu()))
    crop = trained.config.crop
    embeddings, _ = evaluate(trained.model, images, trained.data, crop)
    hook.remove()
    found = {
        "pixels": center_crop(images[:], crop).flatten(1).float() / 255,
        "embedding": embeddings,
        "classifier": torch.cat(read),
    }
    return {name: values.cpu().numpy() for name, values in found.items()}


SHOWN_TUPLES = 12  # whose embeddings are kept: a batch of the paper


def mining(config: RunConfig, device: str) -> Arrays:
    """What online mining makes of an epoch's tuples: at the START of the training, at its END, and then of NEW people.

    Returns, for each of "start", "end" (both of training images) and "new" (test images), of T tuples with P images in all:
        WHEN_images [P], numbers in the data set; WHEN_sizes [T, 2], M and N of each tuple;
        WHEN_kept [P], whether mining keeps a positive, True for negatives;
        WHEN_embeddings [p, D] float16 of the images of the first 12 tuples, as the loss sees them.

    Raises:
        ConfigError: the method makes no tuples.
    """
    trained = load_trained(config, device)
    data = load_data(config.data, **config.data_options)
    seed_everything(config.seed)
    untrained, objective = build(config, data.num_classes)
    if start := starting_weights(config, Execution(find_device(device))):
        load_weights(untrained, start)
    seen = {"start": (untrained, data.train), "end": (trained.model, data.train), "new": (trained.model, data.test)}
    arrays = {}
    for when, (model, split) in seen.items():
        batches = objective.tuples(split.labels, split.identities, 0)
        if not batches:
            raise ConfigError(f"analysis 'mining' asks for tuples, and {config.method} makes none")
        rows, _ = evaluate(model, split.images, data, config.crop)
        rows = F.normalize(rows.cpu(), dim=1) if config.lengths == "unit" else rows.cpu()
        arrays |= {f"{when}_{name}": values for name, values in mined(rows, batches, split.images.positions).items()}
    return arrays


def mined(rows: torch.Tensor, batches: list[TupleBatch], numbers: np.ndarray) -> Arrays:
    """See `mining`; from the embeddings [N, D] of a split, and its images' numbers [N] in the data set."""
    images = torch.cat([batch.positions for batch in batches])
    whole = TupleBatch(images, [pair for batch in batches for pair in batch.sizes])
    kept = [
        torch.cat([mine_positives(f_plus, f_minus)[0], torch.ones(len(f_minus)).bool()])
        for f_plus, f_minus in whole.split(rows[images])
    ]
    shown = sum(map(sum, whole.sizes[:SHOWN_TUPLES]))
    return {
        "images": numbers[images].astype(np.uint32),
        "sizes": np.array(whole.sizes, dtype=np.uint8),
        "kept": torch.cat(kept).numpy(),
        "embeddings": rows[images[:shown]].half().numpy(),
    }


def robustness(config: RunConfig, device: str) -> Arrays:
    """What the network says of the same faces when one knob of the scene is turned (SimFER alone).

    Returns:
        labels [n]; and for each knob ("occlusion", "pose", "blur") its predictions [levels, n], uint8.

    Raises:
        ConfigError: the run is not on one of SimFER's presets.
    """
    preset = rendered_preset(config)
    trained, turned = load_trained(config, device), load_turned(preset, config.image_size)
    _, logits = evaluate(trained.model, turned.images, trained.data, config.crop)
    predictions = logits.argmax(dim=1).cpu().numpy().astype(np.uint8).reshape(-1, len(turned.labels))
    parts = np.split(predictions, np.cumsum(list(turned.levels.values()))[:-1])
    return {"labels": turned.labels.astype(np.uint8)} | dict(zip(turned.levels, parts, strict=True))


def memorization(config: RunConfig, device: str) -> Arrays:
    """What the network says of the images it was trained on and of those held out of them, wrong labels among both.

    Returns, [n] each, the training split and after it the validation split: predictions, listed labels and true labels,
    uint8; held_out, bool.

    Raises:
        ConfigError: the run is not on one of SimFER's presets, which alone know the truth.
    """
    preset = rendered_preset(config)
    trained = load_trained(config, device)
    splits = load_data(config.data, **config.data_options)  # where the images lie in the store, not on the device
    parts = {"train": splits.train, "val": splits.val}
    logits = [evaluate(trained.model, part.images, trained.data, config.crop)[1] for part in parts.values()]
    true = simfer_truth(preset)[np.concatenate([part.images.positions for part in parts.values()])]
    return {
        "predictions": torch.cat(logits).argmax(dim=1).cpu().numpy().astype(np.uint8),
        "listed": torch.cat([part.labels for part in parts.values()]).numpy().astype(np.uint8),
        "true": true.astype(np.uint8),
        "held_out": np.repeat([False, True], [len(part) for part in parts.values()]),
    }


def rendered_preset(config: RunConfig) -> str:
    """SimFER's preset of a run; ConfigError where there is none."""
    if parse_name(config.data)[0] != "simfer" or config.preset is None:
        raise ConfigError(f"this analysis is of SimFER's presets, and {config.id} is on {config.data}")
    return config.preset


ANALYSES: dict[str, Callable[[RunConfig, str], Arrays]] = {
    "probabilities": probabilities,
    "steps": steps,
    "attention": attention,
    "identity": identity,
    "mining": mining,
    "robustness": robustness,
    "memorization": memorization,
}
