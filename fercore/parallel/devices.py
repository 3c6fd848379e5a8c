"""How a training is executed: the device, the precision, the random numbers."""

import random
from dataclasses import dataclass

import numpy as np
import torch

from fercore.choices import PRECISIONS
from fercore.errors import ConfigError
from fercore.parallel.torchrun import launched, local_rank


@dataclass(frozen=True)
class Execution:
    """How a training runs on its machine. It decides time and rounding, not what is learned: no config has it, every result
    records it. Attributes are as `train` takes them, resolved.
    """

    device: torch.device
    precision: str = "fp32"
    sync_batchnorm: bool = False
    compiled: bool = False


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The network in bfloat16 or float32; losses are computed in float32 all the same."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def find_precision(name: str, device: torch.device) -> str:
    """ "fp32" or "bf16"; of "auto" bf16 where the device computes it itself: emulated, it is slower than float32."""
    check_precision(name)
    if name != "auto":
        return name
    known = getattr(torch.cpu, "get_capabilities", dict)()
    native = device.type == "cuda" or known.get("avx512_bf16") or known.get("amx_bf16")
    return "bf16" if native else "fp32"


def check_precision(name: str) -> None:
    """Raise ConfigError unless `name` is one of PRECISIONS."""
    if name not in PRECISIONS:
        raise ConfigError(f"unknown precision {name!r}; known: {', '.join(PRECISIONS)}")


def seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def find_device(name: str) -> torch.device:
    """The torch device called `name`, where float32 is float32, not TF32; ConfigError where the machine has none such."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and launched() > 1:
        name = f"cuda:{local_rank()}"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device {name!r} cannot be used here ({reason}); use cpu, cuda or auto") from None
    torch.backends.cudnn.allow_tf32 = False  # else a GPU's convolutions have 10 bits of float32's 23; who wants speed has bf16
    return device
