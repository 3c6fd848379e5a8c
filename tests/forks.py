"""Processes that begin at once: a server that has loaded PyTorch and the library forks them, one server a test process.

What a test's file imports and the server has not, each process imports anew, in a second or two; so does the first optimizer
of a process torch._dynamo.
"""

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Collection

import torch.multiprocessing

PRELOADED = [
    "torch._dynamo",
    "tests.faults.renderer",
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


def forked_interpreter(path: bytes, command: list[str], kept: Collection[int]) -> int:
    """In the place of `multiprocessing.util.spawnv_passfds`: what it is to start, `python ... -c CODE ...`, is forked instead.

    So the processes of a forked sweep or renderer, too, begin with everything loaded. Like a new interpreter they have only the
    open files in `kept`, and the signals' first handlers.
    """
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        gc.freeze()  # an object of the first process that is deleted here would close a file of that number
        for file in map(int, os.listdir("/proc/self/fd")):
            if file > 2 and file not in kept:
                with contextlib.suppress(OSError):  # the folder that was listed
                    os.close(file)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        at = command.index("-c")
        sys.argv = ["-c", *command[at + 2 :]]
        exec(command[at + 1], {})
        code = 0
    except SystemExit as error:
        code = error.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)
