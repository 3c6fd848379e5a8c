"""The papers' tables on the papers' data: which runs, what they take, and a rehearsal on SimFER's faces in the real layouts."""

import math
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import fercore.papers.report
import fercore.train as loop
from fercore.cli import main, parser
from fercore.cli.papers import find_experiments
from fercore.cli.runs import sweep_configs
from fercore.config import RunConfig
from fercore.course.rehearsal import LAYOUTS, write_layout
from fercore.data.releases import check_dataset
from fercore.errors import ConfigError
from fercore.methods.table import METHODS
from fercore.models.build import build_model
from fercore.papers.budget import batch_images, count, expect, keeping, on_meta, plan, release_images
from fercore.papers.experiments import EXPERIMENTS
from fercore.papers.markdown import to_document
from fercore.papers.published import DATA_NAMES, LAYERS, published
from fercore.papers.report import full_scale_report, full_scale_summary, report, speaks_of
from fercore.papers.tables import OWN_DATA, lacking, on_own_data, runs_for, trainable
from fercore.profiles import PROFILES, RECIPES
from fercore.runs.local import local_folder
from fercore.train import train
from simfer.assets import load_head
from simfer.expression import sample_expression
from simfer.identity import sample_identity
from simfer.render import render
from simfer.wild import sample_scene
from tests.messages import one_line
from tests.papers.pretend import pretend

SMALL = {"image_size": 32, "crop": 28, "width": 1 / 16, "epochs": 1, "batch_size": 24, "pretrained": "none"} | {
    "val_fraction": 0.25
}
FREE = ("table 3.1", LAYERS)  # digits, and no results


# --- which runs -------------------------------------------------------------------------------------------------------


def all_rows():
    return [(table, label, configs) for table in OWN_DATA for rows in on_own_data(table) for label, configs in rows.items()]


def test_every_number_on_licensed_data_has_its_runs():
    rows = all_rows()
    for line in published():
        if line["of"] == "own" and line["item"] not in FREE:
            assert any(t == line["item"] and speaks_of(line, label, configs[0]) for t, label, configs in rows), line


def test_every_row_of_runs_belongs_to_a_number():
    for table, label, configs in all_rows():
        assert any(speaks_of(line, label, configs[0]) for line in published(table)), (table, label)


def test_rows_are_compared_with_softmax_of_their_own_recipe():
    for table in ("table 3.3", "table 3.4", "table 4.1", "table 4.2"):
        for rows in on_own_data(table):
            assert next(iter(rows)).startswith("softmax")
            same = ("data", "epochs", "batch_size", "crop", "lr", "lr_decay", "pretrained")
            recipes = {tuple(getattr(config, key) for key in same) for configs in rows.values() for config in configs}
            assert len(recipes) == 1


@pytest.mark.parametrize(
    ("table", "label", "expected"),
    [  # thesis 3.3.2 and 4.3.1; AMTC3L, IV-B; (N+M) paper, 5.1 and 5.2
        ("table 3.3", "DDA, printed", {"gamma": 5, "epochs": 60, "batch_size": 64, "crop": 90, "pretrained": "imagenet"}),
        ("table 3.4", "DDA, printed", {"gamma": 4, "epochs": 20, "batch_size": 128, "crop": 224, "pretrained": "none"}),
        ("table 4.1", "softmax [MS-CELEB-1M]", {"epochs": 60, "batch_size": 128, "crop": 224, "lr_step": 20}),
        ("table 4.2", "DACL [MS-CELEB-1M]", {"epochs": 20, "batch_size": 128, "crop": 224, "lr_decay": 5, "lr_step": 5}),
        ("table I", "baseline", {"lr": 0.01, "trunk": "resnet50", "augment": "multi-scale", "head": "amtc3l"}),
        ("table II", "pipeline a MM-NSS", {"lr": 0.05, "trunk": "resnet50", "method": "tc3l-mm"}),
        ("table 1", "2B(N+M)Softmax", {"batch_size": 144, "positives": 6, "pretrained": "fer2013", "crop": 48}),
        ("table 2", "2B(N+M)Softmax", {"batch_size": 120, "positives": 5, "negatives": 5, "data": "mmi"}),
        ("table 5", "1B(N+1)Softmax", {"method": "nplus1-1b", "optimizer": "adam", "softmax_of": "queries"}),
    ],
)
def test_the_printed_recipes(table, label, expected):
    configs = next(rows[label] for rows in on_own_data(table) if label in rows)
    for config in configs:
        assert {name: getattr(config, name) for name in expected} == expected
        assert config.profile == "paper"


