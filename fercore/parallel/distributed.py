"""Several processes that train one run, as `torchrun` starts them.

Each process shows the network its share of every batch. The outputs, a few numbers an image, are then gathered, and every
process computes the loss of the whole batch: no objective knows that there are several. `gather` and the averaging of
DistributedDataParallel make the gradient that of one process with the whole batch, up to rounding. Files are written by the
first process alone; what it read or decided, `on_first` hands to the others. With one process nothing here does anything.
"""

import atexit
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce as sum_over_processes
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from fercore.errors import FercoreError
from fercore.parallel.sums import all_reduce, world_size
from fercore.parallel.torchrun import launched
from fercore.parallel.torchrun import rank as rank_by_torchrun

Made = TypeVar("Made")
Given = ParamSpec("Given")
PATIENCE = timedelta(days=1)  # the others wait while the first renders a data set, or waits for a lock on the run


def rank() -> int:
    """This process's number, 0 for the first."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else rank_by_torchrun()


def is_first() -> bool:
    return rank() == 0


def meet(device: str) -> None:
    """Join torchrun's other processes, once and until the end: gloo for the CPU, nccl for tensors on GPUs."""
    if launched() == 1 or dist.is_initialized():
        return
    on_gpu = device != "cpu" and torch.cuda.is_available()
    dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=PATIENCE)
    atexit.register(dist.destroy_process_group)


# --- what the first process does for all --------------------------------------------------------------------------------


def on_first(make: Callable[Given, Made], *given: Given.args, **options: Given.kwargs) -> Made:
    """make(*given, **options) of the first process, handed to all: its result, or its error. The others wait for it."""
    if world_size() == 1:
        return make(*given, **options)
    outcome: list[Any] = [None, None]
    if is_first():
        try:
            outcome = [make(*given, **options), None]
        except FercoreError as error:
            outcome = [None, error]
    dist.broadcast_object_list(outcome)
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]


def by_first(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """A function, or a method, that the first process alone runs when all of them call it; see `on_first`."""

    @wraps(function)
    def for_all(*given: Given.args, **options: Given.kwargs) -> Made:
        return on_first(function, *given, **options)

    return for_all


def first_before_others(make: Callable[Given, Made], *given: Given.args, **options: Given.kwargs) -> Made:
    """make(*given, **options) of each process, the first one's before the others': what it fetches, renders or decodes is
    there for them.
    """
    made: list[Made] = []
    on_first(lambda: made.append(make(*given, **options)))
    return made[0] if made else make(*given, **options)


def any_process(here: bool) -> bool:
    """Whether it is so in any process: they leave a loop together, or wait for each other for ever."""
    if world_size() == 1:
        return here
    return all_reduce(torch.tensor(int(here))).item() > 0


# --- shares of a batch --------------------------------------------------------------------------------------------------


def bounds(total: int, process: int) -> tuple[int, int]:
    """First and last + 1 of the rows that count as this process's; sizes differ by one at most, and may be 0."""
    return total * process // world_size(), total * (process + 1) // world_size()


def share(total: int) -> slice:
    """Which of `total` rows this process works on.

    Of fewer rows than processes, some process has none that counts. It works on a row that another one has too, since no
    network trains on none, and `gather` leaves it out.
    """
    start, stop = bounds(total, rank())
    return slice(start, max(stop, start + 1))


def gather(rows: Tensor, total: int) -> Tensor:
    """All rows [total, ...], in every process, from the share of each.

    A gradient flows back to the own rows alone, times the number of processes. Where every process computes the same loss
    from the gathered rows, the mean of their parameters' gradients, which DistributedDataParallel takes, is then the
    gradient of that loss, however uneven the shares are.
    """
    return rows if world_size() == 1 else Gather.apply(rows, total)


class Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, total: int) -> Tensor:
        ctx.total, ctx.worked_on = total, len(rows)
        padded = rows.new_zeros(-(-total // world_size()), *rows.shape[1:])  # all_gather wants equal sizes
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in range(world_size())]
        dist.all_gather(parts, padded)
        sizes = [stop - start for start, stop in (bounds(total, process) for process in range(world_size()))]
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        start, stop = bounds(ctx.total, rank())
        own = gradient.new_zeros(ctx.worked_on, *gradient.shape[1:])
        own[: stop - start] = gradient[start:stop] * world_size()
        return own, None


# --- networks -----------------------------------------------------------------------------------------------------------


def average_gradients(network: nn.Module) -> nn.Module:
    """`network` under DistributedDataParallel, with the first process's weights in all; itself where there is one process."""
    return network if world_size() == 1 else DistributedDataParallel(network)


def share_statistics(network: nn.Module, device: torch.device) -> None:
    """Let every batch normalization inside `network` see the whole batch: PyTorch's SyncBatchNorm, and ours on a CPU."""
    if world_size() > 1 and device.type != "cpu":
        nn.SyncBatchNorm.convert_sync_batchnorm(network)
    elif world_size() > 1:
        for module in network.modules():
            if isinstance(module, _BatchNorm):
                module.__class__ = CpuSyncBatchNorm  # parameters, buffers and their names stay as they are


class CpuSyncBatchNorm(_BatchNorm):
    """What nn.SyncBatchNorm does on GPUs; PyTorch has none for a CPU."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        dims, shape = [0, *range(2, input.ndim)], [1, -1, *[1] * (input.ndim - 2)]
        count = all_reduce(torch.tensor(input.numel() / input.shape[1]))
        mean = sum_over_processes(input.sum(dims)) / count
        centered = input - mean.view(shape)
        variance = sum_over_processes(centered.square().sum(dims)) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        return centered * (self.weight * (variance + self.eps).rsqrt()).view(shape) + self.bias.view(shape)


def copy_buffers(network: nn.Module) -> None:
    """The first process's buffers to all: plain batch normalization has seen another share of the batch in each."""
    if world_size() > 1:
        for buffer in network.buffers():
            dist.broadcast(buffer, src=0)
