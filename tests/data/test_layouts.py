"""Every form in which people have a set, and what comes of it: the table in data/README.md is made here."""

import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from fercore.data.readers import folders
from fercore.data.readers.catalog import CLASS_NAMES
from fercore.data.readers.counts import EXPECTED
from fercore.data.readers.folders import tell_order
from fercore.data.readers.table import RAF, READERS, SETS
from fercore.errors import DataError
from fercore.paths import ROOT
from tests.data import trees
from tests.data.trees import TREES
from tests.messages import one_line

FORMS = {  # layout of TREES -> what lies in PATH
    "rafdb": "`EmoLabel/list_patition_label.txt`, `Image/aligned/train_00001_aligned.jpg`: the release",
    "rafdb-twice": "the same in folders of the zip's name, `_aligned` in the list's names, commas in place of blanks",
    "rafdb-numbered": "`train/1` to `train/7`, `test/1` to `test/7`, as on Kaggle (`DATASET`)",
    "rafdb-named": "`Train/angry`, `val/Happy`: any spelling, `val` or `test`",
    "rafdb-dacl": "`train/00` to `train/06`, `valid/...`, as the released DACL code wants them",
    "rafdb-zero-based": "the same names, in RAF-DB's own order",
    "rafdb-as-affectnet": "the same names, in AffectNet's order",
    "affectnet": "`training.csv`, `validation.csv`, `Manually_Annotated_Images/`: the first release",
    "affectnet-zips": "the same, its zips unpacked: `Manually_Annotated/Manually_Annotated_Images/`",
    "affectnet-npy": "`train_set/images/0.jpg`, `train_set/annotations/0_exp.npy`, `val_set/`: the later release",
    "affectnet-folders": "`train/Anger`, `val/Contempt`",
    "affectnet-numbered": "`train/0` to `train/7`, `val/0` to `val/7`",
    "affectnet-yolo": "`data.yaml`, `train/images`, `train/labels`, `valid/`, `test/`",
    "affectnet-yolo-parts": "`dataset.yaml`, `images/train`, `labels/train`, ...",
    "fer2013": "`fer2013.csv`",
    "fer2013-icml": "`icml_face_data.csv`",
    "fer2013-tar": "`fer2013.tar.gz`, which is read as it is",
    "fer2013-npz": "`fer2013.npz`: uint8 arrays `pixels` [N, 48, 48], `emotion` [N], `usage` [N] (0, 1, 2)",
    "fer2013-challenge": "`train.csv`, `test.csv` with labels",
    "fer2013-folders": "`train/angry`, `test/happy`",
    "fer2013-named": "the same, files named `PublicTest_1.jpg`, `PrivateTest_2.jpg`",
    "ferplus": "`fer2013new.csv` beside any table or array of FER2013",
    "ferplus-folders": "`train/angry`, `validation/Contempt`, `test/NF`",
    "ckplus": "`cohn-kanade-images/S005/001/*.png`, `Emotion/S005/001/*_emotion.txt`: the release",
    "ckplus-zips": "the same, its zips unpacked: `extended-cohn-kanade-images/`, `Emotion_labels/`",
    "ckplus-48": "`anger/S010_004_00000017.png`: CK+48",
    "ckplus-48-parts": "the same in `train/` and `test/`",
    "ckplus-table": "`ckextended.csv`",
    "mmi": "`Sessions/1767/session.xml`, `S002-106.xml`, frames",
    "mmi-table": "`frames.csv` (file, subject, session, emotion)",
    "sfew": "`Train/Angry`, `Val/Angry`",
    "sfew-zips": "`Train_Aligned_Faces/`, `Val_Aligned_Faces_new/`, `Test_Aligned_Faces/`",
    "sfew-identities": "`identities.csv` (file, identity) beside them",
    "jaffe": "`KA.AN1.39.tiff`",
    "own": "`train/CLASS`, `test/CLASS`, any classes",
    "own-heap": "`CLASS`, any classes: a fifth is held out for testing",
    "own-numbered": "`0`, `1`, `2`, and `classes.txt` that names them",
}
BEGIN, END = "<!-- layouts: made by tests/data/test_layouts.py -->\n", "<!-- end of layouts -->\n"


def outcome(layout: str, root: Path) -> str:
    """What is read of a layout's small tree, in a line."""
    name, build = TREES[layout]
    build(root)
    catalog = READERS[name](root)
    told = {"train": "training", "val": "validation", "test": "test", "all": ""}
    counts = [f"{(catalog.splits == split).sum()} {told[split]}".strip() for split in told if split in catalog.splits]
    parts = [f"{', '.join(counts)} images of {len(np.unique(catalog.labels))} classes"]
    parts += [f"{len(np.unique(catalog.identities))} people"] if catalog.identities is not None else []
    parts += [f"{catalog.folds} folds"] if catalog.folds else []
    parts += [f"{count} skipped: {reason}" for reason, count in catalog.skipped.items()]
    return "; ".join([*parts, *catalog.notes])


