"""Networks: each returns `(embeddings, logits)`; a trunk's `features` are what attention and heads read."""

from fercore.models.attention import AMTC3LHead, DACLAttention, SelectiveAttention
from fercore.models.build import build_model
from fercore.models.lenets import LeNetsPP
from fercore.models.resnet import FERNet
from fercore.models.two_branch import TwoBranchHead, TwoBranchNet

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
