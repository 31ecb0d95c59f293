"""How much of a layer units carry: their means, and the energy of what ablating them changes.

The energy of a set S of units is the mean over tokens of the squared norm of what changes when
they are ablated together,

    E || sum_{u in S} (c'_u - c_u) w_u ||^2  =  sum_{u, v in S} E[dc_u dc_v] (w_u . w_v)

so one matrix per kind of ablation says it of every set. Unlike a sum over single units, it counts
what units that point the same way, or are active together, carry in common.
"""

from dataclasses import dataclass

import numpy as np
import torch

from tickle_core.activations.store import ActivationStore
from tickle_core.circuits.images import Images, batches
from tickle_core.interventions.units import Units
from tickle_core.models.splicing import Splice
from tickle_core.progress import progress

KINDS = ("zero", "mean", "resample")
CONSTANT = 1e-12  # of the mean square: a variance below is rounding
ENERGY_TOKENS = 2**13  # that energies are measured on, in all


@dataclass(frozen=True)
class Activity:
    """What the units of one family are like on some images.

    Attributes
    ----------
    mean
        (kinds of token, units) float64: a class token's mean is no patch's.
    variance
        (units,) float64, within kinds of token, over all tokens; 0 for what never changes.
    energy
        By kind of ablation, (units, units) float32; of a set of units, the sum over its square.
    """

    mean: np.ndarray
    variance: np.ndarray
    energy: dict[str, np.ndarray]

    def of(self, kind: str, units: np.ndarray) -> float:
        """The energy of a set of units under one kind of ablation."""
        return float(self.energy[kind][np.ix_(units, units)].sum(dtype=np.float64))

    def alone(self, kind: str) -> np.ndarray:
        """The energy of each unit alone, (units,)."""
        return self.energy[kind].diagonal()


def measure(
    families: dict[str, Units], images: Images, store: ActivationStore, splice: Splice, seed: int
) -> dict[str, Activity]:
    """Means, variances and energies of all units of all families.

    Energies are measured on at most ENERGY_TOKENS tokens, at random positions of each image: units
    may be active at some positions only. Memory: a batch, the coefficients of those tokens in it,
    and a few numbers per pair of units.
    """
    n, positions, _ = images.tokens.shape
    names, kind_of = store.token_kinds
    rng = np.random.default_rng(seed)
    count = min(positions, max(1, ENERGY_TOKENS // n))
    some = np.argsort(rng.random((n, positions)), axis=1)[:, :count]
    places = [np.flatnonzero(kind_of == kind) for kind in range(len(names))]
    sums = {name: _Sums(units, len(names)) for name, units in families.items()}
    for batch in progress(batches(images, splice), "measuring activity", "batch"):
        drawn = some[batch.places]
        image = np.arange(len(drawn))[:, None]
        for name, units in families.items():
            for kind, at in enumerate(places):
                sums[name].add_moments(kind, units.moments(batch.tokens[:, at].flatten(0, 1)))
            everything = torch.arange(len(units.directions), device=batch.tokens.device)
            own, donors = (
                units.coefficients(tokens[image, drawn].flatten(0, 1), everything)
                for tokens in (batch.tokens, batch.donors)
            )
            sums[name].add_energy(own, donors, kind_of[drawn].ravel())
    counts = np.bincount(kind_of, minlength=len(names)) * n
    return {name: each.activity(counts) for name, each in sums.items()}


class _Sums:
    """Sums over tokens of the units of one family."""

    def __init__(self, units: Units, kinds: int):
        directions = units.directions
        zeros = directions.new_zeros(len(directions), len(directions))
        self.gram = directions @ directions.T
        self.total = np.zeros((kinds, len(directions)))
        self.squares = np.zeros((kinds, len(directions)))
        self.products = {"zero": zeros, "resample": zeros.clone()}
        self.sampled = torch.zeros(kinds, len(directions), device=directions.device)
        self.counts = np.zeros(kinds)

    def add_moments(self, kind: int, moments: tuple[torch.Tensor, torch.Tensor]) -> None:
        for sums, values in zip((self.total, self.squares), moments, strict=True):
            sums[kind] += values.cpu().numpy()

    def add_energy(self, own: torch.Tensor, donors: torch.Tensor, kind_of: np.ndarray) -> None:
        change = donors - own
        self.products["zero"] += own.T @ own
        self.products["resample"] += change.T @ change
        self.sampled.index_add_(0, torch.from_numpy(kind_of).to(own.device), own)
        self.counts += np.bincount(kind_of, minlength=len(self.counts))

    def activity(self, counts: np.ndarray) -> Activity:
        """Of all that was added; `counts` (kinds,) are the tokens behind the moments."""
        mean, square = (sums / counts[:, None] for sums in (self.total, self.squares))
        within = square - mean**2
        within[within <= CONSTANT * square] = 0
        seen = torch.from_numpy(np.maximum(self.counts, 1)).to(self.sampled)
        common = (self.sampled / seen.sqrt()[:, None]).T
        products = {**self.products, "mean": self.products["zero"] - common @ common.T}
        return Activity(
            mean,
            counts @ within / counts.sum(),
            {
                kind: (products[kind] * self.gram / seen.sum()).cpu().numpy().astype(np.float32)
                for kind in KINDS
            },
        )
