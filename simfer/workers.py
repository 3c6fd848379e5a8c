"""Processes that draw, none of which outlives the one that wants the pictures."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.connection import Connection
from typing import Any

import numpy  # noqa: F401  (loaded before `begin`, which limits its threads)
from threadpoolctl import threadpool_limits


def spread(function: Callable[..., Any], calls: Iterable[tuple], processes: int, report: Callable[[Any], None]) -> None:
    """Let so many processes of one thread make the calls, and `report` each result when it is there.

    They end at once where this process dies, an error or Ctrl-C comes, or all is done: each holds one end of a pipe, whose
    other end is here alone. A terminal's Ctrl-C goes to every process; these leave it to the one that started them.

    Raises:
        BrokenProcessPool: a process was killed.
    """
    spawn = multiprocessing.get_context("spawn")
    end, leash = spawn.Pipe(duplex=False)
    pool = ProcessPoolExecutor(processes, mp_context=spawn, initializer=begin, initargs=(end,))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # what `submit` starts inherits it
    try:
        futures = [pool.submit(function, *call) for call in calls]
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for future in as_completed(futures):
            report(future.result())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        leash.close()
        pool.shutdown(cancel_futures=True)


def begin(end: Connection) -> None:
    """In a process that draws: one thread (matrix products would start one a core, and lose time by it), and a watch."""
    threadpool_limits(1)
    threading.Thread(target=end_with_pipe, args=(end,), daemon=True).start()


def end_with_pipe(end: Connection) -> None:
    end.poll(None)
    os._exit(1)


def end_with_parent(parent: int) -> None:
    """End this process, and with it those that draw, when `parent`, which started it, has died."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
