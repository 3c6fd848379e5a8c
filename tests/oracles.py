"""What the tests of losses and samplers share: slow distances, inputs by chance, and inputs by malice."""

import math
from collections.abc import Callable

import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor

# The same examples in every run, and no example store beside the tests.
searched = settings(deadline=None, derandomize=True, database=None, max_examples=60)

# Ties, coincident points, signed zeros and huge norms come from a few values that meet again and again.
VALUES = st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, 3.0, 1e4, -1e4, 1e8]) | st.floats(-4, 4, width=32)


@st.composite
def batches(draw: st.DrawFn, *, least_classes: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """x [m, D], y [m] and c [K, D] in float64; m, D and the number of classes may be 1."""
    m, num_classes, dim = draw(st.integers(1, 6)), draw(st.integers(least_classes, 5)), draw(st.integers(1, 4))
    y = draw(st.lists(st.integers(0, num_classes - 1), min_size=m, max_size=m))
    return draw(matrices(m, dim)), torch.tensor(y), draw(matrices(num_classes, dim))


def matrices(rows: int, dim: int) -> st.SearchStrategy[Tensor]:
    flat = st.lists(VALUES, min_size=rows * dim, max_size=rows * dim)
    return flat.map(lambda values: torch.tensor(values, dtype=torch.float64).reshape(rows, dim))


def random_batch(m: int, num_classes: int, dim: int, *, scale: float = 1.0, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(m, dim, generator=generator, dtype=torch.float64) * scale
    c = torch.randn(num_classes, dim, generator=generator, dtype=torch.float64) * scale
    return x, torch.randint(num_classes, (m,), generator=generator), c


def random_like(x: Tensor, seed: int = 7) -> Tensor:
    """Uniform in (0.05, 0.95): a step of finite differences stays in [0, 1]."""
    return 0.05 + 0.9 * torch.rand(x.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def squared(a: Tensor, b: Tensor) -> float:
    return math.fsum((p - q) ** 2 for p, q in zip(a.tolist(), b.tolist(), strict=True))


def sigmoid(value: Tensor) -> float:
    value = float(value)
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))


def close(found: Tensor | float, expected: Tensor | float, *, scale: float = 1.0) -> None:
    """Equal to 1e-12, relative above 1; `scale` is the size of what was subtracted on the way."""
    expected = torch.as_tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(torch.as_tensor(found), expected, rtol=1e-12, atol=1e-12 * max(1.0, scale))


def largest(*tensors: Tensor) -> float:
    """The square of the largest entry: what squared distances may have lost in a subtraction."""
    return max((float(tensor.abs().max()) for tensor in tensors if tensor.numel()), default=0.0) ** 2


def finite_gradients(value: Tensor, *inputs: Tensor) -> bool:
    gradients = torch.autograd.grad(value, inputs, allow_unused=True)
    return bool(value.isfinite()) and all(gradient is None or bool(gradient.isfinite().all()) for gradient in gradients)


def peak_memory(function: Callable[[], Tensor]) -> tuple[Tensor, int]:
    """What it returns, and the most bytes that it held at once, as the allocator of PyTorch counts them."""
    with torch.profiler.profile(profile_memory=True, with_stack=False) as profile:
        found = function()
    in_use = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            in_use += event.nbytes()
            peak = max(peak, in_use)
    return found, peak


# --- the losses of class centers, one number at a time ----------------------------------------------------------------


def posterior(x: Tensor, centers: Tensor) -> list[float]:
    distances = [squared(x, c) for c in centers]
    weights = [math.exp(min(distances) - d) for d in distances]
    return [w / math.fsum(weights) for w in weights]


def slow_center_loss(x: Tensor, y: Tensor, c: Tensor) -> float:
    return math.fsum(squared(x[i], c[y[i]]) for i in range(len(x))) / (2 * len(x))


def slow_dda_loss(x: Tensor, y: Tensor, c: Tensor) -> float:
    total = []
    for i in range(len(x)):
        distances = [squared(x[i], center) for center in c]
        own, nearest = distances[y[i]], min(distances)
        total.append(own - nearest + math.log(math.fsum(math.exp(nearest - d) for d in distances)))
    return math.fsum(total) / (2 * len(x))


def slow_dda_gradients(x: Tensor, y: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    dx, dc = torch.zeros_like(x), torch.zeros_like(c)
    for i in range(len(x)):
        p = posterior(x[i], c)
        for k in range(len(c)):
            pull = (float(y[i] == k) - p[k]) * (x[i] - c[k]) / len(x)
            dx[i] += pull
            dc[k] -= pull
    return dx, dc


def slow_center_step(x: Tensor, y: Tensor, c: Tensor, a: Tensor) -> Tensor:
    delta = torch.zeros_like(c)
    for k in range(len(c)):
        members = [i for i in range(len(x)) if y[i] == k]
        for j in range(c.shape[1]):
            delta[k, j] = math.fsum(float(a[i, j] * (c[k, j] - x[i, j])) for i in members) / (1 + len(members))
    return delta


def hard_cases() -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    x, y, c = random_batch(12, 5, 3, seed=1)
    return {
        "random": (x, y, c),
        "one sample": random_batch(1, 4, 2, seed=2),
        "one class": random_batch(6, 1, 3, seed=3),
        "one class present": (x, torch.full_like(y, 2), c),
        "absent classes": (x, y % 2, c),
        "on the centers": (c[y].clone(), y, c),
        "all one point": (torch.zeros_like(x), y, torch.zeros_like(c)),
        "on the wrong center": (c[(y + 1) % 5].clone(), y, c),
        "norm 1e4": random_batch(12, 5, 3, scale=1e4, seed=4),
        "close together, far out": (x + 1e4, y, c + 1e4),
        "one dimension": random_batch(9, 3, 1, seed=5),
    }
