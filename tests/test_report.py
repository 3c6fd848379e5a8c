"""The report over made-up results in a store of its own."""

import numpy as np
import pytest
from conftest import one_line

from fercore.errors import ConfigError, FercoreError
from fercore.experiments import EXPERIMENTS, PAPER_TABLES
from fercore.profiles import PROFILES
from fercore.report import BEGIN, END, published, report, to_markdown, write_between_markers
from fercore.runs import RunResult, save_result
from fercore.stats import estimate


def pretend(config, accuracy: float | None) -> None:
    """Store a run of `config` with this test accuracy; None: it diverged."""
    metrics = {"accuracy": accuracy, "balanced_accuracy": accuracy, "recall": [accuracy] * 10, "confusion": []}
    test = {} if accuracy is None else {"last": metrics, "best": metrics}
    provenance = {"seconds": 1.0, "finished": "2026-01-01T00:00:00+00:00", "class_names": list("0123456789")}
    save_result(RunResult(config, "diverged" if accuracy is None else "finished", [], test, provenance), {"x": np.zeros(1)})


def row(name: str) -> dict[str, str]:
    table = report("quick")
    return table[table["row"] == name].iloc[0].to_dict()


TABLE = PAPER_TABLES["table 3.1"]("quick")
DDA = list(TABLE)[-1]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_published_number_has_its_runs(profile):
    for line in published():
        labels = [label for label in PAPER_TABLES[line["item"]](profile) if label.split(",")[0] == line["row"]]
        assert labels, line
        assert 0 < float(line["value"]) <= 100


@pytest.mark.parametrize("profile", PROFILES)
def test_experiments_name_no_run_twice_in_a_row(profile):
    for make in EXPERIMENTS.values():
        for configs in make(profile).values():
            assert len(set(configs)) == len(configs)
            assert len({config.seed for config in configs}) == len(configs)
            assert {config.profile for config in configs} == {profile}


def test_nothing_is_trained_and_not_run_is_said():
    table = report("quick")
    assert list(table["row"]) == list(TABLE)
    assert {line["row"] for line in published()} == {label.split(",")[0] for label in table["row"]}
    assert set(table["status"]) == {"not run"}
    assert set(table["here"]) == {"-"}


def test_finished_runs_show_mean_interval_and_paired_difference():
    for config, accuracy in zip(TABLE["softmax"], (0.90, 0.92), strict=True):
        pretend(config, accuracy)
    for config, accuracy in zip(TABLE[DDA], (0.91, 0.95), strict=True):
        pretend(config, accuracy)
    ours, difference = estimate([91.0, 95.0]), estimate([1.0, 3.0])
    found = row(DDA)
    assert found["here"] == f"{ours:.2f}" == "93.00 ± 2.83 (2)"
    assert ours.high > 100  # two runs say little: their t-interval leaves the scale, and is cut there
    assert found["95 % interval"] == f"{ours.low:.2f} to 100.00"
    assert found["minus softmax"] == f"+2.00 [{difference.low:+.2f}, {difference.high:+.2f}]"
    assert found["status"] == "2 finished"
    assert row("softmax")["minus softmax"] == "-"


def test_diverged_and_missing_runs_are_counted_and_not_averaged():
    first, second = TABLE[DDA]
    pretend(first, None)
    assert row(DDA)["status"] == "1 diverged, 1 not run"
    assert row(DDA)["here"] == "-"
    pretend(second, 0.95)
    assert row(DDA)["status"] == "1 finished, 1 diverged"
    assert row(DDA)["here"] == "95.00 (1)"


def test_unknown_profile_is_refused():
    with pytest.raises(ConfigError, match="unknown profile 'fast'"):
        report("fast")


def test_markdown_has_a_line_for_each_row():
    table = report("quick")
    lines = to_markdown(table).splitlines()
    assert len(lines) == 2 + len(table)
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| table 3.1 | softmax | 96.78 |")


def test_writing_between_markers_keeps_the_rest_and_is_idempotent(tmp_path):
    file = tmp_path / "README.md"
    file.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for _ in range(2):
        write_between_markers(file, "| new |")
        assert file.read_text() == f"before\n{BEGIN}\n| new |\n{END}\nafter\n"


@pytest.mark.parametrize("content", [None, "", f"only {BEGIN}", f"only {END}", f"{END} turned round {BEGIN}"])
def test_a_file_without_markers_is_left_alone(tmp_path, content):
    file = tmp_path / "README.md"
    if content is not None:
        file.write_text(content)
    with pytest.raises(FercoreError) as error:
        write_between_markers(file, "new")
    assert "README.md has no lines" in one_line(error.value)
    assert (file.read_text() if file.exists() else None) == content
