"""A session: what one process does for all that train a run, step by step and without a training."""

import pytest
import torch
from torch import nn

from fercore.data import Images, Splits
from fercore.data.splits import fingerprint
from fercore.errors import NotShipped, StoreError
from fercore.runs import files
from fercore.runs.identity import describe_change, facts_of
from fercore.runs.session import Record, Session, git_state, versions
from tests.messages import one_line


def parts(width: int = 3) -> dict[str, nn.Module | torch.optim.Optimizer]:
    """A network and its optimizer, one step on."""
    model = nn.Linear(width, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.randn(2, width)).sum().backward()
    optimizer.step()
    return {"model": model, "optimizer": optimizer}


def data(labels: list[int]) -> Splits:
    images = Images(torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.tensor(labels))
    return Splits("wmnist", images, images, images, ("0", "1"), (), (0.5,), (0.5,), fingerprint(images))


DATA = data([0, 1, 1])
RECORD = Record(
    data=facts_of(DATA),
    epochs=[{"epoch": 1, "loss": 0.5}],
    snapshots=[{"embeddings": torch.ones(2, 2)}],
    best={"val_balanced_accuracy": 0.25, "model": {"weight": torch.zeros(1)}},
    seconds=7.5,
)


@pytest.fixture
def session(tiny) -> Session:
    """Of a run that broke off after one epoch."""
    session = Session(tiny())
    with session.locked():
        session.save(RECORD, parts())
    return session


def test_a_run_that_never_began_has_an_empty_record(tiny):
    session, fresh = Session(tiny()), parts()
    before = fresh["model"].weight.clone()
    assert session.find() is None
    assert session.weights("best") is None
    with session.locked():
        assert session.resume(fresh, DATA) == Record(facts_of(DATA), seconds=0.0)
    assert torch.equal(fresh["model"].weight, before)


def test_a_run_that_broke_off_goes_on_with_every_part(tiny):
    session, saved, other = Session(tiny()), parts(), parts()
    with session.locked():
        session.save(RECORD, saved)
        found = session.resume(other, DATA)
    assert (found.epochs, found.seconds) == (RECORD.epochs, RECORD.seconds)
    assert torch.equal(found.snapshots[0]["embeddings"], torch.ones(2, 2))
    assert found.best["val_balanced_accuracy"] == 0.25
    assert torch.equal(other["model"].weight, saved["model"].weight)
    momenta = [part["optimizer"].state_dict()["state"][0]["momentum_buffer"] for part in (saved, other)]
    assert torch.equal(*momenta)


CHANGES = {
    "another network": {"model": parts(width=5)["model"].state_dict()},
    "no optimizer": {"optimizer": {}},
    "an optimizer of words": {"optimizer": "sgd"},
    "epochs without end": {"epochs": RECORD.epochs * 9},
    "epochs a number": {"epochs": 5},
    "no data": {"data": None},
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_another_run_left_is_refused_in_one_line(session, change):
    state = files.read(session.checkpoint, session.config.id)
    files.write(session.checkpoint, state | CHANGES[change], session.config.id)
    with pytest.raises(StoreError) as error:
        session.resume(parts(), DATA)
    assert "checkpoint.pt is not of this run" in one_line(error.value)
    assert session.checkpoint.exists()


def test_a_run_does_not_go_on_with_changed_data(session):
    with pytest.raises(StoreError) as error:
        session.resume(parts(), data([0, 0, 1]))
    assert "is of a training on other data (its labels, people or sequences have changed)" in one_line(error.value)
    assert session.checkpoint.exists()


def test_the_code_is_named_by_its_commit():
    assert versions()["commit"] == git_state()[0]


def test_recorded_fingerprints_stay_what_they_are():
    """Of another length or order, every stored result would be about other data."""
    known = {"data_fingerprint": "e319473c4d3a470a", "label_fingerprint": "67d9946ebe9222a3", "train_images": 3}
    assert facts_of(DATA) == known


def test_a_change_is_told_as_far_as_the_record_goes():
    now = facts_of(DATA)
    assert describe_change(now, now) == ""
    assert describe_change(now | {"data_fingerprint": "another"}, now) == "its images have changed"
    assert describe_change({"data_fingerprint": "another"}, now) == "its images or labels have changed"
    assert describe_change(now | {"train_images": 1234}, now) == "1,234 training images then, 3 now"


def test_a_fresh_session_forgets_what_an_earlier_one_left_and_keeps_its_own(session, tiny, monkeypatch):
    monkeypatch.setenv("FERCORE_SESSION_START", "2000-01-01T00:00:00+00:00")
    with Session(tiny(), fresh=True).locked():
        assert session.checkpoint.exists()
    monkeypatch.setenv("FERCORE_SESSION_START", "2100-01-01T00:00:00+00:00")
    with Session(tiny()).locked():
        assert session.checkpoint.exists()
    with Session(tiny(), fresh=True).locked():
        assert not session.checkpoint.exists()


def test_a_lock_ends_with_an_error_too(tiny):
    session = Session(tiny())

    def stop() -> None:
        with session.locked():
            assert session.lock.is_locked
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert not session.lock.is_locked


def test_what_may_not_be_trained_is_said_when_it_is_looked_for(tiny, monkeypatch, store):
    monkeypatch.setenv("FERCORE_SHIPPED_ONLY", "1")
    with pytest.raises(NotShipped) as error:
        Session(tiny()).find()
    assert tiny().command() in one_line(error.value)
    assert not store.exists()


def test_kept_weights_are_files_of_the_run(session):
    session.keep({"best": {"weight": torch.ones(2)}})
    assert session.weights("best").name == "best.safetensors"
    assert session.weights("last") is None
