"""What of a layer is ablated or patched: channels, directions, latents of an SAE.

Each unit u reads a coefficient c_u off every token and stands for a direction w_u. To intervene is
to give it another coefficient c'_u and to leave all else of the token as it is:

    a  ->  a + sum_u (c'_u - c_u(a)) w_u

channel      c_u = a_u        w_u the unit vector of its axis
direction    c_u = a . w_u    w_u of unit norm
latent       c_u = E(a)_u     w_u its row of the decoder; what the SAE does not explain stays
"""

from dataclasses import dataclass
from typing import Protocol

import torch

from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.dictionaries.sparse import sampled_product


class Units(Protocol):
    """Units of one kind."""

    @property
    def directions(self) -> torch.Tensor:
        """w, (units, d)."""

    def coefficients(self, tokens: torch.Tensor, units: torch.Tensor) -> torch.Tensor:
        """C of some units (k,) at tokens (n, d): (n, k)."""

    def moments(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Sum and sum of squares of every c over tokens (n, d), both (units,) float64."""

    def inner(self, tokens: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """sum_p c_u(a_p) (w_u . g_p) over an image's positions.

        How much a function of the layer with gradient g changes, to first order, when a unit
        loses its coefficients.

        Parameters
        ----------
        tokens, gradients
            (n, positions, d) each.

        Returns
        -------
        torch.Tensor
            (n, units).
        """


@dataclass(frozen=True)
class Directions:
    """Directions of unit norm, (units, d)."""

    directions: torch.Tensor

    def coefficients(self, tokens: torch.Tensor, units: torch.Tensor) -> torch.Tensor:
        """As `Units.coefficients`."""
        return tokens @ self.directions[units].T

    def moments(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `Units.moments`."""
        found = (tokens @ self.directions.T).double()
        return found.sum(0), found.square().sum(0)

    def inner(self, tokens: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """As `Units.inner`."""
        return ((tokens @ self.directions.T) * (gradients @ self.directions.T)).sum(1)


def channels(d: int, device: torch.device) -> Directions:
    """The axes of a layer of width d."""
    return Directions(torch.eye(d, device=device))


@dataclass(frozen=True)
class Latents:
    """The latents of an SAE that acts on raw tokens."""

    sae: SparseAutoencoder

    @property
    def directions(self) -> torch.Tensor:
        """As `Units.directions`."""
        return self.sae.w_dec.detach()

    def coefficients(self, tokens: torch.Tensor, units: torch.Tensor) -> torch.Tensor:
        """As `Units.coefficients`."""
        codes = self.sae.codes(tokens)
        place = units.new_full((codes.pattern.width,), -1)
        place[units] = torch.arange(len(units), device=units.device)
        columns = place[codes.pattern.columns]
        asked = columns >= 0
        found = tokens.new_zeros(len(tokens), len(units))
        found[codes.pattern.rows[asked], columns[asked]] = codes.values[asked]
        return found

    def moments(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `Units.moments`."""
        codes = self.sae.codes(tokens)
        values = codes.values.double()
        zeros = values.new_zeros(codes.pattern.width)
        return (
            zeros.index_add(0, codes.pattern.columns, values),
            zeros.index_add(0, codes.pattern.columns, values.square()),
        )

    def inner(self, tokens: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """As `Units.inner`."""
        images, positions, _ = tokens.shape
        codes = self.sae.codes(tokens.flatten(0, 1))
        pattern = codes.pattern
        slopes = sampled_product(gradients.flatten(0, 1), self.directions, pattern)
        cells = pattern.rows // positions * pattern.width + pattern.columns
        sums = tokens.new_zeros(images * pattern.width)
        return sums.index_add(0, cells, codes.values * slopes).view(images, -1)
