"""What the papers claim in words alone, and what is known of it here: a number from stored runs, or why there is none."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

from fercore.config import RunConfig
from fercore.evaluation.compare import percent, signed, stored, trial
from fercore.evaluation.stats import estimate, paired_difference
from fercore.methods.table import METHODS
from fercore.papers import experiments
from fercore.papers.errata.entry import LIU, RAJOLI, THESIS
from fercore.papers.tables import Experiment
from fercore.papers.tuning import score, trials
from fercore.runs.find import find_results
from fercore.runs.result import RunResult

NOT_RUN = "not run"
ARRIVED = 0.9  # of the lower of two rows' final validation accuracies: there both have learned most of what they will
ALEXNET_SIDE = 227


def words_table(profile: str = "laptop") -> pd.DataFrame:
    """Every claim in words beside what stored runs of `profile` say of it; nothing is trained.

    Columns: paper (with the section), claim, here.
    """
    rows = [
        {"paper": where, "claim": claim, "here": known(profile) if callable(known) else f"not examined, because {known}"}
        for where, claim, known in WORDS
    ]
    return pd.DataFrame(rows)


# --- numbers ------------------------------------------------------------------------------------------------------------


def gain(make: Callable[[str], Experiment], row: str, than: str, metric: str = "accuracy") -> Callable[[str], str]:
    """Says how far `row` is above `than` in an experiment: the mean paired difference in points, with its interval."""

    def known(profile: str) -> str:
        ours, theirs = (percent(trained(make(profile).get(name, [])), metric) for name in (row, than))
        difference = paired_difference(ours, theirs)
        return f"{row} minus {than}, {metric}: {signed(difference)} ({difference.n} pairs)" if difference.n else NOT_RUN

    return known


def speed(make: Callable[[str], Experiment], row: str, than: str) -> Callable[[str], str]:
    """Says how many epochs later than `than` a row first reaches a validation accuracy that both reach (ARRIVED)."""

    def known(profile: str) -> str:
        ours, theirs = ({trial(run.config): run for run in trained(make(profile).get(name, []))} for name in (row, than))
        pairs = np.array([arrivals(run, theirs[key]) for key, run in ours.items() if key in theirs])
        if not len(pairs):
            return NOT_RUN
        first, second = pairs.mean(axis=0)
        later = estimate(pairs[:, 0] - pairs[:, 1])
        return f"{row} arrives in epoch {first:.1f}, {than} in {second:.1f}: {signed(later)} ({later.n} pairs)"

    return known


def arrivals(run: RunResult, other: RunResult) -> list[int]:
    """The epochs in which two runs first reach ARRIVED of the lower of their final validation accuracies."""
    curves = [[row["val_balanced_accuracy"] for row in one.epochs] for one in (run, other)]
    level = ARRIVED * min(curve[-1] for curve in curves)
    return [1 + next(k for k, value in enumerate(curve) if value >= level) for curve in curves]


def trained(configs: list[RunConfig]) -> list[RunResult]:
    return [run for run in stored(configs) if not run.diverged]


def time_of_dacl(profile: str) -> str:
    """The fastest of each row's runs, a kind of machine: what runs beside a training makes it slower, never faster."""
    rows = experiments.leaderboard(profile)
    fastest: dict[str, dict[str, float]] = {}
    for name in ("DACL", "softmax"):
        for run in trained(rows.get(name, [])):
            times = fastest.setdefault(run.provenance["device"].split(",")[0], {})
            times[name] = min(run.provenance["seconds"], times.get(name, math.inf))
    told = [
        f"{100 * (times['DACL'] / times['softmax'] - 1):+.0f} % ({machine})"
        for machine, times in sorted(fastest.items())
        if len(times) == 2
    ]
    return f"{', '.join(told)} of softmax's training time (the fastest run of each)" if told else NOT_RUN


def span_of_trials(profile: str) -> str:
    """How much a weight decides among the trials of DACL, beside those of center loss and DDA."""
    told = []
    for method in ("dacl", "center", "dda"):
        scores = [100 * score(result) for result in find_results(trials(method, profile))]
        if min(scores) >= 0:
            told.append(f"{METHODS[method].label} {max(scores) - min(scores):.1f}")
    return f"points between the best and the worst of three weights: {', '.join(told)} (one seed)" if told else NOT_RUN


