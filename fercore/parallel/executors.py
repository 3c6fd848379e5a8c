"""Where the runs of a sweep go: one process a core on this machine, or SLURM. Both are `concurrent.futures` executors."""

import multiprocessing
import os
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

import torch
from tqdm import tqdm

from fercore.errors import ConfigError
from fercore.parallel.clock import session_start
from fercore.paths import runs_dir

# Workers are forked by a server that has loaded all of this and computed nothing: fork and PyTorch's thread pools do not go
# together, and a new interpreter needs seconds to load it. The first optimizer of a process loads torch._dynamo.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["fercore.train", "torch._dynamo"])
SLURM_DEFAULTS = {"job_name": "fercore", "time": 240}  # submitit's own limit is five minutes


class CorePool(Executor):
    """Single-threaded processes, each of which works on one run at a time.

    A ProcessPoolExecutor fails as a whole when one of its processes is killed. Here every process is a pool of its own, in
    the care of a thread: a killed one is replaced and its run tried once more, while the others train on undisturbed.

    None outlives the pool or the process that it is in: each holds one end of a pipe, whose other end is here alone.
    """

    def __init__(self, processes: int) -> None:
        self.threads = ThreadPoolExecutor(processes, initializer=leave_interrupts)
        self.end, self.leash = FORKS.Pipe(duplex=False)
        self.idle: SimpleQueue[ProcessPoolExecutor] = SimpleQueue()
        for _ in range(processes):
            self.idle.put(one_process(self.end))

    def submit(self, function: Callable[..., Any], /, *args: Any, **options: Any) -> Future:
        return self.threads.submit(self.run, function, *args, **options)

    def run(self, function: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
        """`function` in an idle process.

        Raises:
            BrokenProcessPool: two processes were killed over it.
        """
        process = self.idle.get()
        try:
            for tries_left in (1, 0):
                try:
                    return process.submit(function, *args, **options).result()
                except BrokenProcessPool:
                    if self.leash.closed:
                        raise
                    process = one_process(self.end)
                    if tries_left:
                        tqdm.write("a process was killed; its run is tried once more, from its last epoch", sys.stderr)
            raise BrokenProcessPool("its process was killed, and again at a second try; was there enough memory?")
        finally:
            self.idle.put(process)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """With `cancel_futures` runs that have begun end too; they go on from their checkpoints another time."""
        if cancel_futures:
            self.leash.close()
        self.threads.shutdown(wait, cancel_futures=cancel_futures)
        while not self.idle.empty():
            self.idle.get().shutdown(wait)


def core_pool(count: int, device: str) -> CorePool:
    """One single-threaded process a core (over-subscribed cores are several times slower), but no more than `count` runs
    need; one process on a GPU.
    """
    on_gpu = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    return CorePool(1 if on_gpu else min(len(os.sched_getaffinity(0)), count))


def one_process(end: Connection) -> ProcessPoolExecutor:
    """A pool of one process, which starts with its first run and ends with the other end of the pipe."""
    session_start()  # the worker is of this session: a fresh run that is tried again must not forget its checkpoint
    return ProcessPoolExecutor(1, mp_context=FORKS, initializer=start_worker, initargs=(end, dict(os.environ)))


def leave_interrupts() -> None:
    """A terminal's Ctrl-C goes to every process; those that this thread starts leave it to the one that started them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def start_worker(end: Connection, environment: dict[str, str]) -> None:
    """One thread, and no life after the pool: a killed sweep must not leave workers that train on for hours.

    The environment is that of now; the server's is that of the first sweep.
    """
    os.environ.clear()
    os.environ.update(environment)
    torch.set_num_threads(1)
    tqdm.set_lock(threading.RLock())  # its own is a semaphore of the system, which a worker that is ended leaves behind
    threading.Thread(target=exit_with_pipe, args=(end,), daemon=True).start()


def exit_with_pipe(end: Connection) -> None:
    end.poll(None)
    os._exit(1)


def slurm_executor(options: Mapping[str, Any]) -> Any:
    """submitit's executor for SLURM: runs become elements of a job array, with their logs in runs/slurm/.

    A job has as many threads as `cpus_per_task` asks for, or one. The run store must lie where every node sees it.

    Args:
        options: sbatch's, as submitit names them: partition, account, time (minutes), cpus_per_task, gpus_per_node, mem_gb,
            array_parallelism (how many runs at once), ...

    Raises:
        ConfigError: submitit is not installed, here is no SLURM, or an option is none of submitit's.
    """
    try:
        import submitit
    except ImportError:
        raise ConfigError("SLURM needs the package submitit: pip install submitit") from None
    environment = ["export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}", f"export FERCORE_SESSION_START={session_start()}"]
    chosen = SLURM_DEFAULTS | dict(options) | {"setup": [*environment, *options.get("setup", [])]}
    if not isinstance(chosen["time"], int):
        raise ConfigError(f"SLURM's time is a whole number of minutes here, got {chosen['time']!r}")
    try:
        executor = submitit.AutoExecutor(runs_dir() / "slurm" / "%j", cluster="slurm")
        executor.update_parameters(**{f"slurm_{name}": value for name, value in chosen.items()})
    except RuntimeError:
        raise ConfigError("there is no SLURM here (srun was not found); without it runs are trained on this machine") from None
    except (NameError, ValueError, TypeError, AssertionError) as error:
        raise ConfigError(f"submitit refuses these options for SLURM: {textwrap.shorten(str(error), 1000)}") from None
    return executor
