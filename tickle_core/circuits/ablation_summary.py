"""What the effects of ablations come to: tables of units, and the numbers of a family and kind.

The effect size is Glass's delta: the mean drop of the logit over images, in standard deviations of
the clean logit over the same images, which is taken as known. It compares layers and models, and
unlike the mean by the standard deviation of the drops, it does not call a small effect large for
being steady.

Every family and kind has its own multiple-testing correction. All bootstraps over images take the
same samples, so that units and groups are compared on the same ones.
"""

from typing import Any

import numpy as np

from tickle_core import statistics
from tickle_core.circuits.effects import Effects
from tickle_core.circuits.matching import Plan
from tickle_core.circuits.ranking import Ranking

ALPHA = 0.05


def unit_rows(
    plan: Plan, ranked: Ranking, effects: Effects, kind: str, seed: int
) -> list[dict[str, Any]]:
    """A row for each unit that was ablated alone, top ones first; `Ablation.units` says of what."""
    values = effects.predicted[_places(plan)].T
    images, units = values.shape
    draws = statistics.resampled_means(values, seed)
    p_values = statistics.sign_flip_p_values(values, np.random.default_rng(seed))
    sizes = values.mean(0) / _spread(effects)
    rows = []
    for i, unit in enumerate(plan.singles.tolist()):
        top = i < len(plan.chosen)
        low, high = statistics.percentile_interval(draws[:, i])
        rows.append(
            {
                "kind": kind,
                "unit": unit,
                "role": "top" if top else "control",
                "matched": -1 if top else int(plan.chosen[i - len(plan.chosen)]),
                "activity": float(ranked.activity[unit]),
                "screen": float(ranked.signed[kind][unit]),
                "effect": float(values[:, i].mean()),
                "low": low,
                "high": high,
                "effect_size": float(sizes[i]),
                "p_value": float(p_values[i]),
                "images": images,
            }
        )
    return rows


def class_rows(
    plan: Plan, effects: Effects, kind: str, names: list[str], seed: int
) -> list[dict[str, Any]]:
    """A row for each unit that was ablated alone and each class, as `Ablation.classes` has them."""
    values = effects.classes[_places(plan)].transpose(1, 0, 2)
    draws = statistics.resampled_means(values, seed)
    means = values.mean(0, dtype=np.float64)
    rows = []
    for i, unit in enumerate(plan.singles.tolist()):
        for j, name in enumerate(names):
            low, high = statistics.percentile_interval(draws[:, i, j])
            row = {"kind": kind, "unit": unit, "role": "top" if i < len(plan.chosen) else "control"}
            rows.append({**row, "class": name, "effect": means[i, j], "low": low, "high": high})
    return rows


def of_kind(
    plan: Plan,
    screen: Ranking,
    effects: Effects,
    kind: str,
    rows: list[dict[str, Any]],
    seed: int,
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
        JSON-ready. `rank_correlation` and `signed_correlation`: Spearman's between screen and exact
        runs on the same images, of mean absolute and of mean signed effects, bootstrapped over
        units; None where either is constant. `top` and `controls`: means over units of |mean
        effect| and of |effect size|, bootstrapped over units, and the share of units whose adjusted
        p-value is at most 0.05; controls are None where there are none. `groups`: for each size,
        the mean effect, its effect size and the share of predictions that stay; beside it what
        random groups give, as mean and central 95 % of the draws, or None.
    """
    units = plan.singles
    exact = effects.predicted[_places(plan)]
    size, signed = screen.size[kind][units], screen.signed[kind][units]
    return {
        "rank_correlation": _rank_correlation(size, np.abs(exact).mean(1), seed),
        "signed_correlation": _rank_correlation(signed, exact.mean(1), seed),
        "top": _share([row for row in rows if row["role"] == "top"], seed),
        "controls": _share([row for row in rows if row["role"] == "control"], seed),
        "groups": [_group(plan, effects, count, seed) for count in plan.groups],
    }


def _places(plan: Plan) -> list[int]:
    """Where the effects of the single units stand."""
    place = {each: i for i, each in enumerate(plan.sets)}
    return [place[unit,] for unit in plan.singles.tolist()]


def _share(rows: list[dict[str, Any]], seed: int) -> dict[str, Any] | None:
    if not rows:
        return None
    significant = sum(row["p_value"] <= ALPHA for row in rows)
    return {
        **{
            name: statistics.mean_estimate(np.abs([row[name] for row in rows]), seed)
            for name in ("effect", "effect_size")
        },
        "significant_share": {"value": significant / len(rows), "n": len(rows)},
    }


def _group(plan: Plan, effects: Effects, count: int, seed: int) -> dict[str, Any]:
    place = {each: i for i, each in enumerate(plan.sets)}
    values, kept = (each[place[plan.groups[count]]] for each in (effects.predicted, effects.kept))
    spread = _spread(effects)
    effect = statistics.mean_estimate(values, seed)
    null = [place[each] for each in plan.null[count]]
    return {
        "size": count,
        "effect": effect,
        "effect_size": {
            "value": effect["value"] / spread,
            "interval": [end / spread for end in effect["interval"]],
            "n": effect["n"],
        },
        "kept": statistics.proportion(int(kept.sum()), len(kept)),
        "null": _null(effects.predicted[null], effects.kept[null], spread) if null else None,
    }


def _null(values: np.ndarray, kept: np.ndarray, spread: float) -> dict[str, Any]:
    """Of random groups: effects and whether predictions stay, both (draws, images)."""
    columns = {
        "effect": values.mean(1),
        "effect_size": values.mean(1) / spread,
        "kept": kept.mean(1),
    }
    return {
        **{
            name: {
                "mean": float(each.mean()),
                "interval": list(statistics.percentile_interval(each)),
            }
            for name, each in columns.items()
        },
        "draws": len(values),
    }


def _spread(effects: Effects) -> float:
    """Standard deviation of the clean logit over images; 1 where it does not vary."""
    return float(effects.clean.std(ddof=1)) or 1.0


def _rank_correlation(a: np.ndarray, b: np.ndarray, seed: int) -> dict[str, Any] | None:
    value = statistics.spearman(a, b)
    if np.isnan(value):
        return None
    lots = np.random.default_rng(seed).integers(len(a), size=(statistics.RESAMPLES, len(a)))
    draws = np.array([statistics.spearman(a[lot], b[lot]) for lot in lots])
    interval = statistics.percentile_interval(draws[np.isfinite(draws)])
    return {"value": value, "interval": list(interval), "n": len(a)}
