"""Files of a run are damaged, changed, or exchanged for another run's: each is named, none is used, none is deleted."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fercore.train as loop
from fercore.config import RunConfig
from fercore.course.doctor import check_results, check_runs
from fercore.errors import FercoreError, StoreError
from fercore.methods import table
from fercore.papers import tuning
from fercore.runs import files, shipped
from fercore.runs.find import find_analysis, find_result
from fercore.runs.local import local_folder
from fercore.runs.shipped import ship
from fercore.train import train
from fercore.trained import load_trained
from tests.faces import make_tree
from tests.faults.runs import KINDS, break_off, config_of, train_with_answers
from tests.faults.tally import attempt
from tests.messages import one_line


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunConfig, RunConfig]:
    """A store with two finished runs and, beside it, the same two after one epoch; never changed by a test."""
    root = tmp_path_factory.mktemp("made")
    tree = make_tree(root / "set")
    runs = [config_of(tree, seed=seed) for seed in (0, 1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FERCORE_DATA", str(root / "data"))
        for name, make in (("unfinished", break_off), ("finished", train_with_answers)):
            patch.setenv("FERCORE_RUNS", str(root / name))
            for config in runs:
                make(config)
    return root, *runs


@pytest.fixture
def run(made, tmp_path, monkeypatch) -> tuple[RunConfig, RunConfig]:
    """The two runs in a store that may be broken."""
    root, config, other = made
    monkeypatch.setenv("FERCORE_DATA", str(root / "data"))
    monkeypatch.setenv("FERCORE_RUNS", str(tmp_path / "runs"))
    restore(root, tmp_path)
    return config, other


def restore(root: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "runs", ignore_errors=True)
    shutil.copytree(root / "finished", tmp_path / "runs")


READ: dict[str, Callable[[RunConfig], Any]] = {
    "result.json": lambda config: find_result(config).test,
    "arrays.npz": lambda config: find_result(config).arrays,
    "last.safetensors": lambda config: load_trained(config.id, "cpu").model.state_dict(),
    "best.safetensors": lambda config: load_trained(config.id, "cpu", epoch="best").model.state_dict(),
    "objective.safetensors": lambda config: load_trained(config.id, "cpu", with_objective=True).objective.state_dict(),
    "probabilities.npz": lambda config: find_analysis(config, "probabilities"),
    "checkpoint.pt": lambda config: train(config, device="cpu").test,
}


def flip(place: float) -> Callable[[Path, Path], None]:
    """One bit, at this part of the file's length."""

    def change(file: Path, other: Path) -> None:
        content = bytearray(file.read_bytes())
        content[int(place * (len(content) - 1))] ^= 4
        file.write_bytes(content)

    return change


def instead(make: Callable[[Path], object]) -> Callable[[Path, Path], None]:
    def change(file: Path, other: Path) -> None:
        file.unlink()
        make(file)

    return change


def hide_parts(file: Path) -> None:
    """A zip archive's end says that it has no parts; of other files nothing changes."""
    content = bytearray(file.read_bytes())
    end = content.rfind(b"PK\5\6")
    if end >= 0:
        content[end + 8 : end + 16] = bytes(8)  # how many there are, here and in all, and how long their list is
    file.write_bytes(content)


DAMAGES: dict[str, Callable[[Path, Path], object]] = {
    "of another run": lambda file, other: shutil.copy(other, file),
    "empty": lambda file, other: file.write_bytes(b""),
    "cut": lambda file, other: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "longer": lambda file, other: file.write_bytes(file.read_bytes() + b"more"),
    "text": lambda file, other: file.write_text("no such thing\n"),
    **{f"a bit at {place}": flip(place) for place in (0.001, 0.05, 0.3, 0.5, 0.7, 0.9, 0.999)},
    "a table of parts that lists none": lambda file, other: hide_parts(file),
    "a pipe": instead(os.mkfifo),
    "a folder": instead(os.mkdir),
    "endless zeros": instead(lambda file: file.symlink_to("/dev/zero")),
    "a link to itself": instead(lambda file: file.symlink_to(file)),
}


