"""What ruins results: found by `data check`, left out where a config says so; and how a set of one's own is divided."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fercore.config import RunConfig
from fercore.data import load_data
from fercore.data.doubts import digest_of, number_images, of_one_gray, of_several_labels
from fercore.data.releases import check_dataset
from fercore.data.splits import Splits
from fercore.errors import ConfigError, DataError
from tests.data import trees
from tests.data.trees import class_folders
from tests.messages import one_line

OPTIONS = {"preset": None, "image_size": 24, "fraction": 1.0, "val_fraction": 0.25, "fold": None}


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "data"))


def load(root: Path, **options: object) -> Splits:
    return load_data(f"folder:{root}", **OPTIONS | options)


@pytest.fixture
def doubtful(tmp_path: Path) -> Path:
    """Two classes in three parts; of training one image is in test, one in validation, one twice with two labels, one gray."""
    root = tmp_path / "set"
    class_folders(root, ["dull", "keen"], {"train": (8, 8), "val": (4, 4), "test": (4, 4)})
    copies = {  # to -> from
        "train/dull/as_test.png": "test/dull/0024.jpg",
        "train/keen/as_val.png": "val/keen/0020.jpg",
        "val/keen/as_test.png": "test/keen/0029.jpg",
        "train/dull/two.png": "train/keen/0008.jpg",
        "train/dull/again.png": "train/dull/0001.jpg",
    }
    for to, origin in copies.items():
        with Image.open(root / origin) as image:
            image.save(root / to)
    Image.new("L", (20, 20), 7).save(root / "train/dull/gray.png")
    return root


# --- finding ----------------------------------------------------------------------------------------------------------


def test_equal_images_have_equal_numbers():
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 4), dtype=np.uint8)
    images[3] = images[1]
    digests = np.frombuffer(b"".join(map(digest_of, images)), np.uint8).reshape(5, -1)
    numbers = number_images(digests)
    assert numbers[3] == numbers[1]
    assert len(set(numbers)) == 4
    assert of_several_labels(numbers, np.array([0, 0, 1, 1, 0])).tolist() == [False, True, False, True, False]
    assert not of_several_labels(numbers, np.array([0, 1, 1, 1, 0])).any()
    assert of_several_labels(numbers[:0], numbers[:0]).tolist() == []


def test_images_of_one_gray_are_known_by_their_digests():
    images = [np.full((3, 6, 6), 0, np.uint8), np.full((3, 6, 6), 200, np.uint8), np.full((3, 6, 6), 200, np.uint8)]
    images[2][0, 0, 0] = 201
    digests = np.frombuffer(b"".join(map(digest_of, images)), np.uint8).reshape(3, -1)
    assert of_one_gray(digests, 6).tolist() == [True, True, False]


def test_check_tells_what_ruins_results(doubtful):
    told, readable = check_dataset("folder", doubtful)
    assert readable
    for line in (
        "doubtful: 1 of val are images of train, pixel for pixel",
        "doubtful: 1 of test are images of train, pixel for pixel",
        "doubtful: 1 of test are images of val, pixel for pixel",
        "doubtful: 2 of train are there before",
        "doubtful: 1 images under more than one label, 2 times in all",
        "doubtful: 1 images of one gray value",
        "doubtful: 2 different sizes, from 20 x 20 to 32 x 32",
    ):
        assert line in told, told
    assert told.endswith("can be trained on")


def test_check_tells_a_copy_that_is_not_exact(tmp_path):
    class_folders(tmp_path, ["a", "b"], {"train": (3, 3), "test": (2, 2)})
    rising = np.tile(np.arange(0, 192, 3, dtype=np.uint8), (32, 1))
    picture = Image.fromarray(np.concatenate([rising, rising[:, ::-1]]))
    picture.save(tmp_path / "train/a/x.png")
    picture.resize((40, 40)).save(tmp_path / "test/a/x.jpg")
    assert "0 of test are images of train, pixel for pixel, and 1 more look like one" in check_dataset("folder", tmp_path)[0]


def test_check_tells_absent_classes_and_people_in_two_splits(tmp_path):
    class_folders(tmp_path, ["a", "b", "c"], {"train": (3, 3, 3), "test": (2, 2, 0)})
    (tmp_path / "test" / "c").mkdir()
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.jpg"))
    trees.write_table(tmp_path / "identities.csv", "file,identity", [(file, f"actor {i % 12}") for i, file in enumerate(files)])
    told = check_dataset("folder", tmp_path)[0]
    assert "doubtful: no images of c in test" in told
    assert "doubtful: 1 people are in test and in another split" in told


def test_check_tells_classes_that_are_too_small_to_be_divided(tmp_path):
    class_folders(tmp_path, ["a", "b", "c"], {"": (3, 2, 1)})
    assert "doubtful: fewer than 3 images of b, c: not every split has one" in check_dataset("folder", tmp_path)[0]


def test_nothing_is_told_of_a_set_without_fault(tmp_path):
    class_folders(tmp_path, ["a", "b"], {"train": (5, 5), "test": (3, 3)})
    assert "doubtful" not in check_dataset("folder", tmp_path)[0]


# --- leaving out ------------------------------------------------------------------------------------------------------


def test_a_result_can_tell_which_test_images_are_training_images(doubtful):
    data = load(doubtful)
    assert data.copies.sum() == 1
    assert len(data.copies) == len(data.test) == 8


def test_doubtful_images_are_dropped_from_training_and_validation_alone(doubtful, capsys):
    everything, kept = load(doubtful), load(doubtful, doubtful="dropped")
    assert "doubtful images dropped: 5 of training, 1 of validation" in capsys.readouterr().err
    assert len(everything.train) == 21
    assert len(kept.train) == 16
    assert (len(everything.val), len(kept.val)) == (9, 8)
    assert (kept.test.images[:] == everything.test.images[:]).all()
    assert not kept.copies.any()
    assert kept.fingerprint != everything.fingerprint
    assert load(doubtful, doubtful="dropped").fingerprint == kept.fingerprint


def test_the_fingerprint_is_of_contents_and_not_of_times(doubtful):
    before = load(doubtful).fingerprint
    for file in doubtful.rglob("*.jpg"):
        file.touch()
    assert load(doubtful).fingerprint == before
    moved = doubtful.rename(doubtful.parent / "elsewhere")
    assert load(moved).fingerprint == before
    (moved / "train/dull/0003.jpg").rename(moved / "train/keen/0003.jpg")  # a label mended in place
    assert load(moved).fingerprint != before


def test_a_config_names_what_is_dropped():
    config = RunConfig(method="softmax", data="folder:/faces", doubtful="dropped")
    assert config.data_options["doubtful"] == "dropped"
    assert config.id != RunConfig(method="softmax", data="folder:/faces").id
    with pytest.raises(ConfigError, match="doubtful must be one of dropped"):
        RunConfig(method="softmax", data="folder:/faces", doubtful="yes")


# --- one's own --------------------------------------------------------------------------------------------------------


def test_a_heap_is_divided_by_class_and_always_in_the_same_way(tmp_path):
    trees.own_heap(tmp_path)
    data = load(tmp_path)
    assert data.class_names == ("Surprise", "Happiness", "Sadness")  # in canonical order, by their usual names
    counts = {name: np.bincount(getattr(data, name).labels).tolist() for name in ("train", "val", "test")}
    assert counts == {"train": [6] * 3, "val": [2] * 3, "test": [2] * 3}
    assert load(tmp_path).fingerprint == data.fingerprint


def test_a_heap_is_divided_by_people_where_a_pattern_tells_them(tmp_path):
    for person in range(10):
        class_folders(tmp_path, ["up", "down"], {"": (3, 3)}, file=f"P{person}_{{i}}.png")
    data = load(tmp_path, person=r"(?P<person>P\d+)_")
    people = [set(getattr(data, name).identities.tolist()) for name in ("train", "val", "test")]
    assert sum(map(len, people)) == len(set.union(*people)) == 10
    assert len(people[2]) == 2


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("(", "is no pattern"),
        ("P[0-9]+", "no group person"),
        ("(?P<person>X)", "does not tell who is seen"),
        ("(?P<person>X)?P", "does not tell who is seen"),
    ],
)
def test_a_pattern_that_tells_nobody_is_refused(tmp_path, pattern, named):
    class_folders(tmp_path, ["up", "down"], {"": (3, 3)}, file="P_{i}.png")
    with pytest.raises((ConfigError, DataError), match=named) as error:
        load(tmp_path, person=pattern)
    assert one_line(error.value)


def test_minority_classes_are_found_from_the_counts(tmp_path):
    trees.own(tmp_path)
    data = load(tmp_path)
    assert data.class_names == ("bored", "curious", "Zen")
    assert data.minority == (2,)


def test_a_class_without_test_images_is_left_out_of_minority_figures_and_said(tmp_path, capsys):
    class_folders(tmp_path, ["a", "b", "c"], {"train": (9, 9, 2), "test": (2, 2, 0)})
    assert load(tmp_path).minority == ()
    assert "no test images of c, which balanced and minority figures leave out" in capsys.readouterr().err


def test_too_few_images_for_three_splits_are_refused(tmp_path):
    class_folders(tmp_path, ["a", "b"], {"": (1, 1)})
    with pytest.raises(DataError, match=r"too few images for three splits: none is left for validation; add images") as error:
        load(tmp_path)
    assert one_line(error.value)


@pytest.mark.parametrize(
    ("counts", "files", "options"),
    [
        ((1, 1, 1), "{i}.jpg", {}),
        ((2, 2), "{i}.jpg", {}),
        ((6, 6), "S1_{i}.jpg", {"person": r"(?P<person>S\d)_"}),
        ((6, 6), "S{i}_.jpg", {"person": r"(?P<person>S1|S)"}),
        ((2, 2), "{i}.jpg", {"doubtful": "dropped"}),
    ],
    ids=["one-a-class", "two-a-class", "one-person", "two-people", "doubtful"],
)
def test_check_refuses_what_training_refuses_in_its_words(tmp_path, counts, files, options):
    image = (lambda i: trees.draw(0)) if "doubtful" in options else trees.draw
    class_folders(tmp_path, "abc"[: len(counts)], {"": counts}, image, files)
    with pytest.raises(DataError) as error:
        load(tmp_path, **options)
    told, ok = check_dataset("folder", tmp_path, val_fraction=OPTIONS["val_fraction"], **options)
    assert not ok
    assert f"no training: {error.value}\n" in told
    assert told.endswith("can NOT be trained on")


def test_check_tells_how_ones_own_is_cut(tmp_path):
    class_folders(tmp_path, ["a", "b"], {"": (10, 20)})
    data = load(tmp_path)
    told, ok = check_dataset("folder", tmp_path, val_fraction=OPTIONS["val_fraction"])
    assert ok
    assert f"cut for training: train {len(data.train)}, val {len(data.val)}, test {len(data.test)}\n" in told


def test_the_table_of_ckplus_takes_no_fold_but_the_first(tmp_path):
    trees.ckplus_table(tmp_path)
    data = load_data(f"ckplus:{tmp_path}", **OPTIONS | {"fold": 0})
    assert [len(getattr(data, name)) for name in ("train", "val", "test")] == [8, 8, 8]
    with pytest.raises(ConfigError, match="no folds"):
        load_data(f"ckplus:{tmp_path}", **OPTIONS | {"fold": 1})


def test_eight_classes_are_kept_where_they_are_asked_for(tmp_path):
    trees.affectnet_folders(tmp_path)
    assert load_data(f"affectnet:{tmp_path}", **OPTIONS).num_classes == 7
    assert load_data(f"affectnet:{tmp_path}", **OPTIONS | {"classes": 8}).num_classes == 8
