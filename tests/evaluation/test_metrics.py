import math

import numpy as np
import pytest
import torch
from scipy import stats as scipy_stats
from sklearn import metrics as sklearn_metrics

from fercore.evaluation.metrics import class_geometry, confusion_matrix, nearest_means, recalls, summarize, vote
from fercore.evaluation.stats import estimate, paired_difference, wilson_interval

PREDICTIONS, LABELS = torch.tensor([0, 0, 1, 1, 2, 0]), torch.tensor([0, 0, 0, 1, 1, 2])


def test_confusion_by_hand():
    confusion = confusion_matrix(PREDICTIONS, LABELS, 3)
    assert confusion.tolist() == [[2, 1, 0], [0, 1, 1], [1, 0, 0]]  # row: true, column: predicted
    assert recalls(confusion).tolist() == [2 / 3, 1 / 2, 0]
    assert summarize(confusion) == {"accuracy": 3 / 6, "balanced_accuracy": pytest.approx((2 / 3 + 1 / 2) / 3)}


def test_a_sequence_is_recognized_by_the_mean_of_its_frames():
    generator = torch.Generator().manual_seed(0)
    sequences = torch.randint(40, (300,), generator=generator) * 7 + 100
    labels = sequences % 3
    logits = 2 * torch.randn(300, 3, generator=generator, dtype=torch.float64)
    right = []
    for sequence in set(sequences.tolist()):
        frames = [logits[i].softmax(dim=0) for i in range(300) if sequences[i] == sequence]
        right.append(sum(frames).argmax().item() == sequence % 3)
    predictions, truth = vote(logits, labels, sequences)
    assert (predictions == truth).double().mean().item() == pytest.approx(sum(right) / len(right))
    assert truth.tolist() == [sequence % 3 for sequence in sorted(set(sequences.tolist()))]
    sure = torch.tensor([[0.0, 9.0], [1.0, 0.0], [1.0, 0.0]])  # one sure frame outweighs two unsure ones
    assert [part.tolist() for part in vote(sure, torch.tensor([1, 1, 1]), torch.tensor([4, 4, 4]))] == [[1], [1]]


def test_a_sequence_is_called_by_its_surest_frame_where_the_paper_does_so():
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(60, 4, generator=generator)
    sequences = torch.arange(60) // 3
    by_hand = [logits[3 * i : 3 * i + 3].softmax(dim=1).max(dim=0).values.argmax().item() for i in range(20)]
    highest, _ = vote(logits, torch.zeros(60), sequences, by="amax")
    mean, _ = vote(logits, torch.zeros(60), sequences)
    assert highest.tolist() == by_hand
    assert not torch.equal(highest, mean)


def test_metrics_equal_scikit_learn():
    generator = torch.Generator().manual_seed(0)
    predictions, labels = torch.randint(7, (2, 500), generator=generator)
    confusion = confusion_matrix(predictions, labels, 7)
    assert (confusion.numpy() == sklearn_metrics.confusion_matrix(labels, predictions)).all()
    np.testing.assert_allclose(recalls(confusion), sklearn_metrics.recall_score(labels, predictions, average=None))
    assert summarize(confusion) == {
        "accuracy": pytest.approx(sklearn_metrics.accuracy_score(labels, predictions)),
        "balanced_accuracy": pytest.approx(sklearn_metrics.balanced_accuracy_score(labels, predictions)),
    }


def test_a_class_without_images_has_no_recall_and_does_not_count():
    confusion = confusion_matrix(PREDICTIONS, LABELS, 4)
    assert np.isnan(recalls(confusion)[3])
    assert summarize(confusion) == summarize(confusion_matrix(PREDICTIONS, LABELS, 3))


def test_the_nearest_mean_is_the_one_at_the_shortest_distance():
    means = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]])
    points = np.array([[1.0, 1.0], [2.1, 0.0], [-9.0, 9.0], [1.9, 0.0]], dtype=np.float16)
    assert nearest_means(points, means).tolist() == [0, 1, 2, 0]


def test_class_geometry_by_hand():
    embeddings = np.array([[0, 1], [0, -1], [3, 4], [3, 4], [0, 10]])
    found = class_geometry(embeddings, np.array([0, 0, 1, 1, 2]))
    np.testing.assert_allclose(found["means"], [[0, 0], [3, 4], [0, 10]])
    np.testing.assert_allclose(found["radius"], [1, 0, 0])
    np.testing.assert_allclose(found["gap"], [5, 5, math.sqrt(45)])


def test_estimate_equals_the_t_interval():
    values = [96.1, 96.9, 97.4, 95.2]
    found = estimate(values)
    expected = scipy_stats.t.interval(0.95, 3, loc=np.mean(values), scale=scipy_stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected)
    assert (found.mean, found.std, found.n) == (pytest.approx(96.4), pytest.approx(np.std(values, ddof=1)), 4)


def test_one_run_says_nothing_of_its_spread():
    one, none = estimate([97.0]), estimate([])
    assert (one.mean, one.n) == (97.0, 1)
    assert all(map(math.isnan, (one.std, one.low, one.high, none.mean)))
    assert [f"{value:.1f}" for value in (one, none, estimate([1, 2]))] == ["97.0 (1)", "not run", "1.5 ± 0.7 (2)"]


def test_paired_difference_uses_the_common_seeds_alone():
    found = paired_difference({0: 97.0, 1: 98.0, 7: 10.0}, {1: 97.5, 0: 96.0, 5: 99.0})
    assert (found.mean, found.n) == (pytest.approx(0.75), 2)
    assert found.std == pytest.approx(np.std([1.0, 0.5], ddof=1))
    assert paired_difference({0: 1.0}, {1: 1.0}).n == 0


def test_wilson_interval_by_hand():
    low, high = wilson_interval(8, 10)
    z = 1.959964
    center, half = (8 + z * z / 2) / (10 + z * z), z / (10 + z * z) * math.sqrt(8 * 2 / 10 + z * z / 4)
    assert (low, high) == pytest.approx((center - half, center + half), rel=1e-6)
    assert wilson_interval(0, 10)[0] == 0
    assert wilson_interval(10, 10)[1] == 1
    assert wilson_interval(8, 10, confidence=0.99)[0] < low


@pytest.mark.parametrize(("correct", "total"), [(-1, 10), (11, 10), (0, 0)])
def test_wilson_interval_refuses_impossible_counts(correct, total):
    with pytest.raises(ValueError, match=r"^correct must lie in 0\.\.total[^\n]*$"):
        wilson_interval(correct, total)
