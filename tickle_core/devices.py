"""Where tensors live, and how torch is set so that a run can be repeated."""

import ctypes
import sys

import torch

from tickle_core.errors import TickleError

# glibc's names for its tunables, and values that stop it from handing memory back to the system.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
NEVER_TRIM = 2**31 - 1
MMAP_NOTHING = 32 * 2**20  # the largest value that it takes


def prepare(device: str, double: bool = False) -> torch.device:
    """Resolve `auto` (CUDA, then MPS, then CPU) and ask torch for deterministic kernels.

    Where `double` precision or sparse products are needed, which MPS lacks, the CPU stands in for
    it. On the CPU the kernels that are used here are deterministic as they are, and asking would
    import torch's compiler, which takes longer than all other imports together.

    Raises
    ------
    TickleError
        If there is no such device.
    """
    if device == "auto":
        device = _best()
    if (device == "cuda" and not torch.cuda.is_available()) or (
        device == "mps" and not torch.backends.mps.is_available()
    ):
        raise TickleError(f"device is {device}, which torch does not find here; auto takes what is")
    if double and device == "mps":
        device = "cpu"
    _keep_freed_memory()
    if device != "cpu":
        torch.use_deterministic_algorithms(True, warn_only=True)
    return torch.device(device)


def _best() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _keep_freed_memory() -> None:
    """Let freed buffers be used again instead of being returned and asked for anew.

    Every batch allocates and frees the same tens of MiB; by default each of them is mapped
    afresh, and filling new pages costs more than compressing what is put there.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_TRIM_THRESHOLD, NEVER_TRIM)
        libc.mallopt(M_MMAP_THRESHOLD, MMAP_NOTHING)
        libc.mallopt(M_ARENA_MAX, 1)  # threads would each hoard, and unmap, a heap of their own
