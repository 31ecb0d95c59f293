"""Principal components of a layer's tokens."""

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from tickle_core.dictionaries.stream import Sample


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
    """Eigenvectors of the sample's covariance, in float64."""
    ascending = torch.linalg.eigh(sample.covariance).eigenvectors
    return PrincipalComponents(sample.mean, ascending.T.flip(0).float().contiguous())
