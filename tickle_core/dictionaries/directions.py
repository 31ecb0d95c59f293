"""Random directions: the dictionaries and bases that nobody learnt."""

import numpy as np
import torch
from torch.nn import functional as F

from tickle_core.dictionaries.stream import Sample

TOKENS_SEED = 1_000_033  # beside the seed: what else is drawn with that comes from other numbers
FITTING_DRAWS = 10_000
FITTING_STEPS = 100


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


def random_basis(d: int, seed: int) -> torch.Tensor:
    """An orthonormal basis (d, d), uniformly distributed."""
    normal = torch.randn(d, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    basis, triangle = torch.linalg.qr(normal)
    # Without the signs it would be no uniform one (Mezzadri 2007, arXiv:math-ph/0609050).
    return (basis * triangle.diagonal().sign()).T.float().contiguous()


def like_tokens(sample: Sample, count: int, seed: int) -> torch.Tensor:
    """Directions of draws from a Gaussian with the tokens' covariance: (count, d) of unit norm."""
    return draw(root(sample.covariance), count, np.random.default_rng([seed, TOKENS_SEED]))


def spread_of(rows: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """What `draw` takes to draw directions with the second moment of the given unit rows (m, d).

    That is not the root of this second moment: once draws have unit norm, they are spread more
    evenly than the Gaussian is. By symmetry they share its eigenvectors, and its variances are
    found by taking each times (wanted / found) until the directions of FITTING_DRAWS draws agree.
    """
    rows = rows.detach().double()
    values, vectors = torch.linalg.eigh(rows.T @ rows / len(rows))
    wanted = values.clamp_min(0).cpu().numpy()
    squares = rng.standard_normal((FITTING_DRAWS, len(wanted))) ** 2
    variances = wanted.copy()
    for _ in range(FITTING_STEPS):
        shares = (1 / (squares @ variances)) @ squares * variances / FITTING_DRAWS
        variances *= np.divide(wanted, shares, out=np.zeros_like(wanted), where=shares > 0)
    return vectors * torch.from_numpy(variances**0.5).to(vectors.device) @ vectors.T
