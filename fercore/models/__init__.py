"""Networks: each returns `(embeddings, logits)`; a trunk's `features` are what attention and heads read."""

from fercore.models.attention import DACLAttention, SelectiveAttention
from fercore.models.build import build_model
from fercore.models.fernet import FERNet
from fercore.models.heads import AMTC3LHead, TwoBranchHead, TwoBranchNet
from fercore.models.lenets import LeNetsPP

__all__ = [
    "AMTC3LHead",
    "DACLAttention",
    "FERNet",
    "LeNetsPP",
    "SelectiveAttention",
    "TwoBranchHead",
    "TwoBranchNet",
    "build_model",
]