def test_the_table_of_layouts_is_the_one_in_the_readme(tmp_path):
    assert {*FORMS} == {layout for layout, (name, _) in TREES.items() if name != "simfer"}
    rows = ["| command | in PATH | of a small tree is read |", "| --- | --- | --- |"]
    rows += [
        f"| `--data {TREES[layout][0]}:PATH` | {form} | {outcome(layout, tmp_path / layout)} |"
        for layout, form in FORMS.items()
    ]
    page = (ROOT / "data" / "README.md").read_text()
    written = page.partition(BEGIN)[2].partition(END)[0]
    made = "\n".join(rows) + "\n"
    assert written == made, f"paste this between the markers of data/README.md:\n{made}"


def test_every_layout_of_the_table_of_readers_has_a_tree(tmp_path):
    """Or as many: a row nobody tries is a row nobody knows."""
    used = set()
    for layout, (name, build) in TREES.items():
        if name in SETS:
            build(tmp_path / layout)
            folder = next(
                path
                for path in (tmp_path / layout, *sorted((tmp_path / layout).rglob("*/")))
                if any(form.lies_in(path) for form in SETS[name])
            )
            used.add(next((name, k) for k, form in enumerate(SETS[name]) if form.lies_in(folder)))
    unused = {(name, str(SETS[name][k])) for name in SETS for k in range(len(SETS[name])) if (name, k) not in used}
    plain_tar = {("fer2013", "fer2013.tar")} | {
        ("ferplus", f"fer2013new.csv and {form}") for form in FER_FORMS if form != "fer2013.csv"
    }
    assert unused == plain_tar


FER_FORMS = ("fer2013.npz", "fer2013.csv", "icml_face_data.csv", "fer2013.tar.gz", "fer2013.tar")


# --- where a set lies -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["fer2013", "fer2013-icml", "fer2013-tar", "fer2013-npz", "ckplus-table", "mmi-table"])
def test_the_path_of_the_file_itself_is_read(tmp_path, layout):
    name, build = TREES[layout]
    build(tmp_path)
    (file,) = [path for path in tmp_path.iterdir() if path.is_file()]
    assert (READERS[name](file).labels == READERS[name](tmp_path).labels).all()


@pytest.mark.parametrize("layout", [layout for layout in FORMS if "zips" not in layout and "named" not in layout])
def test_capitals_make_no_difference(tmp_path, layout):
    """Of whatever lies in a set's folder: FER2013.CSV, EMOLABEL."""
    name, build = TREES[layout]
    build(tmp_path)
    before = READERS[name](tmp_path)
    for entry in list(tmp_path.iterdir()):
        entry.rename(tmp_path / entry.name.swapcase())
    after = READERS[name](tmp_path)
    assert sorted(after.labels) == sorted(before.labels)
    assert after.skipped == before.skipped


@pytest.mark.parametrize(
    ("layout", "file"),
    [
        ("rafdb", "EmoLabel/list_patition_label.txt"),
        ("affectnet", "validation.csv"),
        ("ferplus", "fer2013new.csv"),
        ("ferplus", "fer2013.csv"),
        ("affectnet-yolo-parts", "dataset.yaml"),
        ("fer2013-challenge", "test.csv"),
    ],
)
def test_each_of_a_sets_files_stands_for_it(tmp_path, layout, file):
    name, build = TREES[layout]
    build(tmp_path)
    assert (READERS[name](tmp_path / file).labels == READERS[name](tmp_path).labels).all()


def test_the_lists_of_affectnet_stand_for_it_in_their_folder_too(tmp_path):
    trees.affectnet(tmp_path)
    (tmp_path / "Manually_Annotated_file_lists").mkdir()
    for name in ("training.csv", "validation.csv"):
        (tmp_path / name).rename(tmp_path / "Manually_Annotated_file_lists" / name)
    assert READERS["affectnet"](tmp_path / "Manually_Annotated_file_lists" / "training.csv").root == tmp_path


def test_another_file_is_refused(tmp_path):
    trees.fer2013(tmp_path)
    (tmp_path / "fer2013.csv").rename(tmp_path / "faces.csv")
    with pytest.raises(DataError, match=r"faces\.csv: is no file of fer2013; expected fer2013\.npz; or fer2013\.csv") as error:
        READERS["fer2013"](tmp_path / "faces.csv")
    assert one_line(error.value)


