"""The (N+M) paper's tables: which runs they need, and what is asked of those runs afterwards."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from fercore.config import RunConfig
from fercore.data.readers.simfer import read_simfer
from fercore.data.store import StoredImages, open_store
from fercore.errors import ConfigError
from fercore.evaluation.evaluate import evaluate
from fercore.methods.table import find_method
from fercore.mining import mine_positives
from fercore.papers.analyses import examine, features_of
from fercore.papers.experiments import PAPER_TABLES, tuplet_tables
from fercore.papers.probes import read_identity
from fercore.profiles import PROFILES
from fercore.trained import load_trained
from tests.faces import TINY, make_tree
from tests.messages import one_line


@pytest.fixture
def video(tmp_path, monkeypatch):
    """Configs on seven expressions of eight people, three frames each, of which fold 3 is tested on."""
    monkeypatch.setenv("FERCORE_DATA", str(tmp_path / "data"))
    root = make_tree(tmp_path / "video", train=24, test=0, people=8, frames=3)
    return lambda **values: RunConfig(**({"data": f"simfer:{root}", "fold": 3, "trunk": "inception"} | TINY | values))


@pytest.mark.parametrize("profile", PROFILES)
def test_rows_differ_in_their_loss_alone_and_share_their_folds(profile):
    rows = tuplet_tables(profile)
    own = {"method", "head", "clip_norm", "softmax_of"} | set(find_method("nplusm-2b").hyperparameters)
    common = {
        fold: {
            tuple(sorted((key, value) for key, value in configs[fold].to_dict().items() if key not in own))
            for configs in rows.values()
        }
        for fold in range(len(rows["softmax"]))
    }
    assert all(len(recipes) == 1 for recipes in common.values())
    preset = "sequences-quick" if profile == "quick" else "sequences"
    assert {config.preset for configs in rows.values() for config in configs} == {preset}
    assert [config.fold for config in rows["softmax"]] == list(range(len(rows["softmax"])))
    assert rows["softmax"][0].head == "one-branch"


def test_every_table_of_the_paper_has_its_runs_among_them():
    shared = {config for configs in tuplet_tables("laptop").values() for config in configs}
    for item in ("table 1", "table 2", "table 3", "table 4", "table 5"):
        needed = {config for configs in PAPER_TABLES[item]("laptop").values() for config in configs}
        assert needed <= shared
        assert {config.fold for config in needed} == set(range(8))


@pytest.fixture
def new_people(tmp_path, monkeypatch):
    """In place of SimFER's preset `people`: five people with seven expressions, three frames each."""
    root = make_tree(tmp_path / "people", train=15, test=0, people=5, frames=3)
    monkeypatch.setattr("fercore.papers.analyses.make_simfer", {"people": root}.get)
    return read_simfer(root)


@pytest.mark.parametrize("method", ["softmax", "nplusm-2b"])
def test_the_identity_of_new_people_is_probed_in_what_each_branch_makes(video, new_people, method):
    config = video(method=method)
    found = examine(config, "identity")
    assert found["identities"].tolist() == new_people.identities.tolist()
    assert found["labels"].tolist() == new_people.labels.tolist()
    trained = load_trained(config, "cpu")
    images = StoredImages(open_store(new_people, config.image_size), np.arange(len(new_people.labels)))
    features = features_of(trained, images)
    embeddings, logits = evaluate(trained.model, images, trained.data, config.crop)
    assert np.array_equal(features["embedding"], embeddings.numpy())
    last = trained.model.head.classify if config.head else trained.model.classify
    assert np.allclose(last(torch.tensor(features["classifier"])).detach(), logits, atol=1e-5)
    assert (features["embedding"].shape == features["classifier"].shape) == (method == "softmax")
    assert features["pixels"].shape == (len(images), 3 * config.crop**2)
    for name in ("pixels", "embedding", "classifier"):
        right = read_identity(features[name], new_people.identities, new_people.labels)
        assert np.array_equal(found[f"identity_{name}"], right, equal_nan=True)
        assert f"expression_{name}" in found


def test_mining_is_shown_as_the_loss_sees_it(video):
    config = video(method="nplusm-2b", positives=4, negatives=3)
    found = examine(config, "mining")
    trained = load_trained(config, "cpu")
    for when, split in (("end", trained.data.train), ("new", trained.data.test)):
        images, sizes, kept, shown = (found[f"{when}_{name}"] for name in ("images", "sizes", "kept", "embeddings"))
        assert sizes.sum() == len(images) == len(kept)
        places = torch.from_numpy(split.images.positions.searchsorted(images))
        assert (split.images.positions[places] == images).all()
        embeddings, _ = evaluate(trained.model, split.images, trained.data, config.crop)
        rows = normalize(embeddings, dim=1)[places]
        m, n = sizes[0]
        keep, _ = mine_positives(rows[:m], rows[m : m + n])
        assert kept[:m].tolist() == keep.tolist()
        assert kept[m : m + n].all()
        assert np.allclose(shown, rows[: len(shown)], atol=1e-3)
        assert len(set(split.labels[places[:m]].tolist())) == 1
    assert np.array_equal(found["start_images"], found["end_images"])
    assert not np.array_equal(found["start_embeddings"], found["end_embeddings"])


def test_wrong_questions_get_one_line(video, tiny):
    for config, name, words in (
        (video(method="softmax"), "mining", "softmax makes none"),
        (tiny(method="softmax"), "identity", "wmnist has none"),
    ):
        with pytest.raises(ConfigError, match=words) as caught:
            examine(config, name)
        assert one_line(caught.value)
