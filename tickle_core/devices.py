"""Where tensors live, and how torch is set so that a run can be repeated."""

import torch


def prepare(device: str) -> torch.device:
    """Resolve `auto` (CUDA, then MPS, then CPU) and ask torch for deterministic kernels.

    On the CPU the kernels that are used here are deterministic as they are, and asking would
    import torch's compiler, which takes longer than all other imports together.
    """
    if device == "auto":
        device = _best()
    if device != "cpu":
        torch.use_deterministic_algorithms(True, warn_only=True)
    return torch.device(device)


def _best() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
