"""Every reader on a small tree in the exact layout: counts, classes by name, identities, sequences, splits."""

import shutil

import numpy as np
import pytest
from PIL import Image

from fercore.cli import main
from fercore.course import rehearsal as layouts
from fercore.data import releases as check
from fercore.data.readers.catalog import CLASS_NAMES
from fercore.data.readers.sequences import middle
from fercore.data.readers.table import READERS, SETS
from fercore.data.releases import EXPECTED, check_dataset
from fercore.data.splits import subject_folds
from fercore.errors import ConfigError
from tests.data import trees
from tests.data.trees import TREES

SURPRISE, FEAR, DISGUST, HAPPINESS, SADNESS, ANGER, NEUTRAL, CONTEMPT = range(8)


def counts(catalog, split: str) -> list[int]:
    return np.bincount(catalog.labels[catalog.splits == split], minlength=len(catalog.class_names)).tolist()


# --- what holds for all -----------------------------------------------------------------------------------------------


def test_the_registry_has_every_set():
    assert sorted(READERS) == sorted([*SETS, "simfer"])
    assert {reader for reader, _ in TREES.values()} == set(READERS)


@pytest.mark.parametrize("layout", TREES)
def test_a_catalog_is_consistent(tmp_path, layout):
    name, build = TREES[layout]
    build(tmp_path)
    catalog = READERS[name](tmp_path)
    assert catalog.name == name
    assert catalog.root.is_relative_to(tmp_path)
    assert len(catalog) == len(catalog.splits) == (len(catalog.files) or len(catalog.pixels))
    assert catalog.labels.dtype == np.int64
    assert catalog.class_names[:7] == CLASS_NAMES or name == "folder"
    assert 0 <= catalog.labels.min() <= catalog.labels.max() < len(catalog.class_names)
    assert len(set(catalog.files)) == len(catalog.files)
    assert all(file.is_file() for file in catalog.files)
    for extra in (catalog.identities, catalog.sequences):
        assert extra is None or (extra.dtype == np.int64 and extra.shape == catalog.labels.shape)
    assert set(catalog.splits) in ({"all"}, {"train", "test"}, {"train", "val", "test"})
    again = READERS[name](tmp_path)
    assert again.files == catalog.files
    assert (again.labels == catalog.labels).all()


@pytest.mark.parametrize("layout", TREES)
def test_upper_case_extensions_are_read(tmp_path, layout):
    name, build = TREES[layout]
    build(tmp_path)
    before = READERS[name](tmp_path)
    for file in [path for path in tmp_path.rglob("*") if path.suffix in (".jpg", ".png")]:
        file.rename(file.with_suffix(file.suffix.upper()))
    after = READERS[name](tmp_path)
    assert [file.name.lower() for file in after.files] == [file.name.lower() for file in before.files]
    assert (after.labels == before.labels).all()
    assert after.skipped == before.skipped


@pytest.mark.parametrize(
    "layout", ["rafdb", "affectnet", "fer2013", "fer2013-icml", "ferplus", "mmi-table", "sfew-identities", "ckplus"]
)
def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path, layout):
    name, build = TREES[layout]
    build(tmp_path)
    before = READERS[name](tmp_path)
    for file in [path for path in tmp_path.rglob("*") if path.suffix in (".txt", ".csv")]:
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    assert (READERS[name](tmp_path).labels == before.labels).all()


# --- RAF-DB and SimFER ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [trees.rafdb, trees.rafdb_numbered])
def test_rafdb_ids_are_the_canonical_order(tmp_path, build):
    build(tmp_path)
    catalog = READERS["rafdb"](tmp_path)
    assert counts(catalog, "train") == list(layouts.RAF_TRAIN)
    assert counts(catalog, "test") == list(layouts.RAF_TEST)
    by_name = {file.name: label for file, label in zip(catalog.files, catalog.labels, strict=True)}
    assert by_name == {f"{stem}_aligned.jpg": label - 1 for stem, label in trees.raf_entries()}
    assert catalog.identities is None
    assert not catalog.skipped


def test_rafdb_list_order_is_kept(tmp_path):
    trees.rafdb(tmp_path)
    listed = tmp_path / "EmoLabel" / "list_patition_label.txt"
    lines = listed.read_text().splitlines()
    listed.write_text("\n".join(reversed(lines)))
    names = [file.name.replace("_aligned", "") for file in READERS["rafdb"](tmp_path).files]
    assert names == [line.split()[0] for line in reversed(lines)]


