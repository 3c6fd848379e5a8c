"""Losses: pure functions of tensors, one paper idea a file; `ClassCenters` holds the only state they share."""

from fercore.losses.center import center_loss
from fercore.losses.centers import ClassCenters, center_step
from fercore.losses.dda import dda_center_gradient, dda_loss

__all__ = ["ClassCenters", "center_loss", "center_step", "dda_center_gradient", "dda_loss"]
