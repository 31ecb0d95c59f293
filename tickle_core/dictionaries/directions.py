"""Random directions that are spread as given ones: the dictionaries that nobody learnt."""

import numpy as np
import torch
from torch.nn import functional as F

from tickle_core.dictionaries.stream import Sample


def root(second_moment: torch.Tensor) -> torch.Tensor:
    """The symmetric square root of a second moment (d, d) float64, (d, d).

    Of all roots it alone does not depend on the signs of eigenvectors, which differ between
    machines.
    """
    values, vectors = torch.linalg.eigh(second_moment)
    return vectors * values.clamp_min(0).sqrt() @ vectors.T


def draw(spread: torch.Tensor, count: int, rng: np.random.Generator) -> torch.Tensor:
    """Directions of draws from N(0, C): (count, d) float32 of unit norm.

    Parameters
    ----------
    spread
        (d, d), the symmetric root of C.
    """
    normal = torch.from_numpy(rng.standard_normal((count, len(spread)))).to(spread.device)
    return F.normalize(normal @ spread).float()


def like_tokens(sample: Sample, count: int, seed: int) -> torch.Tensor:
    """Directions of draws from a Gaussian with the tokens' covariance: (count, d) of unit norm."""
    return draw(root(sample.covariance), count, np.random.default_rng(seed))