@pytest.mark.parametrize("layout", FORMS)
def test_a_set_alone_in_a_folder_is_found(tmp_path, layout):
    name, build = TREES[layout]
    build(tmp_path / "downloads" / "set")
    (tmp_path / "downloads" / "__MACOSX").mkdir()
    assert len(READERS[name](tmp_path / "downloads")) == len(READERS[name](tmp_path / "downloads" / "set"))


def test_of_several_folders_none_is_guessed(tmp_path):
    """A neighbor's class folders look like everyone's."""
    trees.fer2013_folders(tmp_path / "fer")
    trees.rafdb_named(tmp_path / "raf")
    with pytest.raises(DataError, match="as its folder"):
        READERS["rafdb"](tmp_path)


def seven_and_contempt(root: Path) -> None:
    trees.fer2013_folders(root)
    trees.class_folders(root, ["contempt"], {"train": (1,), "test": (1,)})


def packed_images(root: Path) -> None:
    trees.rafdb(root)
    (root / "Image" / "aligned").rename(root / "elsewhere")
    (root / "Image" / "aligned.zip").touch()


def heap_of_affectnet(root: Path) -> None:
    trees.class_folders(root, ["anger", "contempt", "happy"], {"": (2, 2, 2)})


def people_in_classes(root: Path) -> None:
    trees.class_folders(root, ["happy/anna", "happy/bob", "sad/anna"], {"": (2, 2, 2)})


def both_spellings(root: Path) -> None:
    trees.class_folders(root, ["\u00e4rger", "freude", "a\u0308rger"], {"": (3, 3, 3)})


def unprintable(root: Path) -> None:
    trees.class_folders(root, ["bo\nred", "happy"], {"": (3, 3)})


@pytest.mark.parametrize(
    ("name", "build", "below", "said"),
    [
        ("fer2013", lambda root: trees.write(root / "archive.zip", "PK"), "archive.zip", "is an archive; unpack it, and give"),
        (
            "fer2013",
            lambda root: trees.write(root / "archive.zip", "PK"),
            "",
            r"is no folder of fer2013; unpack .*archive\.zip",
        ),
        ("folder", lambda root: trees.write(root / "faces.7z", "7z"), "", r"has no class folders; unpack .*faces\.7z"),
        ("rafdb", packed_images, "", r"Image/aligned: folder not found; unpack .*aligned\.zip"),
        ("affectnet", heap_of_affectnet, "", "or --data folder:PATH for any class folders"),
        ("fer2013", seven_and_contempt, "", "train/Contempt: is no class of fer2013; expected Surprise, "),
        ("folder", lambda root: root.mkdir(), "", "has no class folders; expected two or more"),
        ("folder", people_in_classes, "", "has 0 class folders with images; expected two or more, each with the images of"),
        ("ckplus", trees.rafdb, "", r"set: is no folder of ckplus; expected cohn-kanade-images/ .* or anger/, contempt/, "),
        ("folder", both_spellings, "", "is a second folder of a class, beside .*; put them into one, or rename one"),
        ("jaffe", trees.own, "", r"is no folder of jaffe; expected KA\.AN1\.39\.tiff"),
        ("folder", trees.own, "nowhere", "folder not found; expected two class folders or more"),
        ("rafdb", trees.own, "", "Zen: is no class of rafdb; expected Surprise, .*; --data folder:PATH takes any classes"),
        ("folder", unprintable, "", r"bo\\nred: is the name of a class and cannot be printed; rename the folder"),
    ],
    ids=[
        *["archive", "archive-inside", "own-archive", "images-packed", "heap", "contempt", "empty", "nested", "parts"],
        *["one-name-twice", "jaffe", "nowhere", "own-classes", "unprintable"],
    ],
)
def test_what_cannot_be_read_is_told_with_its_mend(tmp_path, name, build, below, said):
    build(tmp_path / "set")
    with pytest.raises(DataError, match=said) as error:
        READERS[name](tmp_path / "set" / below)
    assert one_line(error.value)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ["train_images", "test_images"],
            "has test_images, train_images, which are no classes by their names; expected train/",
        ),
        (["FER2013Train", "FER2013Valid", "FER2013Test"], "which are no classes by their names"),
        (["Original", "aligned"], "has Original, aligned, which are no classes by their names"),
        (["my trainset", "my-testing-2"], "which are no classes by their names"),
        (["Cat", "cat"], "/cat: is a second folder of a class, beside Cat; put them into one, or rename one"),
        (["dog", "dog "], "/dog : is a second folder of a class, beside dog"),
    ],
)
def test_folders_that_are_no_classes_of_their_own_are_refused(tmp_path, names, said):
    trees.class_folders(tmp_path, names, {"": (3,) * len(names)})
    with pytest.raises(DataError, match=said) as error:
        READERS["folder"](tmp_path)
    assert one_line(error.value)


