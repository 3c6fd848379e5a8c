"""Sweeps: what is trained, by whom, and what a failure or a killed process costs. `attempt` stands in for the training
where a worker is to misbehave: it is looked up in `fercore.sweep` by name and travels to other processes by reference.
"""

import os
import re
import signal
import sys
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
import submitit

from fercore import sweep as sweep_module
from fercore.cli import main
from fercore.errors import ConfigError, NotShipped, SweepError
from fercore.parallel.executors import CorePool, slurm_executor
from fercore.paths import ROOT, runs_dir
from fercore.runs.find import find_result
from fercore.runs.local import local_folder
from fercore.runs.shipped import ship
from fercore.sweep import Progress, attempt, sweep, sweep_rows
from fercore.train import train
from tests.digits import SETTINGS
from tests.messages import one_line


@pytest.fixture
def trained(monkeypatch) -> list:
    """The configs that the sweep hands to its executor; the one with seed 13 fails."""
    called, lock = [], threading.Lock()

    def recorded(config, **options):
        with lock:
            called.append(config)
        if config.seed == 13:
            raise RuntimeError("bad luck\nand more of it")
        return train(config, **options)

    monkeypatch.setattr("fercore.sweep.train", recorded)
    return called


def test_results_come_in_order_and_duplicates_are_trained_once(tiny, trained):
    configs = [tiny(seed=2), tiny(seed=0), tiny(seed=2), tiny(seed=1)]
    with ThreadPoolExecutor(1) as pool:
        results = sweep(configs, pool)
    assert [result.config for result in results] == configs
    assert trained == [tiny(seed=2), tiny(seed=0), tiny(seed=1)]


def test_finished_runs_are_skipped(tiny, trained):
    train(tiny(seed=1))
    with ThreadPoolExecutor(1) as pool:
        sweep([tiny(seed=0), tiny(seed=1)], pool)
        sweep([tiny(seed=0), tiny(seed=1)], pool)
    assert trained == [tiny(seed=0)]


def test_a_failing_run_is_named_after_the_others_are_stored(tiny, trained):
    with ThreadPoolExecutor(1) as pool, pytest.raises(SweepError) as error:
        sweep([tiny(seed=13), tiny(seed=0)], pool)
    assert f"1 of 2 runs failed; the others are stored. {tiny(seed=13).id}: RuntimeError: bad luck" in one_line(error.value)
    assert find_result(tiny(seed=0))
    assert find_result(tiny(seed=13)) is None


def test_the_default_pool_trains_in_processes_of_one_thread(tiny):
    configs = [tiny(seed=0), tiny(seed=1, method="dda")]
    results = sweep(configs)
    assert [result.config for result in results] == configs
    assert all(result.provenance["threads"] == 1 for result in results)


def test_a_sweep_of_shipped_runs_alone_trains_nothing(tiny, trained, monkeypatch):
    monkeypatch.setenv("FERCORE_SHIPPED_ONLY", "1")
    with pytest.raises(NotShipped, match="make it with"):
        sweep([tiny()])
    assert not trained


def test_rows_are_what_is_shipped_where_nothing_may_be_trained(tiny, monkeypatch):
    first, second = tiny(seed=0), tiny(seed=1)
    ship([train(first)])
    monkeypatch.setenv("FERCORE_SHIPPED_ONLY", "1")
    assert {row: [run.config for run in runs] for row, runs in sweep_rows({"a": [first, second]}).items()} == {"a": [first]}
    with pytest.raises(NotShipped, match=second.id):
        sweep_rows({"a": [first], "b": [second]})


def test_an_empty_sweep_is_empty():
    assert sweep([]) == []


# --- killed processes -------------------------------------------------------------------------------------------------


