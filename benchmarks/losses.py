"""Speed of every loss and sampler against the shortest way to write it, and the memory of the samplers.

"Direct" is what one writes after the formula, with broadcasting and autograd alone, without checks. Negatives and attention
are given. Tuplet losses take one tuple: the first half of the batch are positives, the second negatives. Times are those of
the processor with one thread, which no other program lengthens.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from pytorch_metric_learning.losses import ContrastiveLoss, NPairsLoss, ProxyNCALoss, TripletMarginLoss
from timing import alternate, one_thread, ratio
from torch import Tensor

from fercore import losses
from fercore.samplers import mm_nss, ms_nss, ns_nss

SHAPES = ((128, 512, 7), (1024, 512, 7), (128, 512, 1000), (1024, 512, 1000))  # batch, embedding, classes
LARGE = (256, 512, 10_000)  # where comparing every sample with every center takes 5 GB a tensor
MOST_TRIPLETS = 1 << 24  # that the others' forms hold in memory: of 1,024 samples, m^3 numbers are 4 GB a tensor

Inputs = dict[str, Tensor]
Row = tuple[str, ...]


def loss_rows(shapes: tuple[tuple[int, int, int], ...] = SHAPES, repetitions: int = 7) -> list[Row]:
    """Forward and backward of each loss, beside its direct form, a library's and, for the cheapest, the softmax loss."""
    rows = []
    for shape in shapes:
        inputs = make_inputs(*shape)
        often = repetitions * max(1, 1024 // shape[0])  # shorter times scatter more
        for name, (ours, direct) in PAIRS.items():
            if name != "triplet_loss" or shape[0] ** 3 <= MOST_TRIPLETS:
                rows.append(compare(name, shape, ours, "direct", direct, inputs, often))
        for name, (peer, build) in PEERS.items():
            if name != "triplet_loss" or count_triplets(inputs) <= MOST_TRIPLETS:
                theirs = build(shape[2], shape[1])
                rows.append(compare(name, shape, PAIRS[name][0], peer, lambda i, f=theirs: f(i["x"], i["y"]), inputs, often))
        for name in ("center_loss", "dda_loss"):
            plain = "softmax loss with its linear layer"
            rows.append(compare(name, shape, PAIRS[name][0], plain, softmax, inputs, often))
    return rows


def sampler_rows(
    shapes: tuple[tuple[int, int, int], ...] = SHAPES, large: tuple[int, int, int] = LARGE, repetitions: int = 3
) -> list[Row]:
    """Each sampler beside its direct form, and the peak of what both take beyond their inputs at `large`."""
    rows = []
    for shape in shapes:
        inputs = make_inputs(*shape)
        for name, (ours, direct) in SAMPLERS.items():
            rows.append(compare(name, shape, ours, "direct", direct, inputs, repetitions, backward=False))
    for name in SAMPLERS:
        ours, theirs = (peak_memory(name, which, large) for which in (0, 1))
        label = f"{name} ({', '.join(map(str, large))}), peak memory"
        rows.append((label, f"{ours:,.1f} MB", "direct", f"{theirs:,.1f} MB", f"{ours / max(theirs, 1e-3):.2f}"))
    return rows


def make_inputs(m: int, dim: int, num_classes: int) -> Inputs:
    torch.manual_seed(0)
    x, c = torch.randn(m, dim, requires_grad=True), torch.randn(num_classes, dim)
    y, guessed = (torch.randint(num_classes, (m,)) for _ in range(2))
    record = torch.randint(0, 3, (num_classes, num_classes)).float()
    more = {"n": c[(y + 1) % num_classes], "a": torch.rand(m, dim), "predictions": guessed, "record": record}
    return {"x": x, "y": y, "c": c} | more


def count_triplets(i: Inputs) -> int:
    """Those of the batch, which pytorch-metric-learning lists."""
    positive, negative = masks(i)
    return int((positive.sum(1) * negative.sum(1)).sum())


def compare(
    name: str,
    shape: tuple[int, int, int],
    ours: Callable[[Inputs], Tensor],
    other_name: str,
    other: Callable[[Inputs], Tensor],
    inputs: Inputs,
    repetitions: int,
    *,
    backward: bool = True,
) -> Row:
    with one_thread():
        first, second = alternate(
            lambda: call_seconds(ours, inputs, backward), lambda: call_seconds(other, inputs, backward), repetitions
        )
    times = [f"{1e3 * statistics.median(seconds):.2f} ms" for seconds in (first, second)]
    return f"{name} ({', '.join(map(str, shape))})", times[0], other_name, times[1], ratio(first, second)


def call_seconds(function: Callable[[Inputs], Tensor], inputs: Inputs, backward: bool) -> float:
    started = time.process_time()
    value = function(inputs)
    if backward:
        torch.autograd.grad(value, inputs["x"])
    return time.process_time() - started


def peak_memory(name: str, which: int, shape: tuple[int, int, int]) -> float:
    """MB that one call takes at its peak, measured in a process of its own: a peak never falls again."""
    command = [sys.executable, __file__, name, str(which), *map(str, shape)]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode:
        raise RuntimeError(f"{name}, {('fercore', 'direct')[which]} form: no memory for {shape}? {found.stderr[-300:]}")
    return float(found.stdout)


def measure_once(name: str, which: str, *shape: str) -> None:
    inputs = make_inputs(*map(int, shape))
    small = make_inputs(4, 8, 5)
    SAMPLERS[name][int(which)](small)  # what a first call loads is not the sampler's
    Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts again from what is held now
    before = memory_now("VmRSS")
    SAMPLERS[name][int(which)](inputs)
    print(memory_now("VmHWM") - before)


def memory_now(kind: str) -> float:
    """MB of this process: VmRSS, what it holds, or VmHWM, its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(f"{kind}:"))


# --- the direct forms -----------------------------------------------------------------------------------------------------


def softmax(i: Inputs) -> Tensor:
    return F.cross_entropy(i["x"] @ i["c"].T, i["y"])


def direct_center(i: Inputs) -> Tensor:
    return F.mse_loss(i["x"], i["c"][i["y"]], reduction="sum") / (2 * len(i["x"]))


def direct_dda(i: Inputs) -> Tensor:
    return F.cross_entropy(-torch.cdist(i["x"], i["c"]).square(), i["y"]) / 2


def direct_sparse(i: Inputs) -> Tensor:
    return (i["a"] * (i["x"] - i["c"][i["y"]]) ** 2).sum() / (2 * len(i["x"]))


def direct_tc3l(i: Inputs) -> Tensor:
    s, p, n = (torch.sigmoid(values) for values in (i["x"], i["c"][i["y"]], i["n"]))
    return F.relu(((s - p) ** 2 - (s - n) ** 2).sum(1) + s.shape[1]).mean() / s.shape[1]


def direct_amtc3l(i: Inputs) -> Tensor:
    s, p, n = (torch.sigmoid(values) for values in (i["x"], i["c"][i["y"]], i["n"]))
    return F.relu((i["a"] * ((s - p) ** 2 - (s - n) ** 2 + 1)).sum(1)).mean() / s.shape[1]


def halves(i: Inputs) -> tuple[Tensor, Tensor]:
    return i["x"][: len(i["x"]) // 2], i["x"][len(i["x"]) // 2 :]


def n_plus_one(i: Inputs) -> Tensor:
    positives, negatives = halves(i)
    return losses.n_plus_one_tuplet_loss(positives[0], positives[1], negatives, tau=2.0)


def direct_n_plus_one(i: Inputs) -> Tensor:
    positives, negatives = halves(i)
    far = ((positives[0] - negatives) ** 2).sum(1)
    return F.softplus(torch.logsumexp(((positives[0] - positives[1]) ** 2).sum() + 2.0 - far, 0))


def direct_n_plus_m(i: Inputs) -> Tensor:
    positives, negatives = halves(i)
    center = positives.mean(0)
    keep = torch.cdist(positives, center[None])[:, 0] <= torch.cdist(negatives, center[None]).min()
    if not keep.any():
        keep[torch.cdist(positives, center[None])[:, 0].argmin()] = True
    center = positives[keep].mean(0)
    inside, outside = (((rows - center) ** 2).sum(1) for rows in (positives[keep], negatives))
    return F.relu(inside - 2 + 1).mean() + F.relu(2 + 1 - outside).mean()


def direct_island(i: Inputs) -> Tensor:
    unit = F.normalize(i["c"])
    return direct_center(i) + 10 * ((unit @ unit.T + 1).sum() - (unit * unit).sum() - len(unit))


def direct_separate(i: Inputs) -> Tensor:
    unit, classes = F.normalize(i["c"]), len(i["c"])
    between = ((unit @ unit.T + 1).sum() - 2 * classes) / (classes * (classes - 1))
    return (1 - F.cosine_similarity(i["x"], i["c"][i["y"]])).mean() + between


def direct_triplet_center(i: Inputs) -> Tensor:
    distances = torch.cdist(i["x"], i["c"]).square() / 2
    own = distances[range(len(i["y"])), i["y"]]
    nearest = distances.scatter(1, i["y"][:, None], torch.inf).min(1).values
    return F.relu(own + 5 - nearest).mean()


def masks(i: Inputs) -> tuple[Tensor, Tensor]:
    same = i["y"][:, None] == i["y"]
    return same & ~torch.eye(len(same), dtype=torch.bool), ~same


def direct_locality(i: Inputs) -> Tensor:
    positive, _ = masks(i)
    x = i["x"]
    distances = torch.cdist(x, x).detach().masked_fill(~positive, torch.inf)
    near = distances.topk(min(20, len(x)), largest=False)
    weight = near.values.isfinite().float()[..., None]
    means = (x.detach()[near.indices] * weight).sum(1) / weight.sum(1).clamp(min=1)
    return ((x - means) ** 2).sum(1).mean() / 2


def direct_coupled(i: Inputs) -> Tensor:
    means = torch.stack([i["x"][i["y"] == k].mean(0) for k in i["y"]])
    far = torch.cdist(means, i["x"]).square().masked_fill(i["y"][:, None] == i["y"], torch.inf).min(1).values
    return F.relu(((i["x"] - means) ** 2).sum(1) + 1 - far).mean() / 2


def direct_contrastive(i: Inputs) -> Tensor:
    unit = F.normalize(i["x"])
    distances, (positive, negative) = torch.cdist(unit, unit), masks(i)
    near, far = distances[positive], F.relu(1 - distances[negative])
    return near.sum() / max(1, len(near)) + far.sum() / (far > 0).sum().clamp(min=1)


def direct_triplet(i: Inputs) -> Tensor:
    unit = F.normalize(i["x"])
    distances, (positive, negative) = torch.cdist(unit, unit), masks(i)
    violations = F.relu(distances[:, :, None] - distances[:, None] + 0.05)[positive[:, :, None] & negative[:, None]]
    return violations.sum() / (violations > 0).sum().clamp(min=1)


def direct_lossless(i: Inputs) -> Tensor:
    s = torch.sigmoid(i["x"])
    share, (positive, negative) = torch.cdist(s, s).square() / s.shape[1], masks(i)
    near, far = (-(1 - share + 1e-8).log() * positive).sum(1), (-(share + 1e-8).log() * negative).sum(1)
    count = (positive.sum(1) * negative.sum(1)).sum().clamp(min=1)
    return (near * negative.sum(1) + far * positive.sum(1)).sum() / count


def of(loss: Callable[..., Tensor], *names: str, **options: object) -> Callable[[Inputs], Tensor]:
    return lambda i: loss(*(i[name] for name in names), **options)


PAIRS: dict[str, tuple[Callable[[Inputs], Tensor], Callable[[Inputs], Tensor]]] = {
    "center_loss": (of(losses.center_loss, "x", "y", "c"), direct_center),
    "dda_loss": (of(losses.dda_loss, "x", "y", "c"), direct_dda),
    "sparse_center_loss": (of(losses.sparse_center_loss, "x", "y", "c", "a"), direct_sparse),
    "tc3l_loss": (of(losses.tc3l_loss, "x", "y", "c", "n"), direct_tc3l),
    "amtc3l_loss": (of(losses.amtc3l_loss, "x", "y", "c", "n", "a", margin_grad="attached"), direct_amtc3l),
    "n_plus_one_tuplet_loss": (n_plus_one, direct_n_plus_one),
    "n_plus_m_tuplet_loss": (lambda i: losses.n_plus_m_tuplet_loss(*halves(i), reference=2.0), direct_n_plus_m),
    "island_loss": (of(losses.island_loss, "x", "y", "c"), direct_island),
    "separate_loss": (of(losses.separate_loss, "x", "y", "c"), direct_separate),
    "triplet_center_loss": (of(losses.triplet_center_loss, "x", "y", "c"), direct_triplet_center),
    "locality_preserving_loss": (of(losses.locality_preserving_loss, "x", "y"), direct_locality),
    "coupled_clusters_loss": (of(losses.coupled_clusters_loss, "x", "y"), direct_coupled),
    "contrastive_loss": (of(losses.contrastive_loss, "x", "y"), direct_contrastive),
    "triplet_loss": (of(losses.triplet_loss, "x", "y"), direct_triplet),
    "lossless_triplet_loss": (of(losses.lossless_triplet_loss, "x", "y"), direct_lossless),
}


PEERS: dict[str, tuple[str, Callable[[int, int], Callable[[Tensor, Tensor], Tensor]]]] = {  # the nearest of a library's
    "dda_loss": ("pytorch-metric-learning's ProxyNCALoss", lambda classes, dim: ProxyNCALoss(classes, dim)),
    "contrastive_loss": ("pytorch-metric-learning's ContrastiveLoss", lambda classes, dim: ContrastiveLoss()),
    "triplet_loss": ("pytorch-metric-learning's TripletMarginLoss", lambda classes, dim: TripletMarginLoss()),
    "n_plus_one_tuplet_loss": ("pytorch-metric-learning's NPairsLoss", lambda classes, dim: NPairsLoss()),
}


@torch.no_grad()
def direct_ms(i: Inputs) -> Tensor:
    distances = (i["x"][:, None] - i["c"][None]).abs()
    distances[range(len(i["y"])), i["y"]] = torch.inf
    return i["c"].gather(0, distances.argmin(1))


@torch.no_grad()
def direct_ns(i: Inputs) -> Tensor:
    y, record = i["y"], i["record"].clone().fill_diagonal_(-1)
    distances = torch.cdist(i["c"], i["c"]).fill_diagonal_(torch.inf)
    rival = torch.where(record.max(1).values > 0, record.argmax(1), distances.argmin(1))
    return i["c"][torch.where(i["predictions"] == y, rival[y], i["predictions"])]


@torch.no_grad()
def direct_mm(i: Inputs) -> Tensor:
    return torch.where((i["predictions"] == i["y"])[:, None], direct_ms(i), i["c"][i["predictions"]])


SAMPLERS: dict[str, tuple[Callable[[Inputs], Tensor], Callable[[Inputs], Tensor]]] = {
    "ms_nss": (lambda i: ms_nss(i["x"].detach(), i["y"], i["c"]), direct_ms),
    "ns_nss": (of(ns_nss, "predictions", "y", "c", "record"), direct_ns),
    "mm_nss": (lambda i: mm_nss(i["x"].detach(), i["predictions"], i["y"], i["c"], i["record"]), direct_mm),
}


if __name__ == "__main__":
    measure_once(*sys.argv[1:])
