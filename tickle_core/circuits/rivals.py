"""Units that mean nothing: what channels and latents have to beat under the same rule."""

import torch
from torch.nn import functional as F

from tickle_core.dictionaries.stream import Sample

TOKENS = 4096  # of the sample, in whose span random directions lie


def random_basis(d: int, seed: int) -> torch.Tensor:
    """An orthonormal basis (d, d), uniformly distributed."""
    normal = torch.randn(d, d, generator=torch.Generator().manual_seed(seed))
    basis, triangle = torch.linalg.qr(normal)
    return (basis * triangle.diagonal().sign()).T.contiguous()


def random_directions(sample: Sample, count: int, seed: int) -> torch.Tensor:
    """Gaussian directions with the covariance of the layer's tokens, of unit norm: (count, d)."""
    around = sample.tokens[:TOKENS] - sample.mean
    normal = torch.randn(count, len(around), generator=torch.Generator().manual_seed(seed))
    return F.normalize(normal.to(around) @ around)


def matching_pursuit(acts: torch.Tensor, directions: torch.Tensor, k: int) -> torch.Tensor:
    """Sparse coefficients of `acts` (n, d), at most k per row, of either sign: (n, units).

    Step by step, the direction that explains most of what is left takes what it explains [1]_. It
    is what an encoder does for an SAE, for directions (units, d) of unit norm that have none.

    References
    ----------
    .. [1] Mallat, Zhang (1993). Matching pursuits with time-frequency dictionaries. IEEE Trans.
       Signal Process. 41.
    """
    found = acts.new_zeros(len(acts), len(directions))
    left = acts
    for _ in range(k):
        inner = left @ directions.T
        best = inner.abs().max(1, keepdim=True).indices
        value = inner.gather(1, best)
        found.scatter_add_(1, best, value)
        left = left - value * directions[best[:, 0]]
    return found