def test_classes_may_sound_like_splits(tmp_path):
    trees.class_folders(tmp_path, ["festival", "contest", "train station", "trained", "valley"], {"": (3,) * 5})
    assert len(READERS["folder"](tmp_path).class_names) == 5


@pytest.mark.parametrize(
    ("name", "builds", "told"),
    [
        ("fer2013", [trees.fer2013, trees.fer2013_folders], "lie here fer2013.csv is read, and not train"),
        (
            "fer2013",
            [trees.fer2013_icml, trees.fer2013_challenge],
            "lie here icml_face_data.csv is read, and not test.csv, train.csv",
        ),
        ("ckplus", [trees.ckplus, trees.ckplus_48], "lie here Emotion, cohn-kanade-images is read, and not anger, disgust"),
    ],
    ids=["table-and-folders", "kaggle", "release-and-48"],
)
def test_of_several_forms_it_is_told_which_is_read(tmp_path, name, builds, told):
    for build in builds:
        build(tmp_path)
    assert READERS[name](tmp_path).notes[-1].endswith(told)


def test_a_table_that_is_named_is_the_one_that_is_read(tmp_path):
    trees.fer2013_folders(tmp_path)
    trees.fer2013(tmp_path)
    assert not READERS["fer2013"](tmp_path / "fer2013.csv").notes


def test_images_beside_the_folders_are_counted(tmp_path):
    trees.own(tmp_path)
    for place in ("a.jpg", "train/b.png", "test/c.bmp", "readme.txt", "train/bored/d.ppm"):
        trees.write(tmp_path / place, "")
    assert READERS["folder"](tmp_path).skipped == {
        "images beside the folders, in none of them": 3,
        "images of a format that is not read (.ppm; convert them to JPEG or PNG)": 1,
    }


def test_labels_of_kaggles_copy_that_agree_are_read(tmp_path):
    trees.rafdb_numbered(tmp_path / "DATASET")
    before = READERS["rafdb"](tmp_path)
    rows = [(file.name, label + 1) for file, label in zip(before.files, before.labels, strict=True)]
    for split in ("train", "test"):
        trees.write_table(tmp_path / f"{split}_labels.csv", "image,label", [row for row in rows if row[0].startswith(split)])
    assert READERS["rafdb"](tmp_path).files == before.files


def test_who_is_seen_is_told_once(tmp_path):
    trees.own(tmp_path)
    trees.write(tmp_path / "identities.csv", "file,identity\n")
    with pytest.raises(DataError, match=r"identities\.csv: tells who is seen, and so do the files' names .*; leave person"):
        READERS["folder"](tmp_path, person="(?P<person>0)")


def test_classes_txt_beside_names_is_told(tmp_path):
    trees.own(tmp_path)
    trees.write(tmp_path / "classes.txt", "Zen\nbored\ncurious\n")
    assert READERS["folder"](tmp_path).notes == ("classes.txt is not read: the folders' names tell the classes",)


def test_a_class_may_not_be_called_as_a_split(tmp_path):
    trees.class_folders(tmp_path, ["bus", "car", "train"], {"": (3, 3, 3)})
    with pytest.raises(DataError, match=r"no folder test or val; .*; a class of that name is to be renamed") as error:
        READERS["folder"](tmp_path)
    assert one_line(error.value)


# --- what numbers and names mean --------------------------------------------------------------------------------------


def test_numbers_that_two_releases_use_are_told_by_counts(tmp_path):
    trees.affectnet_numbered(tmp_path)
    catalog = READERS["affectnet"](tmp_path, classes=8)
    names = ("Neutral", "Happiness", "Sadness", "Surprise", "Fear", "Disgust", "Anger", "Contempt")
    for file, label in zip(catalog.files, catalog.labels, strict=True):
        assert catalog.class_names[label] == names[int(file.parent.name)]


@pytest.mark.parametrize("order", [(4, 0, 6, 1, 3, 2, 5), (0, 1, 5, 3, 4, 2, 6)], ids=["of-nobody", "disgust-for-anger"])
@pytest.mark.parametrize("first", [0, 1])
def test_sizes_of_the_real_release_tell_every_order(tmp_path, monkeypatch, order, first):
    """Of RAF-DB disgust and anger differ by 12 images; a few may be missing, and of a tenth of it sizes tell nothing."""
    monkeypatch.setattr(folders, "EXPECTED", EXPECTED)
    counts = EXPECTED["rafdb"][0]["train"]
    numbers = [str(number) for number in range(first, first + 7)]
    possible = [numbering for numbering in RAF if numbering.first == first]
    for scale, gone in ((1, 0), (1, 5), (0.1, 0)):
        sizes = {number: int(scale * counts[k]) - gone * (k == 3) for number, k in zip(numbers, order, strict=True)}
        found = {"train": {number: dict.fromkeys(range(size)) for number, size in sizes.items()}}
        told = tell_order(found, "rafdb", numbers, possible)
        if scale == 1:
            assert list(told[0]) == [CLASS_NAMES[k] for k in order]
            assert told[1].endswith(f"to {(0, 6)[gone > 0]} images")
        else:
            assert told is None or (first, order[0]) == (1, 0)


