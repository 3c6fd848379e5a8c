"""Figures that one chapter draws, a file a chapter; arguments as in `fercore.plots`."""

from fercore.course.figures.anatomy import (
    plot_chimera_shares,
    plot_chimera_steps,
    plot_curves,
    plot_landscapes,
    plot_negatives,
    plot_sigmoid_box,
)
from fercore.course.figures.attention import plot_attention_map, plot_attention_rows, plot_followers, plot_similarity
from fercore.course.figures.dda import plot_confusion_difference, plot_differences, plot_fates, plot_rate_map
from fercore.course.figures.faces import plot_probes, plot_recall_against_size
from fercore.course.figures.full_scale import plot_memory, plot_minutes
from fercore.course.figures.gains import plot_best_of, plot_best_so_far, plot_chance_curve, plot_gains, plot_needed
from fercore.course.figures.leaderboard import plot_knob, plot_pairs, plot_ranks, plot_reliability, plot_standings, plot_trials
from fercore.course.figures.photographs import plot_slopes
from fercore.course.figures.samplers import plot_recall_differences, plot_seed_differences
from fercore.course.figures.tuplets import plot_bands, plot_forces, plot_mining, plot_plane
