"""Is this machine ready? One line a question, and what to do where the answer is no.

Tested versions are asked for in a checkout alone, shipped results there and in a folder of the course.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import torch

from fercore.data.wmnist import FILES, idx_problem
from fercore.errors import UnknownMethod
from fercore.paths import CHECKOUT, ROOT, data_dir, runs_dir, shown
from fercore.runs.local import inspect
from fercore.runs.shipped import inspect_shipped, shipped_index

GIB = 2**30
SHOWN = 5  # problems of one kind


def diagnose() -> list[tuple[str, bool, str]]:
    """(question, ready, answer) for each thing the course needs."""
    return [
        *check_python(),
        *check_packages(),
        *check_hardware(),
        *check_folders(),
        *check_mnist(),
        *check_runs(),
        *check_results(),
    ]


def check_python() -> Iterator[tuple[str, bool, str]]:
    found = ".".join(map(str, sys.version_info[:3]))
    yield "Python", sys.version_info >= (3, 11), f"{found} (3.11 or newer is needed)"


def check_packages() -> Iterator[tuple[str, bool, str]]:
    """The installed versions against requirements.txt: other versions may work, but were not tested."""
    if not CHECKOUT:
        found = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "numpy"))
        yield "packages", True, f"{found} (a checkout of the repository names the tested versions)"
        return
    different = []
    for name, wanted in pinned().items():
        try:
            found = version(name).split("+")[0]
        except PackageNotFoundError:
            found = "missing"
        if found != wanted:
            different.append(f"{name} {found} (tested: {wanted})")
    answer = "; ".join(different) or f"{len(pinned())} as in requirements.txt"
    yield "packages", not any(" missing " in text for text in different), answer


def pinned() -> dict[str, str]:
    """requirements.txt as {name: version}."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE))


def check_hardware() -> Iterator[tuple[str, bool, str]]:
    cores = len(os.sched_getaffinity(0))
    yield "processor", True, f"{cores} cores, PyTorch uses {torch.get_num_threads()} threads"
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none, and none is needed"
    yield "GPU", True, gpu
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    yield "memory", memory > 3.5, f"{memory:.0f} GiB (4 are needed)"


def check_folders() -> Iterator[tuple[str, bool, str]]:
    for folder in (data_dir(), runs_dir()):
        parent = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(parent).free / GIB
        writable = parent.is_dir() and os.access(parent, os.W_OK)
        yield (
            f"folder {shown(folder)}",
            writable and free > 1,
            f"{'writable' if writable else 'not writable'}, {free:.0f} GiB free",
        )


def check_mnist() -> Iterator[tuple[str, bool, str]]:
    raw = data_dir() / "MNIST" / "raw"
    problems = {name: idx_problem(raw / name, *facts) for name, facts in FILES.items()}
    damaged = [f"{name}: {problem}" for name, problem in problems.items() if problem and (raw / name).exists()]
    if damaged:
        yield "MNIST", False, f"{'; '.join(damaged)}: delete it; it is fetched again at first use"
    else:
        there = not any(problems.values())
        yield "MNIST", True, "there, checksums right" if there else "not there yet; it is fetched at first use (11 MB)"


def check_results() -> Iterator[tuple[str, bool, str]]:
    """The shipped results against their index."""
    index, problems = shipped_index(), inspect_shipped()
    if not (CHECKOUT or index):
        yield "shipped results", True, "none, and none is needed: they are in a checkout, and where `fercore lab` puts them"
        return
    diverged = sum(row["status"] == "diverged" for row in index.values())
    answer = f"{len(index) - diverged} runs finished, {diverged} diverged; {told(problems)}"
    yield "shipped results", bool(index) and not problems, answer


def check_runs() -> Iterator[tuple[str, bool, str]]:
    """The local runs: damaged files, files of others, and what killed processes left."""
    places = sorted((runs_dir() / "store").glob("*"))
    folders = [place for place in places if place.is_dir()]
    problems = [f"{shown(place)} is no folder of a run; move it elsewhere" for place in places if place not in folders]
    foreign = 0
    for folder in folders:
        try:
            problems += inspect(folder)
        except UnknownMethod:  # a user's own, whose module nobody imports here
            foreign += 1
    unfinished = sum((folder / "checkpoint.pt").exists() for folder in folders)
    others = f", {foreign} of methods that are not known here" * (foreign > 0)
    answer = f"{len(folders)} runs, {unfinished} to be gone on with{others}; {told(problems)}"
    yield "local runs", not problems, answer


def told(problems: list[str]) -> str:
    more = [f"and {len(problems) - SHOWN} more"] * (len(problems) > SHOWN)
    return "; ".join(problems[:SHOWN] + more) or "every file as it was written"
