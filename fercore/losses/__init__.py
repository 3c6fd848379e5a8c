"""Losses: pure functions of tensors, one paper idea a file; `ClassCenters` holds the only state they share.

One rule for all: floating types may be mixed, the widest is computed in, and float32 at the least; labels are of any integer
type; lists, arrays, and on the CPU NaN and infinity, are refused in one line; `torch.compile(fullgraph=True)` takes them all.
"""

from fercore.losses.center import center_loss, sparse_center_loss
from fercore.losses.center_variants import island_center_gradient, island_loss, separate_loss, triplet_center_loss
from fercore.losses.class_centers import ClassCenters, center_step
from fercore.losses.dda import dda_center_gradient, dda_loss
from fercore.losses.pairwise import (
    contrastive_loss,
    coupled_clusters_loss,
    locality_preserving_loss,
    lossless_triplet_loss,
    triplet_loss,
)
from fercore.losses.tc3l import amtc3l_loss, tc3l_loss
from fercore.losses.tuplet import LearnedReference, n_plus_m_tuplet_loss, n_plus_one_tuplet_loss

__all__ = [
    "ClassCenters",
    "LearnedReference",
    "amtc3l_loss",
    "center_loss",
    "center_step",
    "contrastive_loss",
    "coupled_clusters_loss",
    "dda_center_gradient",
    "dda_loss",
    "island_center_gradient",
    "island_loss",
    "locality_preserving_loss",
    "lossless_triplet_loss",
    "n_plus_m_tuplet_loss",
    "n_plus_one_tuplet_loss",
    "separate_loss",
    "sparse_center_loss",
    "tc3l_loss",
    "triplet_center_loss",
    "triplet_loss",
]
