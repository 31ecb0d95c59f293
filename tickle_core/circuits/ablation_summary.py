"""What the effects of ablations come to: tables of units, curves, and the numbers of a kind.

The effect size is Glass's delta: the mean drop of the logit over images, in standard deviations of
the clean logit over the same images, which is taken as known. It compares layers and models, and
unlike the mean by the standard deviation of the drops, it does not call a small effect large for
being steady.

All bootstraps over images take the same samples, so that units and groups are compared on the same
ones.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tickle_core import statistics
from tickle_core.circuits.activity import Activity
from tickle_core.circuits.effects import Effects
from tickle_core.circuits.matching import AblationPlan
from tickle_core.circuits.ranking import Screen

ALPHA = 0.05
# Of what random groups change, by what the top group changes: outside, they are no null.
COMPARABLE = (0.8, 1.25)
LEAST_DRAWS = 20

UNITS = [
    *("unit", "role", "matched", "energy", "screen", "effect", "low", "high"),
    *("effect_size", "p_value", "active", "images"),
]
CLASSES = ["unit", "role", "class", "effect", "low", "high", "p_value"]
CURVES = ["order", "size", "units", "share", "effect_size", "low", "high", "kept"]


@dataclass(frozen=True)
class Ablated:
    """What ablation of one kind did to the sets of units of a family's plan."""

    plan: AblationPlan
    activity: Activity
    kind: str
    effects: Effects

    @cached_property
    def _place(self) -> dict[tuple[int, ...], int]:
        return {each: i for i, each in enumerate(self.plan.sets(self.kind))}

    def places(self, sets: list[tuple[int, ...]]) -> list[int]:
        """Where the effects of some sets stand."""
        return [self._place[each] for each in sets]

    def alone(self, units: np.ndarray) -> list[int]:
        """Where the effects of some units that were ablated alone stand."""
        return self.places([(unit,) for unit in units.tolist()])

    @property
    def paired(self) -> tuple[list[int], list[int]]:
        """Where the effects of top units that have a control stand, and those of the controls."""
        return self.alone(self.plan.chosen[self.plan.matched]), self.alone(self.plan.controls)

    @cached_property
    def spread(self) -> float:
        """Standard deviation of the clean logit over images; 1 where it does not vary."""
        return float(self.effects.clean.std(ddof=1)) or 1.0

    def share(self, place: int) -> float:
        """Of the layer's energy on the judging images, what ablating a set removes."""
        return float(self.effects.removed[place].sum() / self.effects.layer.sum())


def unit_rows(judged: Ablated, screen: Screen, seed: int) -> list[dict[str, Any]]:
    """A row for each unit that was ablated alone, top ones first.

    unit; role (top or control); matched (of a top unit its control, of a control its top unit,
    else -1); energy (on the measuring images); screen (signed mean over the ranking images); effect
    in logits with low and high (95 % over the judging images; not numbers where it has too few, see
    `statistics.ratio_intervals`); effect_size; p_value (of top unit against control, swapped image
    by image, adjusted for all pairs of the family and kind; no number without control); active (on
    how many images the ablation changes anything) of images.
    """
    plan, effects = judged.plan, judged.effects
    units = plan.singles
    values = effects.predicted[judged.alone(units)].T
    images = len(values)
    low, high = statistics.ratio_intervals(values, np.ones(images), seed)
    partner = np.full(len(units), -1)
    of_control = np.arange(len(plan.chosen), len(units))
    partner[plan.matched], partner[of_control] = plan.controls, plan.chosen[plan.matched]
    p_values = np.full(len(units), np.nan)
    p_values[plan.matched] = p_values[of_control] = _p_values(judged, effects.predicted, seed)
    energy = judged.activity.alone(judged.kind)
    return [
        {
            "unit": unit,
            "role": "top" if i < len(plan.chosen) else "control",
            "matched": int(partner[i]),
            "energy": float(energy[unit]),
            "screen": float(screen.signed[judged.kind][unit]),
            "effect": float(values[:, i].mean()),
            "low": float(low[i]),
            "high": float(high[i]),
            "effect_size": float(values[:, i].mean() / judged.spread),
            "p_value": float(p_values[i]),
            "active": int(np.count_nonzero(values[:, i])),
            "images": images,
        }
        for i, unit in enumerate(units.tolist())
    ]


