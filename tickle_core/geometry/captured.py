"""The share of the variance that principal components capture, shown and held out.

Of the vectors that they were computed from, the first m principal components capture more than any
m directions do of the distribution behind them, and of other vectors less: the largest sum of m
variances is convex in the covariance, so that of a sample lies above that of the truth on average;
and no m directions capture more than the best ones (Fan 1949 [1]_). So the truth lies between the
two shares, whatever the distribution. To first order it lies in their middle: for n independent
vectors both are off by sum_{i <= m < j} E[x_i^2 x_j^2] / (n (lambda_i - lambda_j)), one upwards,
one downwards.

References
----------
.. [1] Fan (1949). On a theorem of Weyl concerning eigenvalues of linear transformations I. PNAS 35.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from tickle_core.geometry.moments import Moments, merge
from tickle_core.statistics import LEVEL


@dataclass(frozen=True)
class Captured:
    """Cumulative shares of the variance in 1 .. width components, (width,) each.

    Attributes
    ----------
    shown
        Of the vectors that the components were computed from.
    held_out
        Of each block, by the components of all others.
    most, least
        The upper end of the 95 % interval of `shown`, and the lower end of that of `held_out`.
    rank
        Components up to here are told by the vectors that they were computed from; those beyond
        point anywhere.
    """

    shown: np.ndarray
    held_out: np.ndarray
    most: np.ndarray
    least: np.ndarray
    rank: int

    @property
    def corrected(self) -> np.ndarray:
        """The middle of the share that is shown and the one that is held out."""
        return (self.shown + self.held_out) / 2


def captured(blocks: Sequence[Moments], width: int) -> Captured:
    """What principal components capture of vectors that come in blocks of about equal size.

    Vectors of different blocks are independent; within a block they need not be, as the tokens of
    an image are not. What is captured of a block is a sum over its vectors, so the errors are those
    of a ratio of sums over blocks, with Student's quantile.

    Cost: an eigendecomposition and three products of r x r matrices per block.

    Parameters
    ----------
    blocks
        Moments over r dimensions, of two blocks or more.
    width
        Of the space that the vectors come from: r, or more if they span no more.
    """
    whole = merge(blocks)
    axes = _components(whole)
    rank = min(whole.n - 1 - max(block.n for block in blocks), len(axes))
    shown = np.zeros((len(blocks), width))
    held_out = np.zeros((len(blocks), width))
    for i, block in enumerate(blocks):
        shown[i, : len(axes)] = _energies(block, whole.mean, axes)
        rest = merge(blocks, np.arange(len(blocks)) != i)
        energies = _energies(block, rest.mean, _components(rest))
        held_out[i, :rank] = energies[:rank]
        # What is left, components that point anywhere share evenly on average.
        held_out[i, rank:] = energies[rank:].sum() / max(1, width - rank)
    shown_share, shown_reach = _shares(shown)
    held_out_share, held_out_reach = _shares(held_out)
    return Captured(
        shown_share,
        held_out_share,
        most=shown_share + shown_reach,
        least=held_out_share - held_out_reach,
        rank=rank,
    )


def _components(moments: Moments) -> np.ndarray:
    """Principal components as columns (r, r), that of the largest variance first."""
    return np.linalg.eigh(moments.scatter)[1][:, ::-1]


def _energies(moments: Moments, origin: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Sums of squares along each axis, measured from `origin`, (r,)."""
    offset = (moments.mean - origin) @ axes
    around_mean = np.maximum((axes * (moments.scatter @ axes)).sum(axis=0), 0)
    return around_mean + moments.n * offset**2


def _shares(energies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cumulative shares of sums over blocks (blocks, width), and half their intervals' widths."""
    parts = energies.cumsum(axis=1)
    totals = parts[:, -1:]
    if not totals.any():
        return np.zeros(parts.shape[1]), np.zeros(parts.shape[1])
    blocks = len(parts)
    shares = parts.sum(axis=0) / totals.sum()
    spread = np.sqrt(((parts - shares * totals) ** 2).sum(axis=0) * blocks / (blocks - 1))
    return shares, stdtrit(blocks - 1, (1 + LEVEL) / 2) * spread / totals.sum()