def test_the_one_numbering_there_is_is_taken_and_said(tmp_path):
    trees.rafdb_numbered(tmp_path)
    (note,) = READERS["rafdb"](tmp_path).notes
    assert note.endswith("Neutral, in RAF-DB's order; their sizes, which are no release's, do not confirm it")


@pytest.mark.parametrize("name", ["classes.txt", "Classes.TXT"])
@pytest.mark.parametrize("place", ["", "DATASET"])
def test_classes_txt_is_seen_in_any_case_and_one_folder_above(tmp_path, name, place):
    trees.class_folders(tmp_path / "DATASET", "0123456", {"train": (2,) * 7, "test": ONE_EACH})
    trees.write(tmp_path / place / name, "happy\nSad\nFear\nSurprise\nAnger\nNeutral\nDisgust\n")
    catalog = READERS["rafdb"](tmp_path)
    called = {file.parent.name: catalog.class_names[k] for file, k in zip(catalog.files, catalog.labels, strict=True)}
    order = [called[number] for number in "0123456"]
    assert order == ["Happiness", "Sadness", "Fear", "Surprise", "Anger", "Neutral", "Disgust"]
    assert catalog.notes == (f"folders 0 to 6 are {', '.join(order)}, as {name} says",)


def test_classes_txt_names_ones_own(tmp_path):
    trees.own_numbered(tmp_path)
    (tmp_path / "classes.txt").write_text("Zen\nhappy\nbored\n")
    catalog = READERS["folder"](tmp_path)
    called = {file.parent.name: catalog.class_names[k] for file, k in zip(catalog.files, catalog.labels, strict=True)}
    assert called == {"0": "Zen", "1": "Happiness", "2": "bored"}
    (tmp_path / "classes.txt").write_text("Zen\n")
    with pytest.raises(DataError, match=r"classes\.txt: 1 lines do not name the 3 folders") as error:
        READERS["folder"](tmp_path)
    assert one_line(error.value)


@pytest.mark.parametrize("text", ["2 bored\n0: Zen\n# of 2019\n1_happy\n", "1happy\n\n02. bored\n 0\tZen\n"])
def test_a_number_in_classes_txt_is_its_folders(tmp_path, text):
    trees.own_numbered(tmp_path)
    trees.write(tmp_path / "classes.txt", text)
    assert READERS["folder"](tmp_path).notes == ("folders 0 to 2 are Zen, Happiness, bored, as classes.txt says",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2 bored\nZen\n1 happy\n", "begin with 2, 1, the folders are 0, 1, 2; begin every line with its folder's number"),
        ("1 bored\n2 Zen\n3 happy\n", "begin with 1, 2, 3, the folders are 0, 1, 2; begin every line"),
        ("bored 1\nhappy 2\nsad 0\n", "line 2: unknown expression 'happy 2'"),
        ("# bored\nZen\nhappy\n", "2 lines do not name the 3 folders"),
    ],
    ids=["one-without", "from-one", "behind", "comment"],
)
def test_numbers_of_other_folders_are_refused(tmp_path, text, said):
    trees.own_numbered(tmp_path)
    trees.write(tmp_path / "classes.txt", text)
    with pytest.raises(DataError, match=said) as error:
        READERS["folder"](tmp_path)
    assert one_line(error.value)


@pytest.mark.parametrize("layout", ["rafdb-zero-based", "affectnet-numbered"])
def test_where_counts_do_not_tell_the_user_says(tmp_path, layout):
    name, build = TREES[layout]
    build(tmp_path)
    for folder in (tmp_path / "train").iterdir():
        for file in sorted(folder.iterdir())[2:]:
            file.unlink()
    with pytest.raises(
        DataError, match=r"may be .* order \(.* or .*, and the sizes do not tell; name the classes in "
    ) as error:
        READERS[name](tmp_path)
    assert one_line(error.value)
    order = ["Anger", "Contempt", "Disgust", "Fear", "happy", "Neutral", "sad", "Surprise"]
    order = [name for name in order if name != "Contempt" or layout == "affectnet-numbered"]
    (tmp_path / "classes.txt").write_text("\n".join(order) + "\n")
    catalog = READERS[name](tmp_path, **({"classes": 8} if layout == "affectnet-numbered" else {}))
    known = {int(file.parent.name): catalog.class_names[k] for file, k in zip(catalog.files, catalog.labels, strict=True)}
    assert [known[number][:3] for number in sorted(known)] == [name.capitalize()[:3] for name in order]