def kill_by_seed(config, device, precision, fresh):
    """Seed 13 kills its process whenever it is tried, seed 7 the first time; seed 0 waits until both deaths are done."""
    notes = runs_dir()
    notes.mkdir(exist_ok=True)
    note = notes / f"tried-{config.seed}-{os.getpid()}"
    note.touch()
    tries = {seed: len(list(notes.glob(f"tried-{seed}-*"))) for seed in (7, 13)}
    if config.seed == 13 or (config.seed == 7 and tries[7] == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    while config.seed == 0 and sum(len(list(notes.glob(f"tried-{seed}-*"))) for seed in (7, 13)) < 4:
        time.sleep(0.05)
    return attempt(config, device, precision, fresh)


def test_a_killed_process_loses_its_own_run_alone(tiny, monkeypatch, capsys):
    """Two workers: one holds seed 0 all the while, the other dies three times."""
    monkeypatch.setattr(sweep_module, "attempt", kill_by_seed)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    with pytest.raises(SweepError) as error:
        sweep([tiny(seed=seed) for seed in (0, 13, 7)])
    killed = f"{tiny(seed=13).id}: BrokenProcessPool: its process was killed, and again at a second try"
    assert f"1 of 3 runs failed; the others are stored. {killed}" in one_line(error.value)
    assert all(find_result(tiny(seed=seed)) for seed in (0, 7))
    assert find_result(tiny(seed=13)) is None
    tries = {seed: len(list(runs_dir().glob(f"tried-{seed}-*"))) for seed in (0, 7, 13)}
    assert tries == {0: 1, 7: 2, 13: 2}
    assert capsys.readouterr().err.count("a process was killed; its run is tried once more") == 2


def about_a_worker() -> tuple[str, int, type]:
    import torch
    from tqdm import tqdm

    from fercore.runs.local import session_start

    return session_start(), torch.get_num_threads(), type(tqdm.get_lock())


def test_workers_have_one_thread_the_session_of_the_sweep_and_nothing_of_the_systems(monkeypatch):
    """A fresh run that is tried again must know its checkpoint for its own; see `forget_checkpoint`. Of a semaphore, as tqdm's
    own lock has one, Python would say at the end that it leaked.
    """
    monkeypatch.setenv("FERCORE_SESSION_START", "2020-02-02T00:00:00+00:00")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    pool = CorePool(1)
    assert pool.submit(about_a_worker).result() == ("2020-02-02T00:00:00+00:00", 1, type(threading.RLock()))
    pool.shutdown()


# --- other executors --------------------------------------------------------------------------------------------------


def block(config) -> None:
    """Make this config's training fail in whatever process it runs: a file stands where its folder should be."""
    local_folder(config).parent.mkdir(parents=True)
    local_folder(config).touch()


@pytest.fixture
def local_jobs(tmp_path):
    executor = submitit.AutoExecutor(tmp_path / "jobs", cluster="local")
    executor.update_parameters(timeout_min=5)
    return executor


def test_submitit_trains_and_its_failures_are_told_in_one_line(tiny, local_jobs):
    block(tiny(seed=13))
    with pytest.raises(SweepError) as error:
        sweep([tiny(seed=0), tiny(seed=13)], local_jobs)
    assert f"1 of 2 runs failed; the others are stored. {tiny(seed=13).id}: StoreError: cannot write" in one_line(error.value)
    (result,) = sweep([tiny(seed=0)], local_jobs)
    assert result == find_result(tiny(seed=0))


def die(config, device, precision, fresh):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_submitit_job_is_a_failed_run(tiny, local_jobs, monkeypatch):
    monkeypatch.setattr(sweep_module, "attempt", die)
    monkeypatch.setattr(submitit.core.core.Job, "_results_timeout_s", 0)  # else it waits for a slow file system
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{Path(__file__).parent}")
    with pytest.raises(SweepError) as error:
        sweep([tiny()], local_jobs)
    assert "UncompletedJobError: Job" in one_line(error.value)


def test_a_process_pool_of_ones_own_may_break_and_is_reported(tiny, monkeypatch):
    monkeypatch.setattr(sweep_module, "attempt", die)
    with ProcessPoolExecutor(1) as pool, pytest.raises(SweepError, match="2 of 2 runs failed") as error:
        sweep([tiny(seed=0), tiny(seed=1)], pool)
    assert "BrokenProcessPool" in one_line(error.value)
    with pytest.raises(SweepError, match="ProcessPoolExecutor does not take the runs"):
        sweep([tiny()], pool)


class Stopped(ThreadPoolExecutor):
    """Ctrl-C arrives as soon as the runs are handed over."""

    def submit(self, *arguments):
        self.handed = [*getattr(self, "handed", []), Future()]
        if len(self.handed) == 2:
            self.handed[0].set_exception(KeyboardInterrupt())
        return self.handed[-1]


def test_a_stopped_sweep_cancels_what_has_not_begun(tiny):
    with Stopped(1) as pool, pytest.raises(KeyboardInterrupt):
        sweep([tiny(seed=0), tiny(seed=1)], pool)
    assert pool.handed[1].cancelled()


# --- SLURM ------------------------------------------------------------------------------------------------------------

SBATCH = """#!/bin/bash
cp "$1" {place}/submitted.sh
last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\)%.*/\\1/p' "$1")
for i in $(seq 0 $last); do
  SLURM_JOB_ID=$((7 + i)) SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=$i bash "$1" >{place}/log-$i 2>&1 &
done
echo "Submitted batch job 7"
"""
SRUN = """#!/bin/bash
while [[ $1 != *python* ]]; do shift; done
exec "$@"
"""


@pytest.fixture
def cluster(tmp_path, monkeypatch) -> Path:
    """A SLURM of three scripts: sbatch starts every element of a job array on this machine; sacct knows nothing."""
    place = tmp_path / "cluster"
    place.mkdir()
    for name, text in {"sbatch": SBATCH.format(place=place), "srun": SRUN, "sacct": "#!/bin/bash\n"}.items():
        (place / name).write_text(text)
        (place / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    return place


SWEEP = ["sweep", *SETTINGS, "--device", "cpu"]


def test_a_sweep_on_slurm_is_one_job_array(tiny, cluster, capsys):
    block(tiny(seed=13))
    with pytest.raises(SystemExit) as exit_:
        main([*SWEEP, "--seeds", "13,0", "--slurm", "partition=gpu", "--slurm", "time=30", "--slurm", "mem_gb=4"])
    assert f"1 of 2 runs failed; the others are stored. {tiny(seed=13).id}: StoreError" in str(exit_.value.code)
    first, second = capsys.readouterr().out.splitlines()[1:]
    assert first.split() == [tiny(seed=13).id, "failed"]
    assert second.split()[:3] == [tiny(seed=0).id, "finished", f"{100 * find_result(tiny(seed=0)).accuracy:.2f}"]
    script = (cluster / "submitted.sh").read_text()
    for line in ("partition=gpu", "time=30", "mem=4GB", "array=0-1%2", "job-name=fercore"):
        assert f"#SBATCH --{line}\n" in script
    assert script.index("export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}") < script.index("srun")
    assert {path.name for path in (runs_dir() / "slurm").glob("7_*")} == {"7_0", "7_1"}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"partitoin": "gpu"}, "Unknown argument 'partitoin'"),
        ({"time": "2:00:00"}, "whole number of minutes here, got '2:00:00'"),
        ({"mem_gb": "much"}, "'much'"),
    ],
)
def test_bad_slurm_options_are_one_line(cluster, options, named):
    with pytest.raises(ConfigError) as error:
        slurm_executor(options)
    assert named in one_line(error.value)


