"""UMAP, with the functions whose compilation takes twenty seconds kept on disk: the first process alone compiles them."""

import warnings
from contextlib import suppress

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its progress bars miss ipywidgets
    from umap import UMAP, umap_, utils

__all__ = ["UMAP"]

for function in (utils.fast_knn_indices, umap_.smooth_knn_dist, umap_.compute_membership_strengths):
    with suppress(RuntimeError):  # no folder for it can be written
        function.enable_caching()
