"""Choosing units: those that should matter, and what they are compared with.

A single unit is compared with another that carries as much of the layer; a group with random
groups that carry as much in all, however many units that takes. What is carried is the energy of
`activity`, so that top units and controls change the layer equally far.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from tickle_core.circuits.activity import KINDS, Activity

CHOSEN_BY = "mean"  # the kind of ablation whose screen chooses the units for all kinds
CALIPER = 1.25  # between the energies of a unit and its control
TOLERANCE = 0.1  # between the energies of a group and a random one
TRIES = 10  # orders drawn for each random group that is wanted
# Of the alive units at most this share is chosen: the others have to make up many random groups.
MOST_CHOSEN = 0.25


def strongest(support: np.ndarray, alive: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The units that support predictions most, and all others.

    Parameters
    ----------
    support
        (units,), the screen's mean drop of the predicted class's logit, signed: what an ablation
        is judged by. By its absolute value, units that speak against predictions would be chosen
        too, and a group of both kinds undo itself.
    alive
        Units that have any activity, ascending.
    most
        How many to choose at most; no more than a quarter of those alive, but one in any case.

    Returns
    -------
    tuple
        The chosen units, the strongest first, and the others, ascending. Both empty if no unit is
        alive; a single one is chosen and has no others.
    """
    count = min(most, max(1, int(MOST_CHOSEN * len(alive))))
    chosen = alive[np.argsort(-support[alive], kind="stable")][:count]
    return chosen, np.setdiff1d(alive, chosen)


def controls(
    activity: Activity, chosen: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For as many chosen units as can be, another one of nearly the same energy, none twice.

    Among the ways to match most of them, the one is taken that has energies and concentrations
    (how much of a coefficient's mean square is its mean's: of rarely active units, little)
    nearest, in logarithms.

    Returns
    -------
    tuple
        Places among `chosen` that are matched, ascending, and their controls.
    """
    energy = activity.alone(CHOSEN_BY)
    matchable = np.flatnonzero(energy[chosen] > 0)
    others = others[energy[others] > 0]
    if len(matchable) == 0 or len(others) == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    apart = np.abs(np.subtract.outer(np.log(energy[chosen[matchable]]), np.log(energy[others])))
    level = np.log(_concentration(activity))
    unlike = np.abs(np.subtract.outer(level[chosen[matchable]], level[others]))
    near = apart <= np.log(CALIPER)
    # What is no match costs more than all matches together.
    cost = np.where(near, apart + unlike / 4, 1e6)
    row, column = linear_sum_assignment(cost)
    row, column = row[near[row, column]], column[near[row, column]]
    return matchable[row], others[column]


def _concentration(activity: Activity) -> np.ndarray:
    square = np.maximum((activity.mean**2).mean(0), np.finfo(float).tiny)
    return np.clip(square / (square + activity.variance), 1e-6, 1)


def equal_energy_groups(
    energy: np.ndarray,
    targets: dict[int, float],
    others: np.ndarray,
    draws: dict[int, int],
    rng: np.random.Generator,
) -> dict[int, list[tuple[int, ...]]]:
    """Random groups of other units that carry as much together as each of some groups does.

    Other units join in random order until the energy of all is nearest to the target; the group
    counts if it is within TOLERANCE of it.

    Parameters
    ----------
    energy
        (units, units), as `Activity.energy` has it.
    targets
        Energies to be matched, by the size of the group that has them.
    others
        Units to draw from.
    draws
        How many different groups of each are wanted, by size.

    Returns
    -------
    dict
        By size, so many groups or, where they are not found in TRIES orders each, fewer.
    """
    found: dict[int, dict[tuple[int, ...], None]] = {size: {} for size in targets}
    for _ in range(TRIES * max(draws.values(), default=0)):
        wanting = [size for size in targets if len(found[size]) < draws[size]]
        if not wanting or len(others) == 0:
            break
        order = rng.permutation(others)
        among = energy[np.ix_(order, order)].astype(np.float64)
        total = np.cumsum(among.diagonal() + 2 * np.tril(among, -1).sum(1))
        for size in wanting:
            last = int(np.abs(total - targets[size]).argmin())
            if abs(total[last] - targets[size]) <= TOLERANCE * targets[size]:
                found[size][tuple(sorted(order[: last + 1].tolist()))] = None
    return {size: list(groups) for size, groups in found.items()}


@dataclass(frozen=True)
class AblationPlan:
    """Which units of a family are ablated, alone and together.

    Attributes
    ----------
    chosen
        The top units, the strongest first.
    matched
        Places among them of those that have a control, ascending.
    controls
        Their controls.
    groups
        By size (1, 4, 16, ... and all), so many of the top units.
    active
        By size, so many units of the largest energy, whatever the screen says.
    random
        By kind of ablation and size, random groups of the energy of the group of that size.
    """

    chosen: np.ndarray
    matched: np.ndarray
    controls: np.ndarray
    groups: dict[int, tuple[int, ...]]
    active: dict[int, tuple[int, ...]]
    random: dict[str, dict[int, list[tuple[int, ...]]]]

    @property
    def singles(self) -> np.ndarray:
        """The units that are ablated alone: the top ones, then the controls."""
        return np.concatenate([self.chosen, self.controls])

    def sets(self, kind: str) -> list[tuple[int, ...]]:
        """Everything that is ablated in one kind, each once."""
        alone = [(unit,) for unit in self.singles.tolist()]
        drawn = [each for draws in self.random[kind].values() for each in draws]
        return list(dict.fromkeys([*alone, *self.groups.values(), *self.active.values(), *drawn]))


def make_plan(
    support: np.ndarray, activity: Activity, most: int, band: int, draws: int, seed: int
) -> AblationPlan:
    """Choose top units, their controls, groups of them, and the random groups of equal energy.

    Parameters
    ----------
    support, most
        Those of `strongest`.
    band, draws
        Random groups of each size, and of the largest in the kind that chose.
    """
    alive = np.flatnonzero(activity.variance > 0)
    chosen, others = strongest(support, alive, most)
    count = len(chosen)
    sizes = sorted({4**i for i in range(count) if 4**i < count} | {count}) if count else []
    by_energy = alive[np.argsort(-activity.alone(CHOSEN_BY)[alive], kind="stable")]
    matched, control = controls(activity, chosen, others)
    random = {}
    for kind in KINDS:
        # The first unit has a control instead, unless it is all that there is.
        groups = [size for size in sizes if size > 1 or count == 1]
        targets = {size: activity.of(kind, chosen[:size]) for size in groups}
        wanted = dict.fromkeys(targets, band)
        if targets and kind == CHOSEN_BY:
            wanted[count] = draws
        rng = np.random.default_rng(seed)
        random[kind] = equal_energy_groups(activity.energy[kind], targets, others, wanted, rng)
    return AblationPlan(
        chosen,
        matched,
        control,
        {size: tuple(sorted(chosen[:size].tolist())) for size in sizes},
        {size: tuple(sorted(by_energy[:size].tolist())) for size in sizes},
        random,
    )
