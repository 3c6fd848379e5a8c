"""Train many configs over an executor: a process pool here, SLURM or Dask elsewhere."""

import multiprocessing
import os
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from typing import Any

import torch
from tqdm import tqdm

from fercore.config import RunConfig
from fercore.data import load_data
from fercore.errors import SweepError
from fercore.runs import RunResult, find_result, require_trainable
from fercore.torchrun import require_one_process
from fercore.train import train


def sweep(
    configs: Iterable[RunConfig], executor: Executor | None = None, *, device: str = "auto", fresh: bool = False
) -> list[RunResult]:
    """The results of `configs`, in their order; those that are stored are not trained again.

    Args:
        configs: what to train; a config that stands twice is trained once.
        executor: any `concurrent.futures.Executor`. None makes a pool of one single-threaded process a core
            (on a GPU: one process), never more threads than cores.
        device, fresh: as in `train`.

    Raises:
        ConfigError: torchrun started this process: a sweep starts its own.
        SweepError: runs failed; it names each with its reason, after all the others have finished and are stored.
        NotShipped: a run is not shipped, and FERCORE_SHIPPED_ONLY=1 forbids training it.
    """
    require_one_process("a sweep")
    configs = list(configs)
    wanted = list(dict.fromkeys(configs))
    results = {config: find_result(config, fresh=fresh) for config in wanted}
    missing = [config for config in wanted if results[config] is None]
    if missing:
        if not fresh:
            require_trainable(missing[0])
        for data, options in {(config.data, tuple(config.data_options.items())) for config in missing}:
            load_data(data, **dict(options))  # fetch and check once, before processes race for it
        results |= run_all(missing, executor, device, fresh)
    return [results[config] for config in configs]


def sweep_rows(rows: Mapping[str, Sequence[RunConfig]], **options: Any) -> dict[str, list[RunResult]]:
    """`sweep` for an experiment: {label: configs} to {label: results}, all in one pool; options as in `sweep`."""
    results = iter(sweep([config for configs in rows.values() for config in configs], **options))
    return {label: [next(results) for _ in configs] for label, configs in rows.items()}


def run_all(configs: list[RunConfig], executor: Executor | None, device: str, fresh: bool) -> dict[RunConfig, RunResult]:
    """Train every config; report failures at the end."""
    pool = executor or process_pool(len(configs), device)
    results, failures = {}, []
    with tqdm(total=len(configs), desc="sweep", unit="run", file=sys.stderr, mininterval=1) as bar:
        try:
            futures = {pool.submit(train, config, device=device, fresh=fresh): config for config in configs}
            for future in as_completed(futures):
                config, error = futures[future], future.exception()
                if error:
                    reason = str(error).strip().splitlines() or [""]
                    failures.append(f"{config.id}: {type(error).__name__}: {reason[0]}")
                    bar.write(f"failed: {failures[-1]}", file=sys.stderr)
                else:
                    results[config] = future.result()
                bar.update()
        finally:
            if executor is None:
                pool.shutdown(cancel_futures=True)
    if failures:
        raise SweepError(f"{len(failures)} of {len(configs)} runs failed; the others are stored. {'; '.join(failures)}")
    return results


def process_pool(runs: int, device: str) -> ProcessPoolExecutor:
    """One single-threaded process a core (over-subscribed cores are several times slower); one process on a GPU."""
    on_gpu = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    workers = 1 if on_gpu else min(len(os.sched_getaffinity(0)), runs)
    context = multiprocessing.get_context("spawn")  # fork and torch's thread pools do not go together
    return ProcessPoolExecutor(workers, mp_context=context, initializer=start_worker)


def start_worker() -> None:
    """One thread, no bar of its own, and no life after the process that started it."""
    torch.set_num_threads(1)
    threading.Thread(target=exit_with_parent, daemon=True).start()
    os.environ["FERCORE_PROGRESS"] = "0"  # the sweep shows its own bar


def exit_with_parent() -> None:
    """Wait for the parent's end: a killed sweep must not leave workers that train on for hours."""
    multiprocessing.parent_process().join()
    os._exit(1)
