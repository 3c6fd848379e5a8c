"""What each method adds to softmax: its joint loss, and what it moves, weighs or orders besides.

A new loss is one file in fercore/losses, a class here where none fits, and one row of `fercore.methods.table`. An objective
sees a training step whole (`Step`). It has, besides the joint loss, what moves without a gradient (`after_step`), weights for
the embedding's dimensions where it has attention (`attend`), and batches of its own where the order of the images is a part of
the method (`tuples`). Its parameters join the optimizer, and its state is saved and resumed with the network's. Where several
processes train, each of them shows it the whole batch: it need not know that there are others, and nothing in it is reduced
over them.

On digits everything is as on faces, but smaller: the feature map that attention and heads read is LeNets++'s last one
before it is flattened, 128 channels of 3 x 3 at width 1, and every embedding has two dimensions.
"""

from pkgutil import resolve_name
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fercore.errors import ConfigError
from fercore.losses import (
    ClassCenters,
    LearnedReference,
    amtc3l_loss,
    center_loss,
    contrastive_loss,
    coupled_clusters_loss,
    dda_center_gradient,
    dda_loss,
    island_center_gradient,
    island_loss,
    locality_preserving_loss,
    lossless_triplet_loss,
    n_plus_m_tuplet_loss,
    n_plus_one_tuplet_loss,
    separate_loss,
    sparse_center_loss,
    tc3l_loss,
    triplet_center_loss,
    triplet_loss,
)
from fercore.methods.batches import generator_of
from fercore.methods.table import find_method
from fercore.models.attention import DACLAttention, SelectiveAttention
from fercore.samplers import MisclassificationRecord, mm_nss, ms_nss, ns_nss
from fercore.tuples import TupleBatch, epoch_tuples

CONSTANT_ATTENTION = 0.5  # where an attention network starts, its two outputs being alike, and where DACL's mean stays


class Step(NamedTuple):
    """What an objective sees of a batch of m images.

    `embeddings` [m, D] and `logits` [m, K], float32; `labels` [m]; `progress` 0 to 1 through the training; `attention`
    [m, D], what `attend` gave; `batch`, whose `sizes` tell where its tuples lie.
    """

    embeddings: Tensor
    logits: Tensor
    labels: Tensor
    progress: float = 1.0
    attention: Tensor | None = None
    batch: TupleBatch | None = None


class Softmax(nn.Module):
    """L_S: cross entropy of the logits (thesis, 3.2), and what every objective can do.

    Args:
        config: a RunConfig; the method's hyper-parameters are read from it.
        num_classes: K.
        dim: D of the embedding.
        features: (C, H, W) of the trunk's last feature map.
    """

    samplewise = True  # the loss of many images is the mean over batches of any size; if not, validation takes batches too

    def __init__(self, config: Any, num_classes: int, dim: int, features: tuple[int, int, int]) -> None:
        super().__init__()
        self.config = config

    def forward(self, step: Step) -> Tensor:
        return F.cross_entropy(step.logits, step.labels)

    def after_step(self, step: Step) -> None:
        """Move what no gradient moves; here nothing."""

    def attend(self, features: Tensor) -> Tensor | None:
        """Attention [m, D] from the feature map [m, C, H, W]; None where the method has none."""
        return None

    def tuples(self, labels: Tensor, identities: Tensor | None, epoch: int) -> list[TupleBatch] | None:
        """An epoch's batches, where the method makes its own; a function of config and epoch alone."""
        return None


# --- center losses ------------------------------------------------------------------------------------------------------


class Center(Softmax):
    """L_S + lambda_c L_C (thesis, 3.4); the centers follow Wen's rule."""

    def __init__(self, config: Any, num_classes: int, dim: int, features: tuple[int, int, int]) -> None:
        super().__init__(config, num_classes, dim, features)
        options = {"alpha": config.alpha, "init": config.center_init, "across_processes": False}
        self.class_centers = ClassCenters(num_classes, dim, **options)

    @property
    def centers(self) -> Tensor:
        return self.class_centers.centers

    def forward(self, step: Step) -> Tensor:
        return super().forward(step) + self.config.lambda_c * center_loss(step.embeddings, step.labels, self.centers)

    def after_step(self, step: Step) -> None:
        self.class_centers.update(step.embeddings, step.labels)


