"""Several processes: under torchrun for one training, one a core or under SLURM for many."""