def test_folds_are_all_tested_once():
    ckplus, mmi = on_own_data("table 3")
    assert [config.fold for config in ckplus["1B(N+1)Softmax"]] == list(range(8))
    assert [config.fold for config in mmi["1B(N+1)Softmax"]] == list(range(10))
    for rows in (ckplus, mmi):
        for configs in rows.values():
            assert len({(config.seed, config.fold) for config in configs}) == len(configs)


def test_tables_share_their_runs():
    for part, whole in (("table 3.3", "table 4.1"), ("table 3.4", "table 4.2"), ("table 1", "table 3"), ("table 4", "table 5")):
        assert set(runs_for([part])) < set(runs_for([whole]))
        assert len(runs_for([part, whole])) == len(runs_for([whole]))


def test_no_experiment_of_the_course_needs_licensed_data():
    """`make results` and `--experiment all` train on every machine, and on photographs where FER2013 is."""
    for name, make in EXPERIMENTS.items():
        for profile in PROFILES:
            data = {config.data for configs in make(profile).values() for config in configs}
            assert data <= {"wmnist", "simfer", "simfer-id"} or (name, data) == ("photographs", {"fer2013"})


def test_an_unknown_table_is_one_line():
    with pytest.raises(ConfigError, match=r"no full-scale runs for 'table 3\.1'; known: table 3\.3"):
        on_own_data("table 3.1")


# --- what is here -----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty data folder; the process stands in another one, where the reader's weights would be looked for."""
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def test_a_run_says_what_it_lacks(folder):
    tuplet = RunConfig(method="nplusm-2b", data="ckplus", profile="paper")
    assert "ckplus (data/README.md" in lacking(tuplet)
    (folder / "ckplus").mkdir(parents=True)
    assert "fer2013 (data/README.md" in lacking(tuplet)
    (folder / "fer2013").mkdir()
    assert lacking(tuplet) == ""
    assert lacking(tuplet.replace(pretrained="msceleb:w.pth")) == "w.pth"


def test_what_can_train_is_told_apart_from_what_cannot(folder):
    with pytest.raises(ConfigError) as error:
        trainable(runs_for(["table 4.1"]), ["table 4.1"])
    assert one_line(error.value).startswith("nothing of table 4.1 can train here: not found: ")
    (folder / "rafdb").mkdir(parents=True)
    runs, lack = trainable(runs_for(["table 4.1", "table 3.4"]), ["table 4.1", "table 3.4"])
    assert len(runs) == 5 * (4 + 6)
    assert {config.data for config in runs} == {"rafdb"}
    assert list(lack.values()) == [5 * 6, 5 * 4]


def test_without_fer2013_every_experiment_trains_but_photographs(folder, capsys):
    options = parser().parse_args(["sweep", "--experiment", "all", "--profile", "quick"])
    wanted = [config for runs in find_experiments(["all"], "quick").values() for config in runs]
    photographed = [config for config in wanted if config.data == "fer2013"]
    assert photographed
    assert sweep_configs(options) == [config for config in wanted if config.data != "fer2013"]
    told = capsys.readouterr().err
    assert told.startswith(f"not trained: {len(photographed)} runs, for ")
    assert "fer2013 (data/README.md" in told
    (folder / "fer2013").mkdir(parents=True)
    assert sweep_configs(options) == wanted


# --- what it takes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("trunk", "multiply_adds"), [("resnet18", 1.81e9), ("resnet50", 4.09e9)])  # torchvision's pages
def test_arithmetic_is_the_published_one(trunk, multiply_adds):
    config = RunConfig(method="softmax", data="rafdb", profile="paper", trunk=trunk, image_size=256, crop=224, batch_size=2)
    image = count(config)
    assert image.forward_flops == pytest.approx(2 * multiply_adds, rel=0.02)
    assert 2.8 < image.flops / image.forward_flops < 3  # backward twice as much, but for the images, which want no gradient


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_counted(method):
    small = {"trunk": "resnet18", "image_size": 40, "crop": 32, "batch_size": 24}
    config = RunConfig(method=method, data="rafdb", profile="paper", pretrained="none", **small)
    image = count(config)
    assert batch_images(config) == 24  # whole tuples of 12 or of 8
    assert image.flops > 2 * image.forward_flops > 0
    assert image.weights >= image.network_weights > 0
    assert image.kept_bytes > 0


