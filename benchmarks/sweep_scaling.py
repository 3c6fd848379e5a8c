"""Seconds of a sweep of quick runs: two processes of one thread each, against one process of one thread and one of two.

Each is timed in a Python of its own with an empty run store, on the same two cores, from its start to its end: what two
processes cost more than one, importing PyTorch and reading MNIST, is in it.
"""

import os
import subprocess
import sys
import tempfile
import time

from fercore.data import load_data

RUNS = 16
POOL, ALONE = "sweep(configs, device='cpu')", "[train(config, device='cpu') for config in configs]"
WAYS = {  # what is trained how, and with how many threads
    "two processes of one thread": (POOL, 1),
    "one process of one thread": (ALONE, 1),
    "one process of two threads": (ALONE, 2),
}
CODE = """
import os
os.sched_setaffinity(0, {cores})
from fercore.config import RunConfig
from fercore.sweep import sweep
from fercore.train import train
configs = [RunConfig(method="softmax", profile="quick", seed=seed) for seed in range({runs})]
{way}
"""


def sweep_rows(runs: int = RUNS) -> list[tuple[str, ...]]:
    """The table's rows: two processes beside each of the other ways, with the ratio of seconds."""
    load_data("wmnist")  # fetched before anything is timed
    seconds = {name: sweep_seconds(way, threads, runs) for name, (way, threads) in WAYS.items()}
    (ours, mine), *others = seconds.items()
    return [
        (f"sweep of {runs} quick runs, {ours}", f"{mine:.0f} s", name, f"{theirs:.0f} s", f"{mine / theirs:.2f}")
        for name, theirs in others
    ]


def sweep_seconds(way: str, threads: int, runs: int) -> float:
    code = CODE.format(cores=sorted(os.sched_getaffinity(0))[:2], runs=runs, way=way)
    with tempfile.TemporaryDirectory() as store:
        env = {"FERCORE_RUNS": store, "FERCORE_PROGRESS": "0", "OMP_NUM_THREADS": str(threads)}
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], env=os.environ | env, check=True)
        return time.perf_counter() - started