class DDA(Center):
    """L_S + lambda_c L_C + gamma L_DDA (thesis, 3.6); the centers follow (3.10), or Wen's rule alone.

    As released, the DDA part of (3.10) is multiplied by gamma, as in the derivative of the joint loss (ERRATA.md, D5).
    """

    def forward(self, step: Step) -> Tensor:
        dda = dda_loss(step.embeddings, step.labels, self.centers, normalization=self.config.normalization)
        return super().forward(step) + self.gamma_at(step) * dda

    def after_step(self, step: Step) -> None:
        gradient = None
        if self.config.center_step != "wen":
            normalization = self.config.normalization
            gradient = dda_center_gradient(step.embeddings, step.labels, self.centers, normalization=normalization)
        if self.config.center_step == "released":
            gradient = self.gamma_at(step) * gradient
        self.class_centers.update(step.embeddings, step.labels, gradient=gradient)

    def gamma_at(self, step: Step) -> float:
        warmup = self.config.gamma_warmup
        return self.config.gamma * (min(1.0, step.progress / warmup) if warmup else 1.0)


class DACL(Center):
    """L_S + lambda_c L_SC (thesis, 4.3 and 4.4); the centers follow (4.14). Gated, it is g-DACL.

    The sizes of the attention network are the thesis's at its feature map, 512 * 7 * 7 -> 3584 -> 512 -> 64, each in the
    same ratio to the one before; on smaller maps they do not fall below 64, 32 and 16.

    `attention_from` puts something else in the attention's place, to ask what it is good for: "constant" 0.5, which is
    center loss with half of lambda_c and of alpha; "noise", uniform in [0, 1), drawn from seed and step; both have no network.
    "shuffled" gives each image the attention of the next one in the batch, whose order is random; the gradient flows as ever.
    """

    def __init__(self, config: Any, num_classes: int, dim: int, features: tuple[int, int, int], *, gated: bool = False) -> None:
        super().__init__(config, num_classes, dim, features)
        if config.attention_from in ("constant", "noise"):
            self.attention = None
            return
        size = torch.Size(features).numel()
        first, second, latent = max(64, size // 7), max(32, size // 49), max(16, size // 392)
        self.attention = DACLAttention(gated=gated, in_features=size, hidden=(first, second), latent=latent, dim=dim)

    def attend(self, features: Tensor) -> Tensor | None:
        return None if self.attention is None else self.attention(features)

    def weights(self, step: Step) -> Tensor:
        """a, [m, D], as `attention_from` says."""
        source, shape = self.config.attention_from, step.embeddings.shape
        if source == "constant":
            return torch.full_like(step.embeddings, CONSTANT_ATTENTION, requires_grad=False)
        if source == "noise":  # on the CPU, where it is the same for every device
            generator = generator_of(self.config.seed, round(1_000_000 * step.progress))
            return torch.rand(shape, generator=generator).to(step.embeddings)
        return step.attention.roll(1, dims=0) if source == "shuffled" else step.attention

    def forward(self, step: Step) -> Tensor:
        sparse = sparse_center_loss(step.embeddings, step.labels, self.centers, self.weights(step))
        return Softmax.forward(self, step) + self.config.lambda_c * sparse

    def after_step(self, step: Step) -> None:
        self.class_centers.update(step.embeddings, step.labels, self.weights(step))


class Island(Center):
    """L_S + lambda_c L_Island (Cai et al. 2018); its second part moves the centers alone."""

    def forward(self, step: Step) -> Tensor:
        island = island_loss(step.embeddings, step.labels, self.centers, weight=self.config.island_weight)
        return Softmax.forward(self, step) + self.config.lambda_c * island

    def after_step(self, step: Step) -> None:
        gradient = island_center_gradient(self.centers, weight=self.config.island_weight)
        self.class_centers.update(step.embeddings, step.labels, gradient=gradient)


class Separate(Center):
    """L_S + weight L_Separate (Li et al. 2019); the centers follow Wen's rule, and the gradient of the loss's second part."""

    def forward(self, step: Step) -> Tensor:
        return Softmax.forward(self, step) + self.config.weight * separate_loss(step.embeddings, step.labels, self.centers)

    def after_step(self, step: Step) -> None:
        gradient = island_center_gradient(self.centers, weight=2 / len(self.centers))
        self.class_centers.update(step.embeddings, step.labels, gradient=gradient)


class TripletCenter(Center):
    """L_S + weight L_TC (He et al. 2018); the centers follow Wen's rule: they are pulled, and samples alone are pushed."""

    def forward(self, step: Step) -> Tensor:
        own = triplet_center_loss(step.embeddings, step.labels, self.centers, margin=self.config.margin)
        return Softmax.forward(self, step) + self.config.weight * own


class TC3L(Center):
    """L_S + weight L_TC3L (Rajoli et al. 2023), with the negatives of one of three samplers; the centers follow Wen's rule.

    The record of mistakes that NS-NSS reads counts the training's batches alone.
    """

    def __init__(self, config: Any, num_classes: int, dim: int, features: tuple[int, int, int], *, sampler: str) -> None:
        super().__init__(config, num_classes, dim, features)
        self.sampler = sampler
        if sampler == "ns":
            self.record = MisclassificationRecord(num_classes, memory=config.memory, across_processes=False)

    def negatives(self, step: Step) -> Tensor:
        """n, [m, D], detached."""
        embeddings, predictions = step.embeddings.detach(), step.logits.argmax(dim=1)
        if self.sampler == "ms":
            return ms_nss(embeddings, step.labels, self.centers)
        if self.sampler == "mm":
            return mm_nss(embeddings, predictions, step.labels, self.centers)
        if self.training:
            self.record.update(predictions, step.labels)
        return ns_nss(predictions, step.labels, self.centers, self.record.matrix)

    def forward(self, step: Step) -> Tensor:
        options = {"form": self.config.form, "dim_reduction": self.config.dim_reduction}
        own = tc3l_loss(step.embeddings, step.labels, self.centers, self.negatives(step), **options)
        return Softmax.forward(self, step) + self.config.weight * own


class AMTC3L(TC3L):
    """L_S + weight L_AMTC3L: TC3L under selective attention, whose sum is a sample's margin."""

    def __init__(self, config: Any, num_classes: int, dim: int, features: tuple[int, int, int], *, sampler: str) -> None:
        super().__init__(config, num_classes, dim, features, sampler=sampler)
        self.attention = SelectiveAttention(channels=features[0], dim=dim, hidden=max(16, dim), gate=config.gate)

    def attend(self, features: Tensor) -> Tensor:
        return self.attention(features)

    def forward(self, step: Step) -> Tensor:
        options = {"margin_grad": self.config.margin_grad, "dim_reduction": self.config.dim_reduction}
        own = amtc3l_loss(step.embeddings, step.labels, self.centers, self.negatives(step), step.attention, **options)
        return Softmax.forward(self, step) + self.config.weight * own


# --- losses of a batch's relations --------------------------------------------------------------------------------------


class Pairwise(Softmax):
    """L_S + weight L, where L, `own`, relates the batch's embeddings to each other."""

    samplewise = False

    def own(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """L of embeddings [m, D] and labels [m]."""
        raise NotImplementedError

    def forward(self, step: Step) -> Tensor:
        return super().forward(step) + self.config.weight * self.own(step.embeddings, step.labels)


class Contrastive(Pairwise):
    """Hadsell et al. 2006."""

    def own(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return contrastive_loss(embeddings, labels, neg_margin=self.config.margin)


class Triplet(Pairwise):
    """Schroff et al. 2015."""

    def own(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return triplet_loss(embeddings, labels, margin=self.config.margin)


class LosslessTriplet(Pairwise):
    """Arsenault 2018."""

    def own(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return lossless_triplet_loss(embeddings, labels)


class CoupledClusters(Pairwise):
    """Liu et al. 2016."""

    def own(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return coupled_clusters_loss(embeddings, labels, margin=self.config.margin)


class LocalityPreserving(Pairwise):
    """Li et al. 2017."""

    def own(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return locality_preserving_loss(embeddings, labels, neighbors=self.config.neighbors)


class NPlusOne(Softmax):
    """L_S + weight times the mean (N+1)-tuplet loss of a batch's tuples (Liu et al. 2017, 1): query and first positive.

    With softmax_of=queries L_S is the queries' alone, and each image is the query once an epoch, as in the paper; with
    "all" it is all images', and an epoch costs what another method's does. lengths=unit, which the paper does not know,
    divides the embeddings by their lengths first: free squared distances in 100 dimensions blow up at SGD's rates.

    A tuple whose query has no like takes the query as its positive. A data set without identities gets random ones in each
    epoch, `stand_in_identities`; so does one with identities=random, to ask what knowing the people is good for.
    """

    samplewise = False

    def tuples(self, labels: Tensor, identities: Tensor | None, epoch: int) -> list[TupleBatch]:
        config = self.config
        unknown = identities is None or config.identities == "random"
        return epoch_tuples(
            labels.cpu(),
            None if unknown else identities.cpu(),
            generator=generator_of(config.seed, epoch),
            batch_size=config.batch_size,
            positives=config.positives,
            negatives=config.negatives,
            every_query=config.softmax_of == "queries",
        )

    def forward(self, step: Step) -> Tensor:
        logits, labels = step.logits, step.labels
        if self.config.softmax_of == "queries":
            queries = step.batch.queries().to(labels.device)
            logits, labels = logits[queries], labels[queries]
        rows = F.normalize(step.embeddings, dim=1) if self.config.lengths == "unit" else step.embeddings
        losses = [self.tuplet_loss(*parts) for parts in step.batch.split(rows)]
        return F.cross_entropy(logits, labels) + self.config.weight * torch.stack(losses).mean()

    def tuplet_loss(self, positives: Tensor, negatives: Tensor) -> Tensor:
        return n_plus_one_tuplet_loss(positives[0], positives[:2][-1], negatives, tau=self.config.tau)


class NPlusM(NPlusOne):
    """L_S + weight times the mean (N+M)-tuplet clusters loss with the learned reference (Liu et al. 2017, 7 and 10).

    With reference=constant it stays where it begins, T = 2 and the Euclidean metric; with mining=off every positive is kept.
    """

    def __init__(self, config: Any, num_classes: int, dim: int, features: tuple[int, int, int]) -> None:
        super().__init__(config, num_classes, dim, features)
        self.reference = LearnedReference(dim).requires_grad_(config.reference != "constant")

    def tuplet_loss(self, positives: Tensor, negatives: Tensor) -> Tensor:
        mine = self.config.mining != "off"
        return n_plus_m_tuplet_loss(positives, negatives, reference=self.reference, tau=self.config.tau, mine=mine)


def make_objective(config: Any, num_classes: int, dim: int, features: tuple[int, int, int]) -> Softmax:
    """The objective that the row of `config.method` names; arguments as `Softmax` takes them.

    Raises:
        ConfigError: there is no such class.
    """
    method = find_method(config.method)
    place = method.objective if ":" in method.objective else f"{__name__}:{method.objective}"
    try:
        objective = resolve_name(place)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"method {config.method!r} has no objective {method.objective!r} ({error})") from None
    return objective(config, num_classes, dim, features, **method.options)