def class_rows(judged: Ablated, names: list[str], seed: int) -> list[dict[str, Any]]:
    """A row for each unit that was ablated alone and each class: what its logit loses.

    unit, role, class; effect over all judging images, whatever is predicted, with low and high;
    p_value as in `unit_rows`, adjusted for all pairs and classes.
    """
    plan = judged.plan
    values = judged.effects.classes[judged.alone(plan.singles)].transpose(1, 0, 2)
    images, units, classes = values.shape
    flat = values.reshape(images, -1).astype(np.float64)
    low, high = statistics.ratio_intervals(flat, np.ones(images), seed)
    p_values = np.full((units, classes), np.nan)
    top, control = (judged.effects.classes[each] for each in judged.paired)
    if len(top):
        one, other = (each.transpose(1, 0, 2).reshape(images, -1) for each in (top, control))
        found = statistics.swap_p_values(one, other, np.random.default_rng(seed))
        p_values[plan.matched] = found.reshape(-1, classes)
        p_values[len(plan.chosen) :] = p_values[plan.matched]
    cells = zip(flat.mean(0), low, high, p_values.ravel(), strict=True)
    return [
        {
            "unit": int(unit),
            "role": "top" if i < len(plan.chosen) else "control",
            "class": name,
            **dict(zip(("effect", "low", "high", "p_value"), map(float, next(cells)), strict=True)),
        }
        for i, unit in enumerate(plan.singles)
        for name in names
    ]


def curve_rows(judged: Ablated, seed: int) -> list[dict[str, Any]]:
    """A row for each group: effect against the share of the layer that is removed.

    order (screen: the first units that the screen ranks; active: those of the largest energy;
    random: a random group that is matched to the screen's of that size); size (of the group or of
    the one that it is matched to); units; share of the layer's energy that the ablation removes
    from the judging images; effect_size with low and high; kept, the share of predictions that
    stay.
    """
    plan, effects = judged.plan, judged.effects
    orders = {"screen": plan.groups, "active": plan.active}
    groups = [(order, size, each) for order, some in orders.items() for size, each in some.items()]
    groups += [
        ("random", size, each) for size, some in plan.random[judged.kind].items() for each in some
    ]
    places = judged.places([each for _, _, each in groups])
    values = effects.predicted[places].T / judged.spread
    low, high = statistics.ratio_intervals(values, np.ones(len(values)), seed)
    return [
        {
            "order": order,
            "size": size,
            "units": len(each),
            "share": judged.share(places[i]),
            "effect_size": float(values[:, i].mean()),
            "low": float(low[i]),
            "high": float(high[i]),
            "kept": float(effects.kept[places[i]].mean()),
        }
        for i, (order, size, each) in enumerate(groups)
    ]


def of_kind(
    judged: Ablated, screen: Screen, rows: list[dict[str, Any]], seed: int
) -> dict[str, Any]:
    """The numbers of one family and kind of ablation.

    Parameters
    ----------
    screen
        Of the images that the effects are of.
    rows
        Those of `unit_rows`.

    Returns
    -------
    dict
        JSON-ready. `rank_correlation`, `signed_correlation`: Spearman's between screen and exact
        runs on the same images, of mean absolute and of mean signed effects, over the units that
        were run alone; their null is that of the units' energy with the exact effects; None where
        either is constant. `single`: mean effect size of the top units that have a control, whose
        mean is its null; `claimed` of the `tested` pairs differ at an adjusted p of 0.05. `group`:
        the largest group, as `_group` has it.
    """
    plan, effects = judged.plan, judged.effects
    units = plan.singles
    exact = effects.predicted[judged.alone(units)]
    energy = judged.activity.alone(judged.kind)[units]
    tested = {row["unit"]: row["p_value"] for row in rows if np.isfinite(row["p_value"])}
    tops = plan.chosen[plan.matched].tolist()
    return {
        "rank_correlation": _correlation(
            screen.size[judged.kind][units], energy, np.abs(exact).mean(1)
        ),
        "signed_correlation": _correlation(
            screen.signed[judged.kind][units], energy, exact.mean(1)
        ),
        "single": _single(judged, seed),
        "claimed": sum(tested[unit] <= ALPHA for unit in tops),
        "tested": len(tops),
        "group": _group(judged, max(plan.groups), seed),
    }


