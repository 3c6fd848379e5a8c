"""The one table of all methods: name -> what it adds to softmax, its hyper-parameters, its source.

A new loss is one file in fercore/losses and one row here. The row's `objective` is a class with three members:
`__call__(embeddings, logits, labels, progress)` returns the joint loss, `after_step(embeddings, labels)` moves what
no gradient moves, and, as an `nn.Module`, its `state_dict` is saved and resumed with the model.
"""

from dataclasses import dataclass, field
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from fercore.errors import ConfigError
from fercore.losses import ClassCenters, center_loss, dda_center_gradient, dda_loss


class Softmax(nn.Module):
    """L_S: cross entropy of the logits (thesis, 3.2)."""

    def __init__(self, config: Any, num_classes: int, dim: int) -> None:
        super().__init__()

    def forward(self, embeddings: Tensor, logits: Tensor, labels: Tensor, progress: float) -> Tensor:
        return F.cross_entropy(logits, labels)

    def after_step(self, embeddings: Tensor, labels: Tensor) -> None:
        """Nothing but the network learns."""


class Center(nn.Module):
    """L_S + lambda_c L_C (thesis, 3.4); the centers follow Wen's rule."""

    def __init__(self, config: Any, num_classes: int, dim: int) -> None:
        super().__init__()
        self.config = config
        self.class_centers = ClassCenters(num_classes, dim, alpha=config.alpha, init=config.center_init)

    @property
    def centers(self) -> Tensor:
        return self.class_centers.centers

    def forward(self, embeddings: Tensor, logits: Tensor, labels: Tensor, progress: float) -> Tensor:
        return F.cross_entropy(logits, labels) + self.config.lambda_c * center_loss(embeddings, labels, self.centers)

    def after_step(self, embeddings: Tensor, labels: Tensor) -> None:
        self.class_centers.update(embeddings, labels)


class DDA(Center):
    """L_S + lambda_c L_C + gamma L_DDA (thesis, 3.6); the centers follow (3.10), or Wen's rule alone."""

    def forward(self, embeddings: Tensor, logits: Tensor, labels: Tensor, progress: float) -> Tensor:
        warmup = self.config.gamma_warmup
        gamma = self.config.gamma * (min(1.0, progress / warmup) if warmup else 1.0)
        dda = dda_loss(embeddings, labels, self.centers, normalization=self.config.normalization)
        return super().forward(embeddings, logits, labels, progress) + gamma * dda

    def after_step(self, embeddings: Tensor, labels: Tensor) -> None:
        gradient = None
        if self.config.center_step == "eq3.10":
            gradient = dda_center_gradient(embeddings, labels, self.centers, normalization=self.config.normalization)
        self.class_centers.update(embeddings, labels, gradient=gradient)


@dataclass(frozen=True)
class Method:
    """One row: the objective, the defaults of the hyper-parameters that are its own, and the label in figures."""

    objective: type[nn.Module]
    label: str
    source: str
    hyperparameters: dict[str, Any] = field(default_factory=dict)


CENTER = {"lambda_c": 0.01, "alpha": 0.5, "center_init": "he"}
DDA_OWN = {"gamma": 5.0, "gamma_warmup": 0.0, "normalization": "paper", "center_step": "eq3.10"}

METHODS = {
    "softmax": Method(Softmax, "softmax", "thesis, 3.2"),
    "center": Method(Center, "center loss", "Wen et al. 2016; thesis, 3.4", CENTER),
    "dda": Method(DDA, "DDA", "thesis, 3.6", CENTER | DDA_OWN),
}


def find_method(name: str) -> Method:
    """The row of `name`; ConfigError lists the known ones."""
    if name not in METHODS:
        raise ConfigError(f"unknown method {name!r}; known: {', '.join(METHODS)}")
    return METHODS[name]
