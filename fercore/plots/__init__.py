"""Figures that several chapters draw: one function a kind. They take arrays and results, and never train.

In all of them `axes` is where to draw, and `title`, `xlabel` and the like are what is written there.
"""

from fercore.plots.curves import plot_bundle, plot_class_counts, plot_seeds, plot_training
from fercore.plots.embeddings import plot_embedding, plot_embedding_grid
from fercore.plots.faces import plot_confusion, plot_faces
from fercore.plots.style import class_colors, save_figure, use_style
