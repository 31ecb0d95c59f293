"""Where tensors live, and how torch is set so that a run can be repeated."""

import torch


def prepare(device: str) -> torch.device:
    """Resolve `auto` (CUDA, then MPS, then CPU) and ask torch for deterministic kernels."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    if device != "auto":
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")