def test_what_a_network_is_trained_on_counts_by_its_classes_alone():
    configs = [
        RunConfig(method="nplusm-2b", data=data, profile="paper", pretrained="none") for data in ("sfew", "mmi", "ckplus")
    ]
    for config in configs:
        parts = on_meta(config)
        assert count(config).weights == sum(weight.numel() for part in parts for weight in part.parameters())
    assert count(configs[0]) == count(configs[1]) != count(configs[2])


def test_attention_networks_are_counted():
    plain, dacl = (count(RunConfig(method=m, data="rafdb", profile="paper", **DACL_SIZE)) for m in ("softmax", "dacl"))
    assert dacl.network_weights == plain.network_weights
    assert dacl.weights - plain.weights == pytest.approx(91.9e6, rel=0.01)  # METHODS' CE-Unit and heads at 224 px


DACL_SIZE = {"image_size": 256, "crop": 224, "batch_size": 128, "pretrained": "none"}


def test_kept_memory_is_that_of_a_real_step():
    """By hand, for a network whose kept tensors are plain: the input of each layer, and what ReLU and pooling remember."""
    layers = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 5))
    images = torch.randn(2, 3, 4, 4)
    _, kept = keeping(lambda: layers(images).sum(), [*layers.parameters()])
    convolved = 2 * 8 * 16  # ReLU's output is kept once, though the linear layer keeps a view of it too
    assert kept == 4 * (images.numel() + convolved)


def test_meta_and_cpu_keep_the_same():
    config = RunConfig(method="softmax", data="simfer", profile="quick")
    kept = []
    for device in ("cpu", "meta"):
        with torch.device(device):
            model = build_model(config, 7)
            images = torch.zeros(4, 3, 40, 40)
            labels = torch.zeros(4, dtype=torch.int64)
        loss, bytes_ = keeping(lambda m=model, i=images, t=labels: nn.functional.cross_entropy(m(i)[1], t), model.parameters())
        loss.backward()
        kept.append(bytes_)
    assert kept[0] == pytest.approx(kept[1], rel=0.01)


def test_images_are_those_of_the_release():
    raf = RunConfig(method="softmax", data="rafdb", profile="paper")
    assert release_images(raf) == (12_271 - 1_227, 1_227, 3_068)
    assert release_images(raf.replace(data_fraction=0.5))[2] == 3_068
    assert release_images(RunConfig(method="softmax", data="fer2013", profile="paper")) == (28_709, 3_589, 3_589)
    ckplus = release_images(RunConfig(method="softmax", data="ckplus", profile="paper"))
    assert (sum(ckplus), ckplus[2]) == (981, round(981 / 8))
    with pytest.raises(ConfigError, match="simfer has no release"):
        release_images(RunConfig(method="softmax", data="simfer", profile="paper"))


def test_a_tuple_costs_its_images():
    config = RunConfig(method="nplusm-2b", data="sfew", profile="paper")
    need, train_images = expect(config), release_images(config)[0]
    assert need.train_images == 12 * train_images * config.epochs
    image = count(config.replace(seed=0))
    assert need.flops == pytest.approx(need.train_images * image.flops, rel=0.02)


def test_disk_is_counted_exactly():
    config = RunConfig(method="softmax", data="rafdb", profile="paper", epochs=7)
    need = expect(config)
    assert need.store_bytes == 15_339 * 3 * 100**2
    weights = sum(weight.numel() for weight in build_model(config, 7).parameters())
    assert need.run_bytes == 4 * 2 * weights
    assert need.gpu_bytes > 14 * weights
    assert expect(config.replace(epochs=14)).flops == pytest.approx(2 * need.flops, rel=0.02)


def test_a_run_takes_the_longer_of_arithmetic_and_steps():
    need = expect(RunConfig(method="softmax", data="rafdb", profile="paper"))
    assert need.steps == math.ceil(11_044 * 60 / 64)
    assert need.minutes(1.0, step_ms=0.001) == need.flops / 1e12 / 60
    assert need.minutes(1.0, step_ms=0.001) == 2 * need.minutes(2.0, step_ms=0.001)
    assert need.minutes(1000.0, step_ms=6.0) == need.steps * 0.006 / 60