def test_folders_of_the_dacl_code_are_mapped_by_name_and_size(tmp_path):
    """And those in RAF-DB's own order, which were once taken for them."""
    for build, order in ((trees.rafdb_dacl, trees.DACL_ORDER), (trees.rafdb_zero_based, range(7))):
        build(tmp_path / str(order))
        catalog = READERS["rafdb"](tmp_path / str(order))
        for file, label in zip(catalog.files, catalog.labels, strict=True):
            assert label == order[int(file.parent.name)], file
        assert (catalog.splits == "test").sum() == 7


def test_classes_txt_names_the_folders_of_the_dacl_code(tmp_path):
    trees.rafdb_dacl(tmp_path)
    (tmp_path / "classes.txt").write_text("Neutral\nhappy\nSad\nFear\nSurprise\nAnger\nDisgust\n")
    catalog = READERS["rafdb"](tmp_path)
    folder = {file.parent.name: label for file, label in zip(catalog.files, catalog.labels, strict=True)}
    assert [folder[name] for name in sorted(folder)] == [NEUTRAL, HAPPINESS, SADNESS, FEAR, SURPRISE, ANGER, DISGUST]


def test_valid_is_a_validation_split_beside_a_test_split(tmp_path):
    trees.rafdb_numbered(tmp_path)
    shutil.copytree(tmp_path / "test", tmp_path / "valid")
    assert set(READERS["rafdb"](tmp_path).splits) == {"train", "val", "test"}


def test_simfer_has_identities(tmp_path):
    trees.simfer(tmp_path)
    catalog = READERS["simfer"](tmp_path)
    assert set(catalog.identities[catalog.splits == "test"]) == {2}
    assert catalog.identities[catalog.splits == "train"].tolist() == [i % 2 for i in range(sum(layouts.RAF_TRAIN))]
    assert (catalog.labels == READERS["rafdb"](tmp_path).labels).all()
    assert catalog.sequences is None
    assert catalog.folds == 0


def test_simfer_sequences_are_read_for_folds_without_their_neutral_frames(tmp_path):
    trees.simfer_sequences(tmp_path)
    catalog = READERS["simfer"](tmp_path)
    assert catalog.folds > 1
    assert catalog.sequences.tolist() == catalog.identities.tolist() == [k for k in range(9) for _ in range(3)]
    assert catalog.labels[::3].tolist() == [k % 6 for k in range(9)]
    assert list(catalog.skipped.values()) == [9]


# --- AffectNet --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [trees.affectnet, trees.affectnet_npy])
def test_affectnet_ids_are_mapped_by_name(tmp_path, build):
    build(tmp_path)
    catalog = READERS["affectnet"](tmp_path)
    assert counts(catalog, "test") == [1] * 7
    assert counts(catalog, "train") == [2, 1, 1, 2, 1, 1, 2]  # ids 0 Neutral, 1 Happy and 3 Surprise stand there twice
    test = {
        file.stem[-1]: label for file, label in zip(catalog.files, catalog.labels, strict=True) if file.parts[-2:-1] == ("3",)
    }
    if test:
        assert test == dict(zip("0123456", [NEUTRAL, HAPPINESS, SADNESS, SURPRISE, FEAR, DISGUST, ANGER], strict=True))


@pytest.mark.parametrize("build", [trees.affectnet, trees.affectnet_npy])
def test_affectnet_counts_what_it_leaves_out(tmp_path, build):
    build(tmp_path)
    skipped = READERS["affectnet"](tmp_path).skipped
    assert {reason.split()[0]: count for reason, count in skipped.items()} == {
        "Contempt": 2,
        "None": 1,
        "Uncertain": 1,
        "No-Face": 1,
    }
    catalog = READERS["affectnet"](tmp_path, classes=8)
    assert catalog.class_names == (*CLASS_NAMES, "Contempt")
    assert counts(catalog, "test") == [1] * 8
    assert len(catalog.skipped) == 3


def test_affectnet_list_order_is_kept(tmp_path):
    trees.affectnet(tmp_path)
    found = [path.name for path in READERS["affectnet"](tmp_path).files]
    lines = [line for name in ("training", "validation") for line in (tmp_path / f"{name}.csv").read_text().splitlines()]
    listed = [line.split(",")[0].rpartition("/")[2] for line in lines]
    assert found == [name for name in listed if name in found]


