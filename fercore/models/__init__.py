"""Networks: each returns `(embeddings, logits)`."""

from fercore.models.build import build_model
from fercore.models.lenets import LeNetsPP
from fercore.models.resnet import FERNet

__all__ = ["FERNet", "LeNetsPP", "build_model"]
