"""Processes that begin at once: a server that has loaded PyTorch and the library forks them, one server a test process.

What a test's file imports and the server has not, each process imports anew, in a second or two; so does the first optimizer
of a process torch._dynamo.
"""

import os
from collections.abc import Callable

import torch.multiprocessing

PRELOADED = [
    "torch._dynamo",
    "tests.faults.test_full_disk",
    "tests.faults.test_training",
    "tests.faults.test_writers",
    "tests.killed",
    "tests.losses.test_class_centers",
    "tests.parallel.test_distributed",
    "tests.runs.test_runs",
]


def in_processes(count: int, function: Callable[..., None], *arguments: object) -> None:
    """`function(rank, *arguments)` in so many processes at once, until all have ended; what one of them raises is raised here.

    Raises:
        ProcessExitedException: one ended by a signal or with an exit code.
    """
    call = (dict(os.environ), function, *arguments)
    torch.multiprocessing.start_processes(with_environment, call, nprocs=count, start_method="forkserver")


def with_environment(rank: int, environment: dict[str, str], function: Callable[..., None], *arguments: object) -> None:
    """The server's own environment is that of the first test that needed it."""
    os.environ.clear()
    os.environ.update(environment)
    function(rank, *arguments)