def test_affectnet_columns_are_found_by_name(tmp_path):
    trees.affectnet(tmp_path)
    before = READERS["affectnet"](tmp_path)
    for listed in tmp_path.glob("*.csv"):
        rows = [line.split(",")[::-1] for line in listed.read_text().splitlines()]
        listed.write_text("\n".join(",".join(row) for row in rows))
    assert (READERS["affectnet"](tmp_path).labels == before.labels).all()


def test_affectnet_validation_list_may_lack_its_header(tmp_path):
    trees.affectnet(tmp_path)
    listed = tmp_path / "validation.csv"
    listed.write_text(listed.read_text().split("\n", 1)[1])
    assert counts(READERS["affectnet"](tmp_path), "test") == [1] * 7


def test_affectnet_lists_may_have_a_folder_of_their_own(tmp_path):
    trees.affectnet(tmp_path)
    folder = tmp_path / "Manually_Annotated_file_lists"
    folder.mkdir()
    for listed in list(tmp_path.glob("*.csv")):
        listed.rename(folder / listed.name)
    assert counts(READERS["affectnet"](tmp_path), "test") == [1] * 7


# --- FER2013 ----------------------------------------------------------------------------------------------------------


def test_fer2013_pixels_and_classes(tmp_path):
    trees.fer2013(tmp_path)
    catalog = READERS["fer2013"](tmp_path)
    assert counts(catalog, "train") == [2] * 7
    assert catalog.labels[:7].tolist() == [ANGER, DISGUST, FEAR, HAPPINESS, SADNESS, SURPRISE, NEUTRAL]
    assert counts(catalog, "val") == counts(catalog, "test") == [1] * 7
    assert catalog.pixels.shape == (28, 48, 48)
    assert catalog.pixels.dtype == np.uint8
    expected = np.asarray(trees.draw(3).convert("L").resize((48, 48)))
    assert (catalog.pixels[3] == expected).all()


def test_fer2013_as_arrays_is_the_csv(tmp_path):
    trees.fer2013(tmp_path)
    table = READERS["fer2013"](tmp_path)
    trees.fer2013_npz(tmp_path / "npz")
    arrays = READERS["fer2013"](tmp_path / "npz")
    assert arrays.labels.tolist() == table.labels.tolist()
    assert arrays.splits.tolist() == table.splits.tolist()
    assert (arrays.pixels == table.pixels).all()


# --- CK+, MMI, SFEW ---------------------------------------------------------------------------------------------------


def test_ckplus_takes_the_last_three_frames_of_labeled_sequences(tmp_path):
    trees.ckplus(tmp_path)
    catalog = READERS["ckplus"](tmp_path)
    assert catalog.folds == 8
    assert catalog.class_names == (*CLASS_NAMES, "Contempt")
    assert catalog.labels[::3].tolist() == [ANGER, CONTEMPT, DISGUST, FEAR, HAPPINESS, SADNESS, SURPRISE, HAPPINESS]
    assert [file.stem[-1] for file in catalog.files] == ["3", "4", "5"] * 8
    assert catalog.identities.tolist() == [10 + 5 * k for k in range(8) for _ in range(3)]
    assert catalog.sequences.tolist() == [k for k in range(8) for _ in range(3)]
    assert catalog.skipped == {"sequences without an emotion label": 1}


def test_ckplus_folds_keep_subjects_together(tmp_path):
    trees.ckplus(tmp_path)
    catalog = READERS["ckplus"](tmp_path)
    folds = subject_folds(catalog.identities, catalog.labels, catalog.folds)
    assert np.bincount(folds).tolist() == [3] * 8


def test_mmi_takes_the_three_middle_frames(tmp_path):
    trees.mmi(tmp_path)
    catalog = READERS["mmi"](tmp_path)
    assert catalog.folds == 10
    mapped = [ANGER, DISGUST, FEAR, HAPPINESS, SADNESS, SURPRISE]
    assert catalog.labels[::3].tolist() == [mapped[emotion - 1] for emotion in trees.MMI_SESSIONS]
    assert [file.stem[-2:] for file in catalog.files] == ["03", "04", "05"] * len(trees.MMI_SESSIONS)
    assert catalog.identities[::3].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1]
    assert len(set(catalog.sequences)) == len(trees.MMI_SESSIONS)


@pytest.mark.parametrize(("count", "wanted"), [(3, "abc"), (4, "abc"), (5, "bcd"), (6, "bcd"), (7, "cde")])
def test_the_middle_of_an_even_number_of_frames_is_the_earlier(count, wanted):
    assert "".join(middle("abcdefg"[:count])) == wanted