def test_a_refusal_by_slurm_is_one_line(tiny, cluster):
    (cluster / "sbatch").write_text("#!/bin/bash\necho 'sbatch: error: invalid partition' >&2; exit 1\n")
    with pytest.raises(SweepError, match="invalid partition") as error:
        sweep([tiny()], slurm_executor({"partition": "gpu"}))
    one_line(error.value)


def test_without_slurm_or_submitit_one_line_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="there is no SLURM here") as error:
        slurm_executor({})
    one_line(error.value)
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ConfigError, match="pip install submitit") as error:
        slurm_executor({})
    one_line(error.value)


# --- progress ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """The time in seconds, to be moved by the test; progress is shown."""
    now = [100.0]
    monkeypatch.setattr("fercore.sweep.time.monotonic", lambda: now[0])
    monkeypatch.delenv("FERCORE_PROGRESS")
    return now


def test_the_time_left_is_that_of_the_whole_sweep(clock):
    progress = Progress(16)
    assert progress.text() == "sweep: 0 of 16 runs, 00:00 gone"
    for _ in range(4):
        clock[0] += 15
        progress.count()
    assert progress.text() == "sweep: 4 of 16 runs, 01:00 gone, about 03:00 left"
    clock[0] += 10  # it counts down while nothing finishes
    assert progress.text() == "sweep: 4 of 16 runs, 01:10 gone, about 02:50 left"
    clock[0] += 500
    assert progress.text().endswith("about 00:00 left")


def test_a_log_file_gets_whole_lines_now_and_then_and_every_failure(clock, capsys):
    progress = Progress(20)
    for number in range(20):
        clock[0] += 4
        progress.count(failure="run-5: no luck" if number == 5 else "")
        progress.show()
    progress.close()
    lines = capsys.readouterr().err.splitlines()
    assert lines.pop(2) == "failed: run-5: no luck"
    assert [int(re.search(r"(\d+) of 20", line)[1]) for line in lines] == [1, 4, 7, 10, 13, 16, 19, 20]
    assert lines[-1] == "sweep: 20 of 20 runs, 1 failed, 01:20 gone"


def test_a_terminal_has_one_line_that_is_rewritten(clock, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    progress = Progress(2)
    progress.count()
    progress.show()
    progress.close()
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "\rsweep: 1 of 2 runs" in err


def test_no_progress_where_it_is_switched_off(clock, capsys, monkeypatch):
    monkeypatch.setenv("FERCORE_PROGRESS", "0")
    progress = Progress(1)
    progress.count()
    progress.close()
    assert capsys.readouterr().err == ""
