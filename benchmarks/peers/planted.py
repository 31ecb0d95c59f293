"""Tokens with a known make: what activations are believed to be, so that SAEs can be compared.

    token = offset + sum of a few directions, each times a positive number, + noise

How often a direction occurs falls as a power of its rank, its strengths are log-normal (a long
tail), and directions and noise have a decaying spectrum.
"""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

ACTIVE = 24  # draws of directions per token
FREQUENCY_DECAY = 0.6  # probability of the direction of rank r: r to the power of minus this
SPECTRUM_DECAY = 0.5  # standard deviation along axis r, likewise
STRENGTH_SPREAD = 0.7  # of the logarithm
NOISE_SHARE = 0.1  # of the variance
CHUNK = 32_768


def write_tokens(path: Path, count: int, d: int, directions: int, seed: int) -> None:
    """Write float32 tokens (count, d) as .npy, a chunk at a time."""
    rng = np.random.default_rng(seed)
    spectrum = np.arange(1, d + 1) ** -SPECTRUM_DECAY
    rotation = np.linalg.qr(rng.standard_normal((d, d)))[0]
    coloured = spectrum[:, None] * rotation
    atoms = rng.standard_normal((directions, d)) @ coloured
    atoms = torch.from_numpy(atoms / np.linalg.norm(atoms, axis=1, keepdims=True)).float()
    cumulative = np.cumsum(np.arange(1, directions + 1) ** -FREQUENCY_DECAY)
    cumulative /= cumulative[-1]
    ranks = rng.permutation(directions)
    # The variance of the sum of independent draws; the mean adds to it, but is small.
    signal = ACTIVE * np.exp(2 * STRENGTH_SPREAD**2)
    noise = torch.from_numpy(
        coloured * np.sqrt(NOISE_SHARE / (1 - NOISE_SHARE) * signal / np.sum(spectrum**2))
    ).float()
    offset = torch.from_numpy(rng.standard_normal(d) * np.sqrt(signal / d)).float()
    tokens = np.lib.format.open_memmap(path, "w+", np.float32, (count, d))
    for start in range(0, count, CHUNK):
        n = min(CHUNK, count - start)
        drawn = ranks[np.searchsorted(cumulative, rng.random((n, ACTIVE)))]
        strengths = np.exp(STRENGTH_SPREAD * rng.standard_normal((n, ACTIVE), dtype=np.float32))
        tokens[start : start + n] = offset + F.embedding_bag(
            torch.from_numpy(drawn),
            atoms,
            mode="sum",
            per_sample_weights=torch.from_numpy(strengths),
        )
        tokens[start : start + n] += (
            torch.from_numpy(rng.standard_normal((n, d), dtype=np.float32)) @ noise
        ).numpy()