def test_mmi_frames_may_lie_beside_the_xml(tmp_path):
    trees.mmi(tmp_path)
    before = READERS["mmi"](tmp_path)
    for frame in list(tmp_path.rglob("*.jpg")):
        frame.rename(frame.parents[1] / frame.name)
    after = READERS["mmi"](tmp_path)
    assert [file.name for file in after.files] == [file.name for file in before.files]


def test_mmi_counts_the_sessions_it_leaves_out(tmp_path):
    trees.mmi(tmp_path)
    side, display, mood, video = (trees.mmi_session(tmp_path, 200 + n, subject=11, emotion=1) for n in range(4))
    for file, before, after in (
        (side / "session.xml", 'view="0"', 'view="1"'),
        (display / "S011-201.xml", '"Emotion" Value="1"', '"Emotion" Value="9"'),
        (mood / "S011-202.xml", '"Emotion"', '"Mood"'),
    ):
        file.write_text(file.read_text().replace(before, after))
    shutil.rmtree(video / "S011-203")
    catalog = READERS["mmi"](tmp_path)
    assert len(catalog) == 3 * len(trees.MMI_SESSIONS)
    assert list(catalog.skipped.values()) == [1] * 4
    assert any("extract its frames" in reason for reason in catalog.skipped)


def test_mmi_table_sorts_frames_by_number(tmp_path):
    trees.mmi_table(tmp_path)
    catalog = READERS["mmi"](tmp_path)
    assert [file.stem for file in catalog.files[:3]] == ["8", "9", "10"]
    assert catalog.identities[::3].tolist() == [*range(10), 0]
    assert catalog.labels[::3].tolist() == read_mmi_labels()


def read_mmi_labels() -> list[int]:
    return [CLASS_NAMES.index(trees.MMI_NAMES[emotion - 1].capitalize()) for emotion in trees.MMI_SESSIONS]


def test_sfew_classes_are_mapped_by_name(tmp_path):
    trees.sfew(tmp_path)
    catalog = READERS["sfew"](tmp_path)
    names = [layouts.SFEW_COUNTS[name] for name in ("Surprise", "Fear", "Disgust", "Happy", "Sad", "Angry", "Neutral")]
    assert counts(catalog, "train") == [train for train, _ in names]
    assert counts(catalog, "test") == [val for _, val in names]
    assert catalog.identities is None


def test_sfew_takes_identities_from_a_table(tmp_path):
    trees.sfew_identities(tmp_path)
    catalog = READERS["sfew"](tmp_path)
    order = sorted(range(len(catalog)), key=lambda i: catalog.files[i])
    assert catalog.identities[order].tolist() == [i % 4 for i in range(len(catalog))]


# --- check ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", TREES)
def test_a_small_tree_differs_from_the_release_and_a_whole_one_agrees(tmp_path, layout, monkeypatch):
    name, build = TREES[layout]
    build(tmp_path)
    if name in EXPECTED:
        table, ok = check_dataset(name, tmp_path)
        assert not ok
        assert "missing" in table
        assert "DIFFERS" in table
    catalog = READERS[name](tmp_path)
    here = {split: check.class_counts(catalog, split) for split in set(catalog.splits)}
    monkeypatch.setitem(EXPECTED, name, (here,))
    table, ok = check_dataset(name, tmp_path)
    assert ok or "no training: " in table, table
    assert table.endswith(("agrees with the release", "agrees with its own list", "can be trained on"))
    assert "missing" not in table
    assert "unreadable images: 0" in table


