"""Figures: one function a kind. They take arrays and results, and never train."""

from fercore.plots.attention import plot_attention_map, plot_attention_rows, plot_followers, plot_similarity
from fercore.plots.comparison import (
    plot_bundle,
    plot_recall_differences,
    plot_records,
    plot_seed_differences,
    plot_shares,
)
from fercore.plots.curves import plot_class_counts, plot_differences, plot_fates, plot_rate_map, plot_seeds, plot_training
from fercore.plots.embeddings import plot_embedding, plot_embedding_grid
from fercore.plots.faces import plot_confusion, plot_confusion_difference, plot_faces, plot_probes, plot_recall_against_size
from fercore.plots.full_scale import plot_memory, plot_minutes
from fercore.plots.gains import plot_best_of, plot_best_so_far, plot_chance_curve, plot_gains, plot_needed
from fercore.plots.leaderboard import (
    plot_knob,
    plot_pairs,
    plot_ranks,
    plot_reliability,
    plot_standings,
    plot_trials,
)
from fercore.plots.samplers import (
    plot_chimera_shares,
    plot_chimera_steps,
    plot_curves,
    plot_landscapes,
    plot_negatives,
    plot_sigmoid_box,
)
from fercore.plots.style import class_colors, save_figure, use_style
from fercore.plots.tuples import plot_bands, plot_forces, plot_mining, plot_plane

__all__ = [
    "class_colors",
    "plot_attention_map",
    "plot_attention_rows",
    "plot_bands",
    "plot_best_of",
    "plot_best_so_far",
    "plot_bundle",
    "plot_chance_curve",
    "plot_chimera_shares",
    "plot_chimera_steps",
    "plot_class_counts",
    "plot_confusion",
    "plot_confusion_difference",
    "plot_curves",
    "plot_differences",
    "plot_embedding",
    "plot_embedding_grid",
    "plot_faces",
    "plot_fates",
    "plot_followers",
    "plot_forces",
    "plot_gains",
    "plot_knob",
    "plot_landscapes",
    "plot_memory",
    "plot_mining",
    "plot_minutes",
    "plot_needed",
    "plot_negatives",
    "plot_pairs",
    "plot_plane",
    "plot_probes",
    "plot_ranks",
    "plot_rate_map",
    "plot_recall_against_size",
    "plot_recall_differences",
    "plot_records",
    "plot_reliability",
    "plot_seed_differences",
    "plot_seeds",
    "plot_shares",
    "plot_sigmoid_box",
    "plot_similarity",
    "plot_standings",
    "plot_training",
    "plot_trials",
    "save_figure",
    "use_style",
]