def test_orders_that_begin_alike_are_shown_as_far_as_they_differ(tmp_path):
    trees.class_folders(tmp_path, "0123456", {"train": (2,) * 7, "test": ONE_EACH})
    with pytest.raises(DataError, match=r"Happiness, Sadness, \.\.\.\) or the alphabet's \(.* Happiness, Neutral, \.\.\.\)"):
        READERS["fer2013"](tmp_path)


@pytest.mark.parametrize(
    "names",
    [
        "names:\n  7: Surprise\n  0: Anger\n  1: Contempt\n  2: Disgust\n  3: Fear\n  4: Happy\n  5: Neutral\n  6: Sad\n",
        "names: {1: Contempt, 0: 'Anger', 2: Disgust, 3: Fear, 4: Happy, 5: Neutral, 6: Sad, 7: \"Surprise\"}\n",
        "# by Ekman\nnames: # and contempt\n- Anger\n- Contempt\n- Disgust\n- Fear\n- Happy\n- Neutral\n- Sad\n- Surprise\n",
    ],
    ids=["numbered", "in-line", "list"],
)
def test_the_numbers_of_yolo_are_those_of_its_names(tmp_path, names):
    trees.affectnet_yolo(tmp_path)
    before = READERS["affectnet"](tmp_path, classes=8)
    (tmp_path / "data.yaml").write_text(names)
    after = READERS["affectnet"](tmp_path, classes=8)
    assert (after.labels == before.labels).all()
    (tmp_path / "data.yaml").write_text("names: {0: Anger, 2: Fear}\n")
    with pytest.raises(DataError, match=r"has no names of classes, numbered from 0 on; restore it"):
        READERS["affectnet"](tmp_path)