def test_expected_counts_add_up():
    total = {name: [sum(np.sum(counts) for counts in release.values()) for release in EXPECTED[name]] for name in EXPECTED}
    assert total == {
        "rafdb": [15339],
        "affectnet": [283901 + 3500, 283901 + 3500 + 3750 + 500, 283901 + 3500 + 3750 + 499],
        "fer2013": [35887, 35887],
        "ckplus": [981, 920],
        "mmi": [639, 624],
        "sfew": [1394, 1322],
        "jaffe": [213],
    }
    assert sum(EXPECTED["rafdb"][0]["train"]) == 12271
    assert [count // 3 for count in EXPECTED["ckplus"][0]["all"]] == [83, 25, 59, 69, 28, 45, 0, 18]


def test_check_counts_extra_images_of_one_class(tmp_path, monkeypatch):
    trees.rafdb_numbered(tmp_path)
    expected = {"train": layouts.RAF_TRAIN, "test": layouts.RAF_TEST}
    monkeypatch.setitem(EXPECTED, "rafdb", (expected,))
    trees.save(trees.draw(0), tmp_path / "train" / "2" / "train_09999_aligned.jpg")
    (tmp_path / "test" / "4" / "test_0005_aligned.jpg").unlink()
    table, ok = check_dataset("rafdb", tmp_path)
    assert not ok
    extra, missing = (next(line.split() for line in table.splitlines() if word in line) for word in ("extra", "missing"))
    assert extra == ["extra", "1", "1"]
    assert missing == ["missing", "1", "1"]


def test_check_names_images_that_do_not_decode(tmp_path, monkeypatch):
    trees.rafdb_numbered(tmp_path)
    monkeypatch.setitem(EXPECTED, "rafdb", ({"train": layouts.RAF_TRAIN, "test": layouts.RAF_TEST},))
    file = tmp_path / "train" / "4" / "train_00008_aligned.jpg"
    file.write_bytes(file.read_bytes()[:-400])
    table, ok = check_dataset("rafdb", tmp_path)
    assert not ok
    assert "unreadable images: 1" in table
    assert f"{file}: " in table


def test_check_reads_other_image_formats(tmp_path, monkeypatch):
    trees.sfew(tmp_path)
    for file in list(tmp_path.rglob("*.png")):
        with Image.open(file) as image:
            image.convert("L").save(file.with_suffix(".bmp"))
        file.unlink()
    assert "unreadable images: 0" in check_dataset("sfew", tmp_path)[0]


def test_an_unknown_set_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"^unknown data set 'raf'; known: rafdb, "):
        check_dataset("raf", tmp_path)


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_exits_with_1_where_a_set_differs(tmp_path, run_cli):
    trees.rafdb(tmp_path)
    process = run_cli("data", "check", "rafdb", str(tmp_path))
    assert process.returncode == 1
    assert process.stdout.endswith("DIFFERS from the release; it can be trained on\n")
    assert process.stderr == ""


def test_the_command_exits_with_0_where_a_set_agrees(tmp_path, monkeypatch, capsys):
    trees.simfer(tmp_path / "simfer" / "quick")
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path))
    with pytest.raises(SystemExit) as exit_:
        main(["data", "check", "simfer"])
    assert not exit_.value.code
    assert "agrees with its own list" in capsys.readouterr().out


def test_a_set_is_checked_as_it_will_be_trained_on(tmp_path, monkeypatch, capsys):
    """With eight classes against the release's eight; and with the people that a pattern of names tells."""
    monkeypatch.setenv("FERCORE_PROGRESS", "0")
    trees.affectnet_folders(tmp_path / "affectnet")
    trees.own(tmp_path / "mine")

    def told(*arguments: str) -> str:
        with pytest.raises(SystemExit):
            main(["data", "check", *arguments])
        return capsys.readouterr().out

    seven, eight = (told("affectnet", str(tmp_path / "affectnet"), *more) for more in ([], ["--classes", "8"]))
    assert "3 Contempt (not asked for" in seven
    assert "283,901" in seven
    assert "Contempt (not asked for" not in eight
    assert "287,651" in eight
    people = told("folder", str(tmp_path / "mine"), "--person", r"(?P<person>\d{3})")
    assert "identities: 4" in people
    assert "1 people are in test and in another split" in people


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["check", "rafdb", "--classes", "8"], "data=rafdb does not use 'classes'"),
        (["check", "folder", "x", "--person", "(x"], "x: folder not found"),
        (["make", "simfer", "--classes", "8"], "takes nothing but --preset"),
        (["check", "rafdb"], "rafdb: folder not found"),
        (["make", "rafdb"], "data/README.md"),
        (["check", "faces"], "unknown data set 'faces'"),
        (["check", "folder:x"], "x: folder not found"),
        (["make", "simfer", "somewhere"], "takes no path"),
        (["check", "simfer", "--preset", "laptop"], "run `python -m fercore data make simfer --preset laptop`"),
        (["check", "simfer", "x"], "run `python -m simfer --preset PRESET --out x`"),
    ],
)
def test_bad_arguments_are_one_line(tmp_path, monkeypatch, capsys, arguments, named):
    """In this process: what `main` hands to sys.exit is what the shell shows."""
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path))
    with pytest.raises(SystemExit) as exit_:
        main(["data", *arguments])
    message = str(exit_.value.code)
    assert message.startswith("error: ")
    assert "\n" not in message
    assert named in message
    assert capsys.readouterr() == ("", "")
