"""Choosing units: the ones that should matter, and equally active ones that are their null."""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

NEAREST = 10  # in log activity, of which a random draw takes one


def strongest(size: np.ndarray, activity: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The units with the largest screened effect, and all others that have any activity.

    At most half of the active units are chosen, so that there are others to compare them with.

    Parameters
    ----------
    size
        (units,) what the screen says of how much each matters.
    activity
        (units,), 0 for units that never change.
    most
        How many to choose at most.

    Returns
    -------
    tuple
        The chosen units, the strongest first, and the others, ascending. Both empty if no unit is
        active; a single active unit is chosen and has no others.
    """
    alive = np.flatnonzero(activity > 0)
    count = min(most, max(1, len(alive) // 2))
    chosen = alive[np.argsort(-size[alive], kind="stable")][:count]
    return chosen, np.setdiff1d(alive, chosen)


def matched(
    activity: np.ndarray,
    chosen: np.ndarray,
    others: np.ndarray,
    rng: np.random.Generator | None = None,
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
        Takes a random one of the 10 nearest in log activity that are left; without it, the nearest.

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
        at = near[0] if rng is None else near[rng.integers(len(near))]
        taken.append(units.pop(at))
        levels.pop(at)
    return np.array(taken, dtype=np.int64)


@dataclass(frozen=True)
class Plan:
    """Which units of a family are ablated, alone and together.

    Attributes
    ----------
    chosen
        The top units, the strongest first.
    controls
        Units matched to the first of them; none where no others are alive.
    groups
        By size (1, 2, 4, ...), so many of the top units.
    null
        By size, random groups that are matched to the group of that size, each once.
    """

    chosen: np.ndarray
    controls: np.ndarray
    groups: dict[int, tuple[int, ...]]
    null: dict[int, list[tuple[int, ...]]]

    @property
    def singles(self) -> np.ndarray:
        """The units that are ablated alone: the top ones, then the controls."""
        return np.concatenate([self.chosen, self.controls])

    @property
    def sets(self) -> list[tuple[int, ...]]:
        """Everything that is ablated, each once."""
        alone = [(unit,) for unit in self.singles.tolist()]
        null = [each for draws in self.null.values() for each in draws]
        return list(dict.fromkeys([*alone, *self.groups.values(), *null]))


def make_plan(
    size: np.ndarray, activity: np.ndarray, most: int, null_draws: int, seed: int
) -> Plan:
    """Choose top units, controls and groups of them; `size` to `most` are those of `strongest`."""
    chosen, others = strongest(size, activity, most)
    rng = np.random.default_rng(seed)
    sizes = [2**i for i in range(len(chosen).bit_length())]
    draws = null_draws if len(others) else 0

    def random_groups(count: int) -> list[tuple[int, ...]]:
        drawn = (matched(activity, chosen[:count], others, rng).tolist() for _ in range(draws))
        return list(dict.fromkeys(tuple(sorted(each)) for each in drawn))

    return Plan(
        chosen,
        matched(activity, chosen, others),
        {count: tuple(sorted(chosen[:count].tolist())) for count in sizes},
        {count: random_groups(count) for count in sizes},
    )
