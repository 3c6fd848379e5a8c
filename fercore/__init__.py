"""fercore: the thin library under the course on metric learning for facial expression recognition."""

__version__ = "0.1.0"
