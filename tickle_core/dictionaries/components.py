"""Principal components of a layer's tokens."""

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from tickle_core.dictionaries.stream import Sample

BLOCK_BYTES = 64 * 2**20  # of tokens widened to float64 at once


@dataclass(frozen=True)
class PrincipalComponents:
    """The principal components of a sample.

    Attributes
    ----------
    mean
        (d,) float32.
    basis
        (d, d) float32, orthonormal rows in the order of descending variance.
    """

    mean: torch.Tensor
    basis: torch.Tensor

    def project(self, acts: torch.Tensor, count: int) -> torch.Tensor:
        """The tokens (n, d) as described by the mean and the first `count` components."""
        basis = self.basis[:count]
        return (acts - self.mean) @ basis.T @ basis + self.mean

    def squared_errors(self, acts: torch.Tensor) -> torch.Tensor:
        """||a - projection||^2 of the tokens (n, d) with 0, 1, ..., d components: (n, d + 1).

        The basis being orthonormal, what is missing is the square of the coefficients left out.
        """
        left_out = ((acts - self.mean) @ self.basis.T).double().square()
        return F.pad(left_out.flip(1).cumsum(1).flip(1), (0, 1))


def principal_components(sample: Sample) -> PrincipalComponents:
    """Eigenvectors of the sample's covariance, which is summed and decomposed in float64.

    Not for a device that has no float64 (MPS).
    """
    d = sample.tokens.shape[1]
    squares = sample.mean.new_zeros(d, d, dtype=torch.float64)
    for tokens in sample.tokens.split(max(1, BLOCK_BYTES // (8 * d))):
        around = (tokens - sample.mean).double()
        squares.addmm_(around.T, around)
    ascending = torch.linalg.eigh(squares).eigenvectors
    return PrincipalComponents(sample.mean, ascending.T.flip(0).float().contiguous())