def test_the_same_images_under_other_spellings_are_one_set(tmp_path):
    trees.fer2013_folders(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for k, folder in enumerate(sorted((tmp_path / "b" / "train").iterdir())):
        folder.rename(folder.parent / f"{k}_{folder.name.upper()}")
    (tmp_path / "b" / "train").rename(tmp_path / "b" / "Training")
    one, other = READERS["fer2013"](tmp_path / "a"), READERS["fer2013"](tmp_path / "b")
    assert sorted(one.labels) == sorted(other.labels)
    assert {file.name: k for file, k in zip(one.files, one.labels, strict=True)} == {
        file.name: k for file, k in zip(other.files, other.labels, strict=True)
    }


def test_what_systems_leave_is_counted_and_no_class(tmp_path):
    trees.fer2013_folders(tmp_path)
    before = READERS["fer2013"](tmp_path)
    for folder in (tmp_path / "train" / ".ipynb_checkpoints", tmp_path / "train" / "angry" / "__MACOSX", tmp_path / "__MACOSX"):
        folder.mkdir()
    for file in ("train/.DS_Store", "test/angry/Thumbs.db", "test/angry/._0014.jpg", "test/angry/desktop.ini"):
        (tmp_path / file).touch()
    after = READERS["fer2013"](tmp_path)
    assert after.files == before.files
    assert sum(after.skipped.values()) == sum(before.skipped.values()) + 6  # what lies beside the parts is not looked at


@pytest.mark.parametrize(
    ("layout", "junk"),
    [
        ("affectnet-npy", "train_set/annotations/._0_exp.npy"),
        ("ckplus", "Emotion/S005/001/._S005_001_00000004_emotion.txt"),
        ("ckplus", "Emotion/._S005_001_00000004_emotion.txt"),
        ("mmi", "Sessions/101/._S002-101.avi"),
    ],
)
def test_what_systems_leave_is_no_label(tmp_path, layout, junk):
    name, build = TREES[layout]
    build(tmp_path)
    before = READERS[name](tmp_path)
    trees.write(tmp_path / junk, "\0\5\x16\7")
    after = READERS[name](tmp_path)
    assert after.files == before.files
    assert (after.labels == before.labels).all()


def test_what_systems_leave_in_an_archive_is_no_table(tmp_path):
    trees.fer2013(tmp_path)
    trees.write(tmp_path / "junk", "\0\5\x16\7")
    with tarfile.open(tmp_path / "fer2013.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "junk", "fer2013/._fer2013.csv")
        archive.add(tmp_path / "junk", "fer2013/sample.csv")
        archive.add(tmp_path / "fer2013.csv", "fer2013/fer2013.csv")
    before = READERS["fer2013"](tmp_path)
    (tmp_path / "fer2013.csv").unlink()
    assert (READERS["fer2013"](tmp_path).labels == before.labels).all()


def test_class_folders_are_no_release_for_what_lies_beside_them(tmp_path):
    """`train_set` is the later release's folder, too, and data.yaml that of YOLO's labels."""
    trees.class_folders(tmp_path, trees.YOLO_NAMES, {"train_set": (2,) * 8, "val_set": (1,) * 8})
    before = READERS["affectnet"](tmp_path)
    trees.write(tmp_path / "data.yaml", "names: [Anger]")
    assert READERS["affectnet"](tmp_path).files == before.files


@pytest.mark.parametrize("name", ["fer2013", "sfew", "rafdb", "affectnet", "ferplus", "folder"])
def test_training_images_alone_are_read_as_ones_own(tmp_path, name):
    names = trees.YOLO_NAMES if name == "affectnet" else CLASS_NAMES
    trees.class_folders(tmp_path, names, {"train": (3,) * len(names)})
    with pytest.raises(DataError, match=r"no folder test or val; add it, or read (.*) alone as --data folder:PATH") as error:
        READERS[name](tmp_path)
    assert one_line(error.value)
    assert len(READERS["folder"](tmp_path / "train")) >= 21


def test_blank_lines_and_any_case_of_usage_are_read(tmp_path):
    trees.fer2013(tmp_path)
    before, table = READERS["fer2013"](tmp_path), tmp_path / "fer2013.csv"
    table.write_text(table.read_text().replace("Training", "TRAINING").replace("PublicTest", "publictest") + ",,\n  \n")
    assert (READERS["fer2013"](tmp_path).splits == before.splits).all()


def test_people_and_sequences_are_told_by_names(tmp_path):
    trees.ckplus_48(tmp_path)
    catalog = READERS["ckplus"](tmp_path)
    who = {file.name[:4] for file in catalog.files}
    assert len(who) == len(set(catalog.identities)) == 8
    assert np.bincount(catalog.sequences).tolist() == [3] * 9
    for file, person in zip(catalog.files, catalog.identities, strict=True):
        assert sorted(who)[person] == file.name[:4]


def test_affectnet_without_contempt_is_seven_classes(tmp_path):
    trees.class_folders(tmp_path, "0123456", {"train": trees.AFFECTNET_SHARES[:7], "val": ONE_EACH})
    catalog = READERS["affectnet"](tmp_path)
    assert len(catalog.class_names) == 7
    assert len(catalog) == sum(trees.AFFECTNET_SHARES[:7]) + 7


ONE_EACH = (1,) * 7


def test_what_is_left_out_is_counted_by_its_reason(tmp_path):
    trees.class_folders(tmp_path, ["bored", "keen", "odd"], {"train": (4, 4, 0), "test": (2, 2, 0), "later": (1, 0, 0)})
    (tmp_path / "train" / "odd").mkdir()
    photos = sorted((tmp_path / "train" / "bored").iterdir())
    for photo, suffix in zip(photos, (".heic", ".HEIC", ".jfif", ".txt"), strict=True):
        photo.rename(photo.with_suffix(suffix))
    (tmp_path / "train" / "keen" / "more").mkdir()
    catalog = READERS["folder"](tmp_path)
    assert len(catalog) == 1 + 4 + 4  # Windows calls a JPEG .jfif
    assert catalog.skipped == {
        "folders beside those of the splits": 1,
        "images of a format that is not read (.heic; convert them to JPEG or PNG)": 2,
        "files and folders among the images that are no images": 1,
        "folders among the images, which are not looked into": 1,
        "class folders without images": 1,
    }


def test_ferplus_is_what_most_voted(tmp_path):
    """Of FERPlus's code: one vote is none, and a majority is more than half."""
    trees.ferplus(tmp_path)
    catalog = READERS["ferplus"](tmp_path, classes=8)
    table = READERS["fer2013"](tmp_path)
    assert len(catalog) == len(table) - 3
    assert (catalog.pixels == table.pixels[3:]).all()
    names = [catalog.class_names[k] for k in catalog.labels]
    assert {name: table.class_names[k] for name, k in zip(names, table.labels[3:], strict=True) if name != "Contempt"} == {
        name: name for name in CLASS_NAMES
    }
    seven = READERS["ferplus"](tmp_path)
    assert len(seven.class_names) == 7
    assert len(seven) == len(catalog) - names.count("Contempt")


def test_votes_are_kept_to_draw_from(tmp_path):
    """Of training images, those without a majority too; what is tested stays, and so does what of it no one may vote for."""
    trees.ferplus(tmp_path)
    majority, drawn = (READERS["ferplus"](tmp_path, classes=8, votes=votes) for votes in (None, "drawn"))
    assert majority.votes is None
    assert drawn.votes.shape == (len(drawn), 8)
    assert drawn.votes[0].tolist() == [0, 0, 0, 5, 0, 0, 5, 0]  # neutral and happiness, in canonical order
    assert (drawn.votes[1:].argmax(axis=1) == drawn.labels[1:]).all()
    assert (drawn.labels[1:] == majority.labels).all()
    assert (drawn.pixels[1:] == majority.pixels).all()
    seven = READERS["ferplus"](tmp_path, votes="drawn")
    assert seven.votes.shape == (len(seven), 7)
    assert seven.votes.any(axis=1).all()


def test_rows_of_votes_in_another_order_are_refused(tmp_path):
    """FER2013's own labels tell, in each split: Usage and number of rows agree."""
    trees.ferplus(tmp_path)
    listed = tmp_path / "fer2013new.csv"
    head, *rows = listed.read_text().splitlines()
    for first, last in ((0, 14), (21, 28)):
        shuffled = [*rows[:first], *rows[first + 1 : last], rows[first], *rows[last:]]
        listed.write_text("\n".join([head, *shuffled]))
        with pytest.raises(DataError, match=r"majorities are FER2013's labels of \d+% of the (train|test) images") as error:
            READERS["ferplus"](tmp_path)
        assert one_line(error.value)


def test_votes_that_cannot_be_used_are_refused(tmp_path):
    trees.ferplus_folders(tmp_path / "folders")
    with pytest.raises(DataError, match=r"has no votes; votes=drawn needs fer2013new\.csv beside") as error:
        READERS["ferplus"](tmp_path / "folders", votes="drawn")
    assert one_line(error.value)
    for place in (tmp_path, tmp_path / "folders"):
        trees.write(place / "FER2013new.csv", "Usage,Image name")
        with pytest.raises(DataError, match=r"lies beside class folders.*; put it beside fer2013\.csv, or elsewhere") as error:
            READERS["ferplus"](tmp_path)
        assert one_line(error.value)
        (place / "FER2013new.csv").unlink()


# --- the real FER2013, where it is ------------------------------------------------------------------------------------

REAL = Path(os.environ.get("FERCORE_FER2013") or ROOT.parent / "shared" / "data" / "fer2013.npz")


@pytest.mark.skipif(not REAL.exists(), reason="FER2013 is not here: FERCORE_FER2013 names fer2013.npz")
def test_the_real_fer2013_is_one_set_in_three_forms(tmp_path):
    """Arrays, table and folders agree in image and label, a tenth of them, and the counts of all are the release's."""
    from PIL import Image

    from fercore.data.doubts import digest_of
    from fercore.data.releases import check_dataset

    arrays = READERS["fer2013"](REAL)
    images, labels, splits = (values[::10] for values in (arrays.pixels, arrays.labels, arrays.splits))
    with open(tmp_path / "fer2013.csv", "w") as file:
        file.write("emotion,pixels,Usage\n")
        ids = {"Anger": 0, "Disgust": 1, "Fear": 2, "Happiness": 3, "Sadness": 4, "Surprise": 5, "Neutral": 6}
        usage = {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}
        for pixels, label, split in zip(images, labels, splits, strict=True):
            text = " ".join(map(str, pixels.flatten().tolist()))
            file.write(f"{ids[arrays.class_names[label]]},{text},{usage[split]}\n")
    table = READERS["fer2013"](tmp_path)
    assert (table.labels == labels).all()
    assert (table.splits == splits).all()
    assert (table.pixels == images).all()

    usages = {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}
    for i, (pixels, label, split) in enumerate(zip(images, labels, splits, strict=True)):
        part = "train" if split == "train" else "test"
        folder = tmp_path / "folders" / part / arrays.class_names[label].lower()
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{usages[split]}_{i}.bmp")
    folders = READERS["fer2013"](tmp_path / "folders")
    position = np.array([int(file.stem.partition("_")[2]) for file in folders.files])
    assert (folders.labels == labels[position]).all()
    assert (folders.splits == splits[position]).all()
    assert digest_of(np.asarray(Image.open(folders.files[0]))) == digest_of(images[position[0]])

    told, agrees = check_dataset("fer2013", REAL)
    assert agrees
    for line in (
        "280 of val are images of train, pixel for pixel",
        "288 of test are images of train, pixel for pixel",
        "57 images under more than one label",
        "12 images of one gray value",
    ):
        assert line in told