def test_a_plan_counts_shared_runs_once():
    table = plan(["table 1", "table 3"], tflops=30.0, gpus=2).set_index("table")
    assert list(table.index) == ["table 1", "table 3", "together"]
    assert list(table["runs"]) == [8, 4 * 18, 4 * 18]
    assert list(table["pre-trainings"]) == [1, 1, 1]
    assert table.loc["together", "hours"] == pytest.approx(table.loc["table 3", "hours"])
    alone = plan(["table 1"], tflops=30.0, gpus=1)["hours"].iloc[0]
    assert alone == pytest.approx(2 * table.loc["table 1", "hours"])
    assert table.loc["table 3", "data"] == "CK+, MMI"


def test_the_command_prints_a_plan(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["plan", "--table", "table 1", "--table", "table 4", "--gpus", "4"])
    assert not exit_.value.code
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:3]] == [["table", "1"], ["table", "4"]]
    assert lines[-2].startswith("computed, not measured, for 4 GPUs that sustain, each, 30 TFLOP/s")


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "--table", "table 9"], "error: no full-scale runs for 'table 9'"),
        (["sweep", "--table", "table 3.3"], "error: nothing of table 3.3 can train here"),
        (["sweep", "--table", "table 3.3", "--set", "epochs=1"], "error: --table says what trains"),
        (["plan", "--tflops", "0"], "error: --tflops must be a number above 0"),
        (["plan", "--tflops", "nan"], "error: --tflops must be a number above 0"),
        (["plan", "--table", "table 9"], "error: no full-scale runs for 'table 9'"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_cannot_be_is_one_line(arguments, message):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert one_line(exit_.value.code).startswith(message)


def test_a_table_is_one_command(folder, capsys):
    (folder / "rafdb").mkdir(parents=True)
    for config in trainable(runs_for(["table 4.1"]), [])[0]:
        pretend(config, 0.8, FACES)
    (folder / "rafdb").rmdir()
    with pytest.raises(SystemExit) as exit_:
        main(["sweep", "--table", "table 4.1"])
    assert not exit_.value.code
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 1 + 5 * 10
    lack, about = told.err.splitlines()
    assert lack.startswith("not trained: 30 runs, for ")
    assert about == "rafdb is not here: results on it are about the images that they were trained on"


# --- results ----------------------------------------------------------------------------------------------------------

FACES = ["Surprise", "Fear", "Disgust", "Happiness", "Sadness", "Anger", "Neutral"]


def test_nothing_has_run_and_that_is_said():
    assert set(full_scale_report()["status"]) == {"not run"}
    tables = full_scale_summary()
    assert set(tables["here"]) == {"not run"}
    own = sum(line["of"] == "own" and line["item"] not in FREE for line in published())
    assert tables["its own"].sum() == own
    assert "| thesis, table 3.3 | RAF-DB | 6 | not run |" in to_document("quick")


def test_finished_runs_stand_in_the_papers_own_column():
    rows = on_own_data("table 3.3")[0]
    for label, accuracy in (("softmax", 0.85), ("DDA, released", 0.86)):
        for config in rows[label]:
            pretend(config, accuracy, FACES)
    table = full_scale_report("table 3.3").set_index(["row", "measure"])
    dda = table.loc["DDA, released", "accuracy"]
    assert (dda["paper"], dda["here on"], dda["here"], dda["status"]) == ("86.90", "RAF-DB", "86.00 ± 0.00 (5)", "5 finished")
    assert dda["minus baseline"].startswith("+1.00")
    assert table.loc["center loss", "accuracy"]["status"] == "not run"
    summary = full_scale_summary().set_index("table")
    assert summary.loc["thesis, table 3.3", "here"] == 4  # two rows, two measures
    assert summary.loc["thesis, table 4.1", "here"] == 4  # the same runs, [ImageNet]
    at_paper = report("paper", "table 3.3")
    both = at_paper[at_paper["row"] == "softmax"]
    assert set(both["here on"]) == {"SimFER rafdb, published schedule (stand-in)", "RAF-DB"}
    assert "RAF-DB" not in set(report("laptop", "table 3.3")["here on"])


def test_a_number_of_one_set_is_not_shown_beside_another_sets():
    ckplus = on_own_data("table 3")[0]
    pretend(ckplus["2B(N+M)Softmax"][0], 0.9, FACES)
    table = full_scale_report("table 3")
    found = table[table["row"] == "2B(N+M)Softmax"].set_index("data")
    assert found["status"].to_dict() == {"CK+": "1 finished, 7 not run", "MMI": "not run"}


# --- the rehearsal ----------------------------------------------------------------------------------------------------


@cache
def face(number: int, label: int) -> Image.Image:
    """A SimFER face of a class; disgust stands in for contempt, which SimFER does not show."""
    rng = np.random.default_rng([label, number])
    expression = sample_expression({7: 2}.get(label, label), rng)
    return render(sample_identity(load_head(), rng), expression, sample_scene(rng), size=48)


@pytest.fixture(scope="module")
def all_trees(tmp_path_factory):
    """Every set in its release's layout, with a few SimFER faces that show what their labels say."""
    data = tmp_path_factory.mktemp("data")
    for name in LAYOUTS:
        write_layout(name, data / name, lambda number, label: face(number % 3, label), times=4)
    return data


@pytest.fixture
def trees(all_trees, folder, monkeypatch):
    """`all_trees` as the data folder, in the place of the empty one."""
    monkeypatch.setenv("FERCORE_DATA", str(all_trees))
    return all_trees


def small(table: str, **_: object) -> list:
    return on_own_data(table, **SMALL)


def test_a_tree_is_readable_and_never_taken_for_the_release(trees):
    for name in LAYOUTS:
        table, agrees = check_dataset(name, trees / name)
        assert not agrees
        assert "unreadable images: 0" in table
        assert f"{name}" in table.splitlines()[-1]


@pytest.mark.parametrize(
    ("table", "data", "label"),
    [
        ("table 3.3", "RAF-DB", "DDA, released"),
        ("table 3.4", "AffectNet", "center loss"),
        ("table 4.1", "RAF-DB", "DACL [MS-CELEB-1M], ImageNet's weights"),
        ("table 4.2", "AffectNet", "g-DACL [MS-CELEB-1M], ImageNet's weights"),
        ("table I", "RAF-DB", "MM-NSS"),
        ("table II", "RAF-DB", "pipeline a NS-NSS"),
        ("table 1", "CK+", "2B(N+M)Softmax"),
        ("table 2", "MMI", "2B(N+M)Softmax"),
        ("table 3", "MMI", "2B(N+1)Softmax"),
        ("table 5", "SFEW", "1B(N+1)Softmax"),
    ],
)
@pytest.mark.usefixtures("trees")
def test_a_row_of_every_table_trains_and_is_reported(table, data, label, monkeypatch):
    """The published recipe from the reader to the report's row; the network, the images and the epochs alone are small."""
    monkeypatch.setattr(fercore.papers.report, "on_own_data", small)
    experiment = next(rows for rows in small(table) if label in rows and data == named(rows[label][0]))
    result = train(experiment[label][0], device="cpu")
    assert result.status == "finished"
    found = full_scale_report(table)
    line = found[(found["row"] == label) & (found["data"] == data)].iloc[0]
    assert line["here on"] == data
    assert line["status"] == f"1 finished, {len(experiment[label]) - 1} not run"
    assert math.isfinite(float(line["here"].split()[0])) or line["measure"] not in ("accuracy", "balanced accuracy")


def named(config: RunConfig) -> str:
    return DATA_NAMES[config.data]


@pytest.mark.usefixtures("trees")
def test_tuplets_start_from_one_training_on_fer2013(monkeypatch, fits):
    monkeypatch.setitem(RECIPES["fer2013"]["paper"], "epochs", 1)
    configs = on_own_data("table 4", **SMALL | {"pretrained": "fer2013"})[0]["2B(N+M)Softmax"]
    first = {config.pretraining for config in configs}
    assert len(first) == 1
    loaded, load = [], loop.load_weights
    monkeypatch.setattr(loop, "load_weights", lambda model, source: loaded.append(source) or load(model, source))
    for config in configs[:2]:
        train(config, device="cpu")
    assert [config.data for config in fits] == ["sfew", "fer2013", "sfew"]
    assert set(loaded) == {local_folder(first.pop()) / "best.safetensors"}


def test_fer2013_does_not_start_from_itself():
    with pytest.raises(ConfigError, match="pretrained=fer2013 is what data=fer2013 makes"):
        RunConfig(method="softmax", data="fer2013", profile="paper", pretrained="fer2013")
