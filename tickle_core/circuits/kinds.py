"""What of a layer another image's activations replace: sites of positions, units, a direction.

Which parts move the network furthest, a screen says: the first-order change of LD, by its gradient
at the image that is patched.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from tickle_core.circuits.units import Units

NEAREST = 10  # in log activity, of which a random draw takes one
TINY = np.finfo(np.float64).tiny  # activity of units that have none: it must have a logarithm


@dataclass(frozen=True)
class Batch:
    """Some pairs: their numbers (n,), and tokens and the gradient of LD, (n, positions, d)."""

    numbers: np.ndarray
    donor: torch.Tensor
    target: torch.Tensor
    gradient: torch.Tensor


@dataclass(frozen=True)
class Patched:
    """Tokens (n, positions, d) of a batch's targets after patching, and under the null.

    `activity_ratio` (n,) is the summed activity of the null's units over that of the chosen ones,
    not a number where those have none.
    """

    tokens: torch.Tensor
    null: torch.Tensor | None = None
    activity_ratio: np.ndarray | None = None


@dataclass(frozen=True)
class Kind:
    """One way of patching: `patched` of the `of` parts that there are."""

    patched: int
    of: int
    patch: Callable[[Batch], Patched]


def whole_layer(positions: int) -> Kind:
    """Replace everything; there is no null."""
    return Kind(positions, positions, lambda batch: Patched(batch.donor))


def strongest_sites(sites: torch.Tensor, share: float, seed: int) -> Kind:
    """Replace a share of the sites (sites, positions); the null takes as many random ones.

    Of a single site there is no null.
    """
    count = len(sites)
    k = _share_of(count, share)

    def patch(batch: Batch) -> Patched:
        by_position = (batch.gradient * (batch.donor - batch.target)).sum(2)
        chosen = _largest(by_position @ sites.to(by_position.dtype).T, k)

        def replaced(chosen: torch.Tensor) -> torch.Tensor:
            return torch.where(sites[chosen].any(1)[..., None], batch.donor, batch.target)

        if k == count:
            return Patched(replaced(chosen))
        lots = [_rng(seed, 0, each).choice(count, k, replace=False) for each in batch.numbers]
        return Patched(replaced(chosen), replaced(torch.from_numpy(np.stack(lots)).to(chosen)))

    return Kind(k, count, patch)


def strongest_units(units: Units, activity: np.ndarray, share: float, seed: int) -> Kind:
    """Replace the coefficients of a share of the units, at all positions.

    The null takes as many others that are as active; there is none where others are fewer.

    Parameters
    ----------
    activity
        (units,), none negative.
    """
    count = len(activity)
    k = _share_of(count, share)
    everything, level = np.arange(count), np.maximum(activity, TINY)

    def patch(batch: Batch) -> Patched:
        slopes = batch.gradient
        screen = units.inner(batch.donor, slopes) - units.inner(batch.target, slopes)
        chosen = _largest(screen, k)
        if 2 * k > count:
            return Patched(_with_units_of(units, batch, chosen))
        others, ratios = [], []
        for own, number in zip(chosen.cpu().numpy(), batch.numbers, strict=True):
            rest = np.setdiff1d(everything, own)
            others.append(matched(level, own, rest, _rng(seed, 1, number)))
            wanted = activity[own].sum()
            ratios.append(activity[others[-1]].sum() / wanted if wanted > 0 else np.nan)
        null = torch.from_numpy(np.stack(others)).to(chosen)
        return Patched(
            _with_units_of(units, batch, chosen),
            _with_units_of(units, batch, null),
            np.array(ratios),
        )

    return Kind(k, count, patch)


def one_direction(along: torch.Tensor, by_chance: torch.Tensor) -> Kind:
    """Replace the component along a direction of each pair's own, (pairs, d); and of the null."""

    def replaced(batch: Batch, directions: torch.Tensor) -> torch.Tensor:
        unit = F.normalize(directions[batch.numbers], dim=1)[:, None].to(batch.target)
        change = ((batch.donor - batch.target) * unit).sum(2, keepdim=True)
        return batch.target + change * unit

    def patch(batch: Batch) -> Patched:
        return Patched(replaced(batch, along), replaced(batch, by_chance))

    return Kind(1, along.shape[1], patch)


def matched(
    activity: np.ndarray,
    chosen: np.ndarray,
    others: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """For each chosen unit another one that is about as active, none of them twice.

    The chosen take their turn in the order given, as long as others are left.

    Parameters
    ----------
    activity
        (units,), all positive for the units in question.
    chosen, others
        Units; `others` are what may be taken.
    rng
        Takes a random one of the 10 nearest in log activity that are left.

    Returns
    -------
    np.ndarray
        (min(chosen, others),) units; the i-th is matched to chosen[i].
    """
    order = others[np.argsort(activity[others], kind="stable")]
    units, levels = order.tolist(), np.log(activity[order]).tolist()
    taken = []
    for level in np.log(activity[chosen[: len(others)]]).tolist():
        place = bisect_left(levels, level)
        window = range(max(0, place - NEAREST), min(len(levels), place + NEAREST))
        near = sorted(window, key=lambda at, level=level: abs(levels[at] - level))[:NEAREST]
        at = near[rng.integers(len(near))]
        taken.append(units.pop(at))
        levels.pop(at)
    return np.array(taken, dtype=np.int64)


def _with_units_of(units: Units, batch: Batch, numbers: torch.Tensor) -> torch.Tensor:
    """Targets whose units (n, k) have the donor's coefficients."""
    chosen = torch.zeros(len(numbers), len(units.directions), dtype=torch.bool)
    chosen = chosen.to(numbers.device).scatter_(1, numbers, True)
    return batch.target + (units.part(batch.donor, chosen) - units.part(batch.target, chosen))


def _share_of(count: int, share: float) -> int:
    return max(1, round(share * count))


def _largest(screen: torch.Tensor, k: int) -> torch.Tensor:
    """The k columns of largest value in each row, the first of equal ones first."""
    return screen.argsort(dim=1, descending=True, stable=True)[:, :k]


def _rng(seed: int, stream: int, number: int) -> np.random.Generator:
    """Of each pair its own, so that batches change nothing."""
    return np.random.default_rng([seed, stream, int(number)])
