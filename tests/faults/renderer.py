"""The renderer as a process has it that has drawn a face: the head is built, and the compiled kernels are in memory."""

from simfer.dataset import PRESETS, draw, item

draw(item(PRESETS["quick"], 0, "test", 0), PRESETS["quick"], 0)
