"""Train many configs over an executor: one process a core here, SLURM or Dask elsewhere."""

import multiprocessing
import os
import sys
import textwrap
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import nullcontext
from typing import Any

from tqdm import tqdm

from fercore.config import RunConfig
from fercore.data import load_data
from fercore.errors import SweepError
from fercore.parallel.devices import check_precision
from fercore.parallel.executors import core_pool
from fercore.parallel.torchrun import require_one_process
from fercore.progress import is_quiet
from fercore.runs.find import find_results, is_stored, require_trainable, shipped_only
from fercore.runs.result import RunResult
from fercore.train import train

LOOK_EVERY = 1.0  # seconds between two looks at what is finished
LOG_EVERY = 10.0  # seconds between two progress lines in a log file
REASON_LENGTH = 300  # characters of an error that are told


def sweep(
    configs: Iterable[RunConfig],
    executor: Executor | None = None,
    *,
    device: str = "auto",
    precision: str = "auto",
    fresh: bool = False,
) -> list[RunResult]:
    """The results of `configs`, in their order; those that are stored are not trained again.

    Args:
        configs: what to train; a config that stands twice is trained once.
        executor: any `concurrent.futures.Executor`, or submitit's; it decides where runs go and how many threads they have,
            and stays open. None makes one single-threaded process a core (on a GPU: one process), never more threads than
            cores, where a killed process costs no run but its own (see `CorePool`).
        device, precision, fresh: as in `train`.

    Raises:
        ConfigError: torchrun started this process: a sweep starts its own.
        SweepError: runs failed; it names each with its reason, after all the others have finished and are stored.
        NotShipped: a run is not shipped, and FERCORE_SHIPPED_ONLY=1 forbids training it.
    """
    require_one_process("a sweep")
    check_precision(precision)
    configs = list(configs)
    wanted = list(dict.fromkeys(configs))
    results = dict(zip(wanted, find_results(wanted, fresh=fresh), strict=True))
    missing = [config for config in wanted if results[config] is None]
    if missing:
        if not fresh:
            require_trainable(missing[0])
        for data, options in {(config.data, tuple(config.data_options.items())) for config in missing}:
            load_data(data, **dict(options))  # fetch and check once, before processes race for it
        results |= run_all(missing, executor, device, precision, fresh)
    return [results[config] for config in configs]


def sweep_rows(rows: Mapping[str, Sequence[RunConfig]], **options: Any) -> dict[str, list[RunResult]]:
    """`sweep` for an experiment: {label: configs} to {label: results}, all in one pool; options as in `sweep`.

    Where nothing may be trained (FERCORE_SHIPPED_ONLY=1) a row is those of its runs that are shipped, one at least.
    """
    if shipped_only() and not options.get("fresh"):
        rows = {label: [config for config in configs if is_stored(config)] or configs for label, configs in rows.items()}
    results = iter(sweep([config for configs in rows.values() for config in configs], **options))
    return {label: [next(results) for _ in configs] for label, configs in rows.items()}


def run_all(
    configs: list[RunConfig], executor: Executor | None, device: str, precision: str, fresh: bool
) -> dict[RunConfig, RunResult]:
    """Train every config; report failures at the end."""
    pool = executor or core_pool(len(configs), device)
    results, failures, waiting = {}, [], {}
    progress = Progress(len(configs))
    try:
        waiting = submit_all(pool, configs, device, precision, fresh)
        while waiting:
            for future in done_of(waiting):
                config, outcome = waiting.pop(future), outcome_of(future)
                if isinstance(outcome, str):
                    failures.append(f"{config.id}: {outcome}")
                    progress.count(failure=failures[-1])
                else:
                    results[config] = outcome
                    progress.count()
            progress.show()
    finally:
        progress.close()
        for future in waiting:  # only where the sweep was stopped
            future.cancel()
        if executor is None:
            pool.shutdown(cancel_futures=True)
    if failures:
        raise SweepError(f"{len(failures)} of {len(configs)} runs failed; the others are stored. {'; '.join(failures)}")
    return results


def submit_all(pool: Executor, configs: list[RunConfig], device: str, precision: str, fresh: bool) -> dict[Future, RunConfig]:
    """Hand every config to the pool; submitit makes one job array of them.

    Raises:
        SweepError: the pool takes none.
    """
    try:
        with getattr(pool, "batch", nullcontext)():
            return {pool.submit(attempt, config, device, precision, fresh): config for config in configs}
    except Exception as error:  # a scheduler's refusal, a broken pool: each executor has its own
        raise SweepError(f"{type(pool).__name__} does not take the runs. {explain(error)}") from error


def attempt(config: RunConfig, device: str, precision: str, fresh: bool) -> RunResult | str:
    """One run, where the executor puts it: its result, or why it failed.

    As text, for executors hand errors on in ways of their own. What they raise is then theirs: a worker that was lost.
    """
    if multiprocessing.parent_process():
        os.environ["FERCORE_PROGRESS"] = "0"  # the sweep has the terminal
    try:
        return train(config, device=device, precision=precision, fresh=fresh)
    except Exception as error:
        return explain(error)


def done_of(waiting: Iterable[Future]) -> Iterable[Future]:
    """Which are done, after LOOK_EVERY seconds at most. submitit's jobs are no real futures, and are asked one by one."""
    if all(isinstance(future, Future) for future in waiting):
        return wait(waiting, timeout=LOOK_EVERY, return_when=FIRST_COMPLETED).done
    time.sleep(LOOK_EVERY)
    return [job for job in waiting if job.done()]


def outcome_of(future: Future) -> RunResult | str:
    """What `attempt` returned, or why it never did."""
    try:
        return future.result()
    except Exception as error:
        return explain(error)


def explain(error: Exception) -> str:
    """An error as one line."""
    return f"{type(error).__name__}: {textwrap.shorten(str(error), REASON_LENGTH)}"


class Progress:
    """One line on stderr for the whole sweep, rewritten in a terminal or notebook; a log file gets a new one now and then."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.failed = total, 0, 0
        self.started = self.counted = time.monotonic()
        self.logged = -LOG_EVERY
        self.quiet = is_quiet()
        self.live = sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel")
        self.line = tqdm(bar_format="{desc}", file=sys.stderr, disable=self.quiet or not self.live)
        self.show()

    def count(self, failure: str = "") -> None:
        """One more run is done; a failure is told at once."""
        self.done, self.failed, self.counted = self.done + 1, self.failed + bool(failure), time.monotonic()
        if failure:
            tqdm.write(f"failed: {failure}", sys.stderr)
        if not self.live and not self.quiet and (self.done == self.total or self.counted - self.logged >= LOG_EVERY):
            self.logged = self.counted
            print(self.text(), file=sys.stderr, flush=True)

    def show(self) -> None:
        self.line.set_description_str(self.text())

    def close(self) -> None:
        self.show()
        self.line.close()

    def text(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        left = f", about {tqdm.format_interval(self.seconds_left())} left" if 0 < self.done < self.total else ""
        gone = tqdm.format_interval(time.monotonic() - self.started)
        return f"sweep: {self.done} of {self.total} runs{failed}, {gone} gone{left}"

    def seconds_left(self) -> float:
        """The mean time between two finished runs, for those that are not; it counts down until the next one finishes."""
        mean = (self.counted - self.started) / self.done
        return max(0.0, (self.total - self.done) * mean - (time.monotonic() - self.counted))
