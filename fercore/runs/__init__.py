"""The run store: a finished training is found by its config's id, and never trained twice.

Two stores of one layout, a folder a run: result.json, arrays.npz, and NAME.npz for what an analysis found out about it
(`fercore.papers.analyses`). The local one, `runs/store/<id>/`, also keeps weights and, while a run is unfinished, its
checkpoint. The shipped one, `results/runs/<id>/` with `results/index.csv`, is what the committed notebooks show; every file
of it must match the SHA-256 in the index, so that a changed number is noticed and never silently plotted.
"""