@pytest.mark.parametrize("kind", [*KINDS, "checkpoint.pt"])
def test_a_damaged_or_foreign_file_is_named_and_not_used(kind, run, made, tmp_path):
    root, config, other = made
    sound = READ["result.json" if kind == "checkpoint.pt" else kind](config)
    for case, damage in DAMAGES.items():
        restore(root, tmp_path)
        for one in (config, other) if kind == "checkpoint.pt" else ():
            shutil.rmtree(local_folder(one))
            shutil.copytree(root / "unfinished" / "store" / one.id, local_folder(one))
        file = local_folder(config) / kind
        damage(file, local_folder(other) / kind)
        before = file.lstat()
        with attempt("files: damaged or foreign", f"{kind} {case}"):
            found, problem = outcome(READ[kind], config)
            if problem:
                assert kind in problem
            else:  # what no checksum covers, such as the time in a zip's header, may change; numbers may not
                np.testing.assert_equal(plain(found), plain(sound))
            if kind != "checkpoint.pt" or file.exists():
                assert (file.lstat().st_ino, file.lstat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def outcome(read: Callable[[RunConfig], Any], config: RunConfig) -> tuple[Any, str]:
    """What was read, and the one line that says why it was not."""
    try:
        return read(config), ""
    except FercoreError as error:
        return None, one_line(error)


def plain(content: Any) -> Any:
    """Tensors as arrays, which compare at once."""
    return {name: np.asarray(value) for name, value in content.items()} if isinstance(content, dict) else content


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    def edit(text: str) -> str:
        content = json.loads(text)
        change(content)
        return json.dumps(content, indent=1)

    return edit


EDITS: dict[str, Callable[[str], str]] = {
    "accuracy 0.9999": edited(lambda content: content["test"]["last"].update(accuracy=0.9999)),
    "accuracy 17.3": edited(lambda content: content["test"]["last"].update(accuracy=17.3)),
    "accuracy NaN": edited(lambda content: content["test"]["last"].update(accuracy=float("nan"))),
    "accuracy a word": edited(lambda content: content["test"]["last"].update(accuracy="high")),
    "another seed": edited(lambda content: content["config"].update(seed=5)),
    "no config": edited(lambda content: content.pop("config")),
    "an epoch less": edited(lambda content: content["epochs"].pop()),
    "diverged": edited(lambda content: content.update(status="diverged", test={})),
    "no provenance": edited(lambda content: content.update(provenance={})),
    "other classes": edited(lambda content: content["provenance"].update(class_names=["a", "b"])),
    "one more key": edited(lambda content: content.update(note="mine")),
    "a list": lambda text: f"[{text}]",
    "no time of its end": edited(lambda content: content["provenance"].update(finished=None)),
    "epochs a number": edited(lambda content: content.update(epochs=5)),
    "epochs without a loss": edited(lambda content: content["epochs"][0].pop("loss")),
    "a status of its own": edited(lambda content: content.update(status="great")),
    "diverged, from nowhere": edited(lambda content: content.update(status="diverged", test={}, provenance={})),
    "deep": lambda text: "[" * 100_000,
    "deep inside": lambda text: text.replace('"status"', f'"x": {"[" * 10_000}{"]" * 10_000}, "status"'),
    "a long number": lambda text: text.replace('"seed": 0', f'"seed": {"9" * 10_000}'),
}


@pytest.mark.parametrize("checksum", [True, False], ids=["with its checksum", "from before checksums"])
def test_an_edited_result_is_not_used(checksum, run):
    config, _ = run
    file = local_folder(config) / "result.json"
    text = file.read_text()
    if not checksum:
        text = edited(lambda content: (content.pop("run"), content.pop("sha256")))(text)
    for case, edit in EDITS.items():
        if not checksum and case in ("accuracy 0.9999", "an epoch less", "diverged", "deep inside", "one more key"):
            continue  # nothing tells
        file.write_text(edit(text))
        with attempt("files: edited results", case):
            with pytest.raises(StoreError, match=r"result\.json"):
                find_result(config)
            assert file.read_text() == edit(text)


def test_a_store_from_before_checksums_is_used_with_a_word(run, capsys):
    """All that a user had trained before stays; the word comes once."""
    config, _ = run
    sound = {kind: plain(READ[kind](config)) for kind in KINDS}
    for kind in KINDS:
        file = local_folder(config) / kind
        content = files.read(file, config.id)
        pack = files.FORMATS[file.suffix].pack
        if file.suffix == ".safetensors":
            import safetensors.torch

            file.write_bytes(safetensors.torch.save(content))
        else:
            file.write_bytes(pack(content))
    files.say_once.cache_clear()
    with attempt("files: from before checksums"):
        for kind in KINDS:
            np.testing.assert_equal(plain(READ[kind](config)), sound[kind])
        assert capsys.readouterr().err.count("used unchecked") == 1


def test_a_whole_folder_of_another_run_is_refused(run):
    config, other = run
    shutil.rmtree(local_folder(config))
    shutil.copytree(local_folder(other), local_folder(config))
    with attempt("files: damaged or foreign"), pytest.raises(StoreError, match=f"is not of this run but of {other.id}"):
        find_result(config)
    with attempt("files: damaged or foreign"), pytest.raises(StoreError, match=f"is not of this run but of {other.id}"):
        load_trained(config.id)


def test_a_copy_of_a_folder_elsewhere_may_have_any_name(run, tmp_path):
    config, _ = run
    with attempt("files: a copy elsewhere"):
        shutil.copytree(local_folder(config), tmp_path / "my network")
        assert load_trained(tmp_path / "my network" / "best.safetensors", "cpu").config == config


def test_what_blocks_the_place_of_a_lock_is_one_line(run):
    """Of a run that is still to be trained."""
    config, _ = run
    for block in (os.mkdir, lambda lock: lock.symlink_to("/dev/zero"), lambda lock: lock.symlink_to(lock)):
        shutil.rmtree(local_folder(config))
        local_folder(config).mkdir()
        block(local_folder(config) / "lock")
        with attempt("files: a blocked lock"):
            with pytest.raises(StoreError, match=r"cannot write .*lock .*; make it writable") as error:
                train(config, device="cpu")
            assert one_line(error.value)


# --- two trainings of one run -------------------------------------------------------------------------------------------


def learn_otherwise(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train the run anew, by code that gives other numbers."""
    with monkeypatch.context() as patch:
        patch.setenv("FERCORE_SESSION_START", "2100-01-01T00:00:00+00:00")
        patch.setattr(loop, "learning_rate", lambda *_: 0.02)
        train(config, device="cpu", fresh=True)


def test_what_an_earlier_network_answered_is_not_the_new_ones(run, monkeypatch):
    config, _ = run
    before = find_analysis(config, "probabilities")
    with monkeypatch.context() as patch, attempt("files: of an earlier training"):
        patch.setenv("FERCORE_SESSION_START", "2100-01-01T00:00:00+00:00")
        train(config, device="cpu", fresh=True)  # the same bits, and so the same answer
        np.testing.assert_equal(find_analysis(config, "probabilities"), before)
    with attempt("files: of an earlier training"):
        learn_otherwise(config, monkeypatch)
        assert find_analysis(config, "probabilities") is None


def test_what_the_shipped_network_answered_is_not_the_local_ones(run, monkeypatch):
    config, _ = run
    ship([find_result(config)])
    (local_folder(config) / "probabilities.npz").unlink()
    with attempt("files: of another network"):
        assert find_analysis(config, "probabilities")
        learn_otherwise(config, monkeypatch)
        assert find_analysis(config, "probabilities") is None


def test_no_old_result_stands_beside_new_weights(run, monkeypatch):
    """Killed between its weights and its result, the training is unfinished."""
    config, _ = run

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with attempt("files: of an earlier training"):
        with monkeypatch.context() as patch:
            patch.setattr(loop, "test_once", stop)
            with pytest.raises(KeyboardInterrupt):
                learn_otherwise(config, monkeypatch)
        assert find_result(config) is None
        assert (local_folder(config) / "checkpoint.pt").exists()


# --- what many runs share -----------------------------------------------------------------------------------------------

SHARED = {
    "empty": b"",
    "binary": os.urandom(3000),
    "a header of others": b"name,value\na,1\n",
    "rows too short": b"id,status,accuracy,balanced_accuracy,seconds,json_sha256,npz_sha256\nx\n",
    "a quote left open": b'id,status,accuracy,balanced_accuracy,seconds,json_sha256,npz_sha256\n"x,1\n',
}


@pytest.mark.parametrize("name", ["index.csv", "analyses.csv"])
def test_a_damaged_index_is_one_line(name, run):
    config, other = run
    ship([find_result(config)])
    for case, content in SHARED.items():
        if (name, case) == ("analyses.csv", "rows too short"):
            continue
        (shipped.RESULTS / name).write_bytes(content)
        shipped.forget_indexes()
        with attempt("files: shared", f"{name} {case}"):
            with pytest.raises(StoreError, match=f"{name} is damaged; restore it with git"):
                ship([find_result(other)])
            assert (shipped.RESULTS / name).read_bytes() == content


@pytest.mark.parametrize("name", ["index.csv", "analyses.csv"])
def test_what_stands_for_an_index_is_one_line(name, tmp_path):
    """The first would never answer, the second never end."""
    index = shipped.RESULTS / name
    index.parent.mkdir()
    for make in (os.mkfifo, lambda index: index.symlink_to("/dev/zero"), lambda index: index.symlink_to(index)):
        make(index)
        shipped.forget_indexes()
        with attempt("files: shared"), pytest.raises(StoreError, match=f"{name} is damaged; restore it with git"):
            shipped.inspect_shipped()
        index.unlink()


def test_doctor_names_what_does_not_belong(run):
    config, other = run
    ship([find_result(config)])
    folder, results = local_folder(config), shipped.RESULTS
    for check in (check_runs, check_results):
        assert [ready for _, ready, _ in check()] == [True]
    for path in (folder / ".result.json.part", folder / "notes.txt", folder.parent / "notes.txt", results / ".index.csv.part"):
        path.touch()
    shutil.copy(local_folder(other) / "arrays.npz", folder)
    shutil.copy(folder / "best.safetensors", results / "runs" / config.id)
    left, foreign = "left by a killed process", f"not of this run but of {other.id}"
    wanted = {
        check_runs: (left, foreign, "no file of a run", "no folder of a run"),
        check_results: (left, "in no index"),
    }
    for check, words in wanted.items():
        ((_, ready, answer),) = check()
        with attempt("files: leftovers", answer):
            assert not ready
            assert sum(map(answer.count, ("; delete it", "; move it", "or delete it", "again with --fresh"))) == len(words)
            assert all(word in answer for word in words)


def test_doctor_misses_arrays_and_lets_a_run_of_an_unknown_method_be(run, monkeypatch):
    config, other = run
    (local_folder(other) / "arrays.npz").unlink()
    ((_, ready, answer),) = check_runs()
    with attempt("files: missing arrays", answer):
        assert not ready
        assert "arrays.npz is missing; train the run again with --fresh" in answer
    shutil.rmtree(local_folder(other))
    others = {name: row for name, row in table.METHODS.items() if name != config.method}
    monkeypatch.setattr(table, "METHODS", others)  # as where the module of a user's own method is not imported
    ((_, ready, answer),) = check_runs()
    with attempt("files: unknown method", answer):
        assert ready
        assert "1 of methods that are not known here" in answer


def test_damaged_choices_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "TUNED", tmp_path / "tuned.json")
    files.write(tuning.TUNED, {"quick": {"center": {"lambda_c": 0.1}}}, tuning.TUNED.name)
    text = tuning.TUNED.read_text()
    for content in ("", "{", "[]", text.replace("0.1", "0.2"), text.replace("tuned", "other"), "[" * 100_000):
        tuning.TUNED.write_text(content)
        with attempt("files: shared"):
            with pytest.raises(StoreError, match=r"tuned\.json"):
                tuning.tuned("center", "quick")
            assert tuning.TUNED.read_text() == content