def operations(_: str) -> str:
    """Multiplications of one face, forward, beside AlexNet's."""
    from torch.utils.flop_counter import FlopCounterMode
    from torchvision.models import alexnet  # takes as long to import as PyTorch, and no other sentence needs it

    from fercore.papers.budget import count

    ours = count(RunConfig(method="nplusm-2b", data="ckplus", profile="paper", pretrained="none")).forward_flops / 2
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        alexnet()(torch.empty(1, 3, ALEXNET_SIDE, ALEXNET_SIDE))
    theirs = counter.get_total_flops() / 2  # a multiplication and its addition count as two
    return f"{ours / 1e6:.0f}M multiplications; AlexNet {theirs / 1e6:.0f}M, {theirs / ours:.1f} times as many"


def loss_of_noise(profile: str) -> str:
    rows, told = experiments.label_noise(profile), []
    for label in ("softmax", "DACL"):
        clean, noisy = (percent(trained(rows.get(f"{state} {label}", [])), "accuracy") for state in ("clean", "noisy"))
        lost = paired_difference(noisy, clean)
        told += [f"{label} {signed(lost)} ({lost.n} pairs)"] * bool(lost.n)
    return f"a fifth of the labels wrong, points of accuracy: {', '.join(told)}" if told else NOT_RUN


# --- the claims ---------------------------------------------------------------------------------------------------------

RECIPE = "every method has the same augmentation here, and none was trained without"
WORDS: tuple[tuple[str, str, str | Callable[[str], str]], ...] = (
    (f"{LIU}, 5.3", "about 25M operations, almost four times fewer than AlexNet", operations),
    (f"{LIU}, 5.3", "5 ms a face on a Titan X", "it is another machine's time"),
    (
        f"{LIU}, 2",
        "softmax loss converges much faster than metric loss",
        speed(experiments.leaderboard, "2B (N+M)", "softmax"),
    ),
    (
        f"{LIU}, 5.3",
        "the loss converges after 40 epochs and declines more steadily",
        "the trainings on sequences have 12 epochs here (their curves are chapter 8's)",
    ),
    (
        f"{LIU}, 2",
        "random triplets do not converge well",
        gain(experiments.leaderboard, "triplet", "softmax", "balanced accuracy"),
    ),
    (
        f"{LIU}, 3",
        "a drop-in replacement for the triplet loss",
        gain(experiments.leaderboard, "2B (N+M)", "triplet", "balanced accuracy"),
    ),
    (f"{LIU}, 1", "mining positives helps", gain(experiments.tuplet_ablation, "2B(N+M)Softmax", "no mining")),
    (
        f"{LIU}, 1",
        "a learned T is better than a constant one",
        gain(experiments.tuplet_ablation, "2B(N+M)Softmax", "constant T"),
    ),
    (f"{THESIS}, 5", "DACL needs no hyper-parameter tuned", span_of_trials),
    (f"{THESIS}, 5", "DACL's modules cost training time", time_of_dacl),
    (
        f"{THESIS}, 3.3.2",
        "softmax converges more slowly as gamma grows",
        speed(experiments.face_gammas, f"{experiments.FACE_GAMMAS[-1]:g}", "0"),
    ),
    (
        f"{THESIS}, 4.3.1",
        "weights from people's faces help to tell expressions",
        gain(experiments.face_pretraining, "pre-trained on identities", "from scratch"),
    ),
    (f"{THESIS}, 3.3.2", "on AffectNet ImageNet's weights do not help", "AffectNet is licensed, and nothing of it ran here"),
    (f"{THESIS}, 2", "some label noise helps to generalize", loss_of_noise),
    (f"{THESIS}, 5", "DACL with DDA, with convolutional or recurrent attention", "these are its plans, of which it tried none"),
    (f"{RAJOLI}, IV-A", "the right augmentation has a significant effect", RECIPE),
    (f"{RAJOLI}, IV-A", "multi-scale crops teach local and global features", RECIPE),
    (
        f"{RAJOLI}, V",
        "MM-NSS is the most robust sampler",
        gain(experiments.table_amtc3l_2, "pipeline b MM-NSS", "pipeline b MS-NSS"),
    ),
)