def _p_values(judged: Ablated, values: np.ndarray, seed: int) -> np.ndarray:
    """Of top units against their controls, adjusted for the number of pairs."""
    top, control = judged.paired
    if not top:
        return np.empty(0)
    rng = np.random.default_rng(seed)
    return statistics.swap_p_values(values[top].T, values[control].T, rng)


def _single(judged: Ablated, seed: int) -> dict[str, Any] | None:
    top, control = (
        judged.effects.predicted[each].mean(1) / judged.spread for each in judged.paired
    )
    if len(top) == 0:
        return None
    return statistics.mean_estimate(top, seed) | {"null": statistics.mean_estimate(control, seed)}


def _group(judged: Ablated, size: int, seed: int) -> dict[str, Any]:
    """The group of a size, and random groups that change the layer as much.

    Returns
    -------
    dict
        `size`; `share` of the layer's energy that it removes from the judging images;
        `effect_size` and `kept` (predictions that stay), with what random groups give as null, and
        how their energy compares (`energy_ratio`); `excess`, the effect size beyond the mean of the
        random groups', paired by image, with its one-sided `p` among them; its null is the excess
        of each random group beyond the others. Where random groups are too few, or change more or
        less than COMPARABLE, there is neither null nor excess, and `why`.
    """
    plan, effects = judged.plan, judged.effects
    (place,) = judged.places([plan.groups[size]])
    draws = judged.places(plan.random[judged.kind][size])
    values = effects.predicted[place] / judged.spread
    kept = effects.kept[place]
    found: dict[str, Any] = {
        "size": size,
        "share": statistics.ratio_estimate(effects.removed[place], effects.layer, seed),
        "effect_size": statistics.mean_estimate(values, seed),
        "kept": statistics.proportion(int(kept.sum()), len(kept)),
    }
    ratios = effects.removed[draws].sum(1) / max(effects.removed[place].sum(), 1e-300)
    why = _no_null(draws, ratios)
    if why:
        nothing = {"value": None, "interval": None, "n": len(kept), "null": None, "why": why}
        return found | {
            "effect_size": found["effect_size"] | {"null": None, "why": why},
            "kept": found["kept"] | {"null": None, "why": why},
            "excess": nothing,
        }
    by_chance = effects.predicted[draws] / judged.spread
    means = by_chance.mean(1)
    others = (means.sum() - means) / (len(means) - 1)
    excess = statistics.mean_estimate(values - by_chance.mean(0), seed)
    found["effect_size"]["null"] = statistics.drawn(means)
    found["kept"]["null"] = statistics.drawn(effects.kept[draws].mean(1))
    found["energy_ratio"] = statistics.drawn(ratios)
    # Each draw counts as one and among the others, so their excesses add up to 0.
    found["excess"] = excess | {"null": statistics.drawn(means - others) | {"value": 0.0}}
    found["excess"]["p"] = statistics.exceedance(values.mean(), means)
    return found


def _no_null(draws: list[int], ratios: np.ndarray) -> str | None:
    if len(draws) < LEAST_DRAWS:
        found = f"only {len(draws)} different random groups carry" if draws else "no others carry"
        return f"{found} as much of the layer"
    low, high = COMPARABLE
    ratio = float(ratios.mean())
    if not low <= ratio <= high:
        return f"on the judging images the random groups change {ratio:.2f} times as much"
    return None


def _correlation(
    screened: np.ndarray, energy: np.ndarray, exact: np.ndarray
) -> dict[str, Any] | None:
    found = statistics.spearman_estimate(screened, exact)
    return found and found | {"null": statistics.spearman_estimate(energy, exact)}
