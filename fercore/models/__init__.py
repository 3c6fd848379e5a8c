"""Networks: each returns `(embeddings, logits)`."""

from fercore.models.lenets import LeNetsPP

__all__ = ["LeNetsPP"]
