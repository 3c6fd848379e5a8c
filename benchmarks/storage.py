"""Speed and memory of the image store at 1,000, 10,000 and 100,000 images; and how fast SimFER renders.

Each size is measured in a process of its own. The files are 1,000 JPEGs of seeded smooth noise, under many names.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from input_pipeline import make_files
from timing import ratio

from simfer.dataset import PRESETS

Row = tuple[str, ...]
SIZES = (1_000, 10_000, 100_000)
SIDE, CROP, BATCH = 100, 90, 64
CODE = f"""
import sys, time
from pathlib import Path
import numpy as np
import torch
from fercore.data.augment import augment, normalize
from fercore.data.faces import take
from fercore.data.readers.catalog import Catalog
from fercore.data.store import open_store

def memory_now(kind):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(kind))

root, count = Path(sys.argv[1]), int(sys.argv[2])
names = sorted(root.rglob("*.jpg"))
files = tuple(Path(names[i % len(names)]) for i in range(count))
labels = np.arange(count) % 7
catalog = Catalog(name="benchmark", root=root, files=files, labels=labels, splits=np.full(count, "train"))
started = time.perf_counter()
store = open_store(catalog, {SIDE})
built = time.perf_counter()
split = take(store, labels, catalog, np.arange(count))
generator = torch.Generator().manual_seed(0)

positions, passes = torch.randperm(count).split({BATCH}), [time.perf_counter()]
for _ in range(2):
    for images in split.read_ahead(positions):
        pass
    passes.append(time.perf_counter())
for images in split.read_ahead(positions):
    normalize(augment(images, "five-crop", {CROP}, erasing=0.0, generator=generator), (0.5,) * 3, (0.2,) * 3)
print(built - started, passes[1] - passes[0], passes[2] - passes[1], memory_now("VmHWM"))
"""


def store_rows(sizes: tuple[int, ...] = SIZES) -> list[Row]:
    """Shuffled batches out of the store beside decoding into it; then the peak memory of an augmented epoch.

    The first pass of a process holds each image against its digest.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = make_files(Path(folder) / "faces", min(sizes), SIDE).root
        found = {count: measure(root, count, Path(folder) / "data") for count in sizes}
    rows = []
    for count, (build, first, later, _) in found.items():
        for what, read in (("reading the store", later), ("reading it the first time", first)):
            speed = [f"{count / seconds:,.0f} images/s" for seconds in (read, build)]
            rows.append((f"{what}, {count:,} images", speed[0], "decoding them into it", speed[1], f"{read / build:.2f}"))
    before = sizes[0]
    for count in sizes[1:]:
        memory = [found[n][-1] for n in (count, before)]
        rows.append(
            (
                f"peak memory, {count:,} images",
                f"{memory[0]:,.0f} MB",
                f"{before:,} images",
                f"{memory[1]:,.0f} MB",
                f"{memory[0] / memory[1]:.2f}",
            )
        )
        before = count
    return rows


def measure(root: Path, count: int, data: Path) -> tuple[float, ...]:
    """Seconds to build, to read for the first time and for the second, MB at the peak of the whole process."""
    env = os.environ | {"FERCORE_DATA": str(data / str(count)), "FERCORE_PROGRESS": "0"}
    found = subprocess.run([sys.executable, "-c", CODE, str(root), str(count)], env=env, capture_output=True, text=True)
    if found.returncode:
        raise RuntimeError(f"the store of {count} images was not measured: {found.stderr[-300:]}")
    return tuple(map(float, found.stdout.split()))


def simfer_rows(repetitions: int = 2) -> list[Row]:
    """Rendering the preset `quick` with two processes beside one, start included."""
    recipe = PRESETS["quick"]
    count = sum(recipe.train) + sum(recipe.test)
    two, one = ([render_seconds(workers) for _ in range(repetitions)] for workers in (2, 1))
    speed = [f"{count / statistics.median(seconds):,.0f} faces/s" for seconds in (two, one)]
    return [(f"SimFER, {count} faces of {recipe.size} px, 2 processes", speed[0], "1 process", speed[1], ratio(two, one))]


def render_seconds(workers: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "simfer", "--preset", "quick", "--out", f"{folder}/set", "--workers", str(workers)]
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - started
