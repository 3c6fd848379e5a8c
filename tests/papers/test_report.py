"""The report over made-up results in a store of its own."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from fercore.cli.options import formatted
from fercore.config import RunConfig
from fercore.errors import ConfigError, FercoreError
from fercore.evaluation.compare import compare
from fercore.evaluation.stats import estimate
from fercore.papers.claims import claims_table, tally
from fercore.papers.experiments import EXPERIMENTS, PAPER_TABLES, tuplet_accuracies
from fercore.papers.markdown import to_document, to_markdown, to_verdicts, training_hours, write_between_markers
from fercore.papers.published import LAYERS, published
from fercore.papers.report import baseline_of, full_scale_summary, measured_on, report, summary, table_report
from fercore.papers.tables import on_simfer
from fercore.papers.words import words_table
from fercore.paths import FIGURES, ROOT
from fercore.profiles import PROFILES
from fercore.runs.find import find_record
from tests.messages import one_line
from tests.papers.pretend import pretend

pytestmark = pytest.mark.usefixtures("no_data")
TUPLET_TABLES = tuple(f"table {number}" for number in range(1, 6))
FACES = ["Surprise", "Fear", "Disgust", "Happiness", "Sadness", "Anger", "Neutral"]


def row(name: str) -> dict[str, str]:
    table = table_report("table 3.1", "quick")
    return table[table["row"] == name].iloc[0].to_dict()


TABLE = PAPER_TABLES["table 3.1"]("quick")
DDA = "DDA gamma 1, released"


@pytest.mark.parametrize("profile", PROFILES)
def test_what_runs_beside_a_table_is_named_as_its_own_rows(profile):
    for item, make in PAPER_TABLES.items():
        own = {line["row"] for line in published(item) if line["of"] == "own"}
        assert {label.split(",")[0] for label in make(profile)} <= own


@pytest.mark.parametrize("profile", PROFILES)
def test_experiments_name_no_run_twice_in_a_row(profile):
    for make in EXPERIMENTS.values():
        for configs in make(profile).values():
            assert len(set(configs)) == len(configs)
            assert len({(config.seed, config.fold) for config in configs}) == len(configs)
            assert {config.profile for config in configs} == {profile}


def test_nothing_is_trained_and_not_run_is_said():
    table = table_report("table 3.1", "quick")
    assert set(table["row"]) == set(TABLE)
    told = table_report("table 3.1", "laptop")["row"]
    assert {line["row"] for line in published("table 3.1")} == {label.split(",")[0] for label in told}
    assert set(table["status"]) == {"not run"}
    assert set(table["here"]) == {"-"}


def test_every_published_number_is_in_the_report_with_a_status():
    table = report("quick")
    told = {
        (item, row.split(",")[0], measure, data)
        for item, row, measure, data in table[["item", "row", "measure", "data"]].values
    }
    assert told == {(line["item"], line["row"], line["column"], line["data"]) for line in published()}
    statuses = table.groupby("item")["status"].unique()
    assert set(statuses[LAYERS]) == {"layer size"}
    assert set(statuses["table 3"]) == {"not run", "quoted"}
    quoted = sum(line["of"] == "quoted" for line in published())
    assert (table["status"] == "quoted").sum() == quoted


def stand_in(profile):
    """Two rows of table 4.1 on SimFER, one of them in two readings, and one on RAF-DB itself."""
    own, other = on_simfer({"softmax": {"method": "softmax"}, "DACL": {"method": "dacl"}}, profile).values()
    real = [RunConfig(method="dacl", data="rafdb:somewhere", profile=profile, seed=0)]
    name = "[MS-CELEB-1M]"
    return {f"softmax {name}": own, f"DACL {name}, stand-in": other, f"DACL {name}, real": real}


@pytest.fixture
def table_4_1(monkeypatch):
    monkeypatch.setitem(PAPER_TABLES, "table 4.1", stand_in)
    rows = list(stand_in("quick").values())
    for config, accuracy in zip(rows[0] + rows[1], (0.6, 0.7, 0.65, 0.85), strict=True):
        pretend(config, accuracy, FACES)
    pretend(rows[2][0], 0.875, FACES)
    table = report("quick", "table 4.1")
    return table.set_index(["row", "measure"])


def test_programs_get_numbers_for_what_a_reader_gets_in_words(table_4_1):
    """Each in a column of its own, unrounded, and nothing where there is nothing."""
    rows = json.loads(formatted(report("quick", "table 4.1", as_numbers=True).to_dict("records"), "json"))
    assert len(rows) == len(table_4_1)
    found = {(row["row"], row["measure"]): row for row in rows}
    two, one, none = (found[name, "accuracy"] for name in ("DACL [MS-CELEB-1M], stand-in", "DACL [MS-CELEB-1M], real", "ALT"))
    assert (two["paper"], two["mean"], two["n"]) == (87.78, pytest.approx(75), 2)
    assert two["std"] == pytest.approx(200**0.5)
    assert (two["difference"], two["pairs"]) == (pytest.approx(10), 2)
    assert two["difference low"] < two["difference"] < two["difference high"]
    assert (one["mean"], one["n"], one["std"], one["low"]) == (pytest.approx(87.5), 1, None, None)
    assert (none["here on"], none["mean"], none["n"], none["difference"], none["runs"]) == (None, None, 0, None, None)
    assert [len(row["runs"].split()) for row in (two, one)] == [2, 1]
    assert all(find_record(run).config.method == "dacl" for run in two["runs"].split())
    assert not [row for row in rows if "-" in row.values()]


def test_a_stand_in_is_never_taken_for_the_papers_data(table_4_1):
    found = table_4_1.loc["DACL [MS-CELEB-1M], stand-in", "accuracy"]
    assert (found["paper"], found["here"]) == ("87.78", "75.00 ± 14.14 (2)")
    assert (found["data"], found["here on"]) == ("RAF-DB", "SimFER quick (stand-in)")
    assert found["minus baseline"].startswith("+10.00 [")
    real = table_4_1.loc["DACL [MS-CELEB-1M], real", "accuracy"]
    assert (real["here on"], real["here"], real["status"]) == ("RAF-DB", "87.50 (1)", "1 finished")
    assert table_4_1.loc["g-DACL [MS-CELEB-1M]", "accuracy"]["status"] == "not run"
    assert table_4_1.loc["ALT", "accuracy"]["status"] == "quoted"


@pytest.mark.usefixtures("table_4_1")
def test_summary_counts_numbers_not_readings():
    line = summary("quick").set_index("table").loc["thesis, table 4.1"]
    assert line.to_dict() == {
        "measured on": "RAF-DB",
        "numbers": "28",
        "its own": "16",
        "of these here": "2",  # two measures of DACL, whose two readings are one number of the paper
        "the same again": "2",  # softmax's are those of table 3.3
        "here on": "SimFER quick (stand-in); RAF-DB",
    }


def test_summary_counts_a_set_of_runs_once_whatever_it_stands_for():
    for configs in tuplet_accuracies("quick").values():
        for config in configs:
            pretend(config, 0.8, FACES)
    lines = summary("quick").set_index("table")
    counted = {item: tuple(lines.loc[f"(N+M)-tuplet, {item}", ["of these here", "the same again"]]) for item in TUPLET_TABLES}
    assert counted == {
        "table 1": ("36", "0"),
        "table 2": ("0", "36"),
        "table 3": ("1", "1"),
        "table 4": ("13", "36"),  # SFEW has a seventh class
        "table 5": ("0", "1"),
    }


def test_recalls_and_confusions_are_read_off_the_confusion_matrix():
    configs = stand_in("quick")["softmax [MS-CELEB-1M]"][:1]
    pretend(configs[0], 0.8, FACES)

    def here(metric):
        return compare(configs, configs, metric)["here"]

    assert [here(metric) for metric in ("recall Fear", "Fear as Fear", "Fear as Disgust", "Disgust as Fear")] == [
        "80.00 (1)",
        "80.00 (1)",
        "20.00 (1)",
        "0.00 (1)",
    ]
    assert here("Contempt as Fear") == here("Fear as Contempt") == "-"
    assert compare(configs, configs, "recall Contempt")["status"] == "no such class here"


def test_accuracy_of_sequences_where_the_set_has_them():
    config = RunConfig(method="softmax", data="ckplus:somewhere", profile="quick", seed=0)
    pretend(config, 0.8, FACES, sequence_accuracy=0.9)
    assert compare([config], [config])["here"] == "90.00 (1)"
    pretend(config, 0.8, FACES, sequence_accuracy=0.9, sequence_confusion=(5 * np.eye(7, dtype=int)).tolist())
    assert compare([config], [config], "Fear as Fear")["here"] == "100.00 (1)"
    assert compare([config], [config], "balanced accuracy")["here"] == "100.00 (1)"
    images = RunConfig(method="softmax", data="mmi:somewhere", profile="quick", seed=0)  # published in images (E18)
    pretend(images, 0.8, FACES, sequence_accuracy=0.9)
    assert compare([images], [images])["here"] == "80.00 (1)"


def test_folds_are_paired_by_fold():
    folds = [RunConfig(method="softmax", data="ckplus:somewhere", profile="quick", fold=fold) for fold in range(3)]
    others = [config.replace(width=0.5) for config in folds]
    for fold, config in enumerate(folds):
        pretend(config, 0.5 + 0.1 * fold, FACES)
        pretend(others[fold], 0.6 + 0.1 * fold, FACES)
    ours = compare(others, folds)
    assert ours["here"].endswith("(3)")
    assert ours["minus softmax"].startswith("+10.00 [+10.00")


def test_baseline_is_softmax_of_the_same_pretraining_else_the_first_row():
    rows = ("softmax [A]", "DDA [A]", "softmax [B]", "DACL [B], one way", "odd [C]")
    assert [baseline_of(dict.fromkeys(rows), row) for row in rows] == [rows[0], rows[0], rows[2], rows[2], rows[0]]
    assert baseline_of(dict.fromkeys(("softmax", "DDA gamma 1, printed")), "DDA gamma 1, printed") == "softmax"
    readings = ("softmax", "DDA gamma 1, printed", "softmax, normalized, own rate", "center loss, normalized, own rate")
    assert [baseline_of(dict.fromkeys(readings), row) for row in readings] == [readings[0]] * 2 + [readings[2]] * 2
    assert baseline_of(dict.fromkeys(("baseline", "pipeline a MS-NSS")), "pipeline a MS-NSS") == "baseline"


def test_measured_on_names_the_preset_and_says_stand_in():
    simfer = RunConfig(method="softmax", data="simfer", profile="quick", seed=0)
    assert measured_on(simfer, "RAF-DB") == "SimFER quick (stand-in)"
    assert measured_on(RunConfig(method="softmax", profile="quick", seed=0), "W-MNIST") == "W-MNIST"


def test_hours_are_those_of_all_that_was_trained(monkeypatch):
    half_hours = [SimpleNamespace(provenance={"seconds": 1800}, diverged=diverged) for diverged in (False, True, False)]
    monkeypatch.setattr("fercore.papers.markdown.stored", lambda configs: half_hours)
    assert " trainings: 2 finished, 1 diverged, " in training_hours("quick")
    assert "add up to 1.5 hours" in training_hours("quick")


def test_the_document_shows_every_table():
    document, verdicts = to_document("quick"), claims_table("quick")
    tables = [full_scale_summary(), summary("quick"), verdicts, tally(verdicts), words_table("quick")]
    lines = len(report("quick")) + 2 * 13 + sum(len(table) + 2 for table in tables)  # and two of headings each
    for item in dict.fromkeys(line["item"] for line in published()):
        assert f", {item}\n" in document
        assert f", {item} |" in document
    assert sum(line.startswith("| ") for line in document.splitlines()) == lines
    assert "doubtful: 7 of 23 would be 30.43" in document


def test_unknown_table_is_refused():
    with pytest.raises(ConfigError, match="unknown table 'table 9'"):
        report("quick", "table 9")


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
    table = table_report("table 3.1", "quick")
    lines = to_markdown(table).splitlines()
    assert len(lines) == 2 + len(table)
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| table 3.1 | softmax | 96.78 |")


@pytest.mark.usefixtures("shipped_results")
def test_the_committed_pages_say_what_the_shipped_results_say():
    assert (FIGURES / "REPORT.md").read_text() == to_document(), "make figures"
    assert f"\n{to_verdicts()}\n{END}" in (ROOT / "README.md").read_text(), "make figures"


BEGIN, END = "<!-- verdicts: begin (made by `make figures`) -->", "<!-- verdicts: end -->"


def test_writing_between_markers_keeps_the_rest_and_is_idempotent(tmp_path):
    file = tmp_path / "README.md"
    file.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for _ in range(2):
        write_between_markers(file, "verdicts", "| new |")
        assert file.read_text() == f"before\n{BEGIN}\n| new |\n{END}\nafter\n"


@pytest.mark.parametrize("content", [None, "", f"only {BEGIN}", f"only {END}", f"{END} turned round {BEGIN}"])
def test_a_file_without_markers_is_left_alone(tmp_path, content):
    file = tmp_path / "README.md"
    if content is not None:
        file.write_text(content)
    with pytest.raises(FercoreError) as error:
        write_between_markers(file, "verdicts", "new")
    assert "README.md has no lines" in one_line(error.value)
    assert (file.read_text() if file.exists() else None) == content
