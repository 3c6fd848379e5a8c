"""How two ways of doing one thing are compared on a machine that may be busy with other work."""

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


def alternate(first: Callable[[], float], second: Callable[[], float], repetitions: int) -> tuple[list[float], list[float]]:
    """Both timed in turns, after one call of each that is not counted."""
    first(), second()
    times = [(first(), second()) for _ in range(repetitions)]
    return [a for a, _ in times], [b for _, b in times]


def ratio(ours: list[float], theirs: list[float]) -> str:
    return f"{statistics.median(a / b for a, b in zip(ours, theirs, strict=True)):.2f}"


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch computes in this thread alone, so that `time.process_time` is the time that it would take undisturbed."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
