"""Which classes, concepts and latents of one layer come in parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from tickle_core import statistics
from tickle_core.fractures.splitting import NARROW, Split, split
from tickle_core.fractures.units import Unit
from tickle_core.geometry import nulls
from tickle_core.params.fractures import Fractures
from tickle_core.progress import progress

LEAST_POINTS = 40  # of a unit: a half of them chooses, the other is tested
ALPHA = 0.05
KINDS = ("class", "concept", "latent")


@dataclass(frozen=True)
class Analysed:
    """What the units of a layer came to.

    Attributes
    ----------
    metrics
        JSON-ready: by kind the share of units that are `split`, its null the share among Gaussians
        of the same covariances, as many of them, through the same procedure; `conductance`, the
        median, its null that of the Gaussians; `named`, the units that are split.
    units
        One row per unit, the most fractured first: `kind`, `name`, `n`, `conductance`, `flat` (mean
        of the Gaussians), `narrowness`, `p_cut`, `p_dip`, `p` (corrected for all units), `clusters`
        (of HDBSCAN), `split`, `smaller` (share of the points in the smaller part).
    fragments
        Of the most fractured units, rows of `kind`, `name`, `part` (0 the larger) and `rank`:
        `image`, place among the held-out images; the most central points of each part.
    """

    metrics: dict[str, Any]
    units: pd.DataFrame
    fragments: pd.DataFrame


def analyse(units: Sequence[Unit], settings: Fractures, seed: int) -> Analysed:
    """Split every unit that has `LEAST_POINTS`, and a Gaussian in the place of each."""
    rng, null_rng = np.random.default_rng(seed).spawn(2)
    enough = [unit for unit in units if len(unit.points) >= LEAST_POINTS]
    # One thread: matrices of some hundred rows only wait for each other.
    with threadpool_limits(limits=1):
        found, flat = [], []
        for unit in progress(enough, "splitting", "unit"):
            found.append(split(unit.points, settings.neighbours, settings.draws, rng))
            flat.append(
                split(_gaussian(unit, null_rng), settings.neighbours, settings.draws, null_rng)
            )
    table, null = _table(enough, found), _table(enough, flat)
    metrics = {
        kind: _of_kind(table[table["kind"] == kind], null[null["kind"] == kind]) for kind in KINDS
    }
    order = table.sort_values(
        ["split", "p", "conductance", "kind", "name"], ascending=[False, True, True, True, True]
    )
    shown = order.index[: settings.shown].tolist()
    fragments = [_fragments(enough[place], found[place], settings.images) for place in shown]
    columns = ["kind", "name", "part", "rank", "image"]
    return Analysed(
        metrics | {"least_points": LEAST_POINTS},
        order.reset_index(drop=True),
        pd.concat([pd.DataFrame(columns=columns), *fragments], ignore_index=True),
    )


def _gaussian(unit: Unit, rng: np.random.Generator) -> np.ndarray:
    return nulls.matched_gaussian(unit.points, rng)


def _table(units: Sequence[Unit], found: Sequence[Split]) -> pd.DataFrame:
    rows = [
        {
            "kind": unit.kind,
            "name": unit.name,
            "n": len(unit.points),
            "conductance": each.cut.conductance,
            "flat": each.flat.mean(),
            "narrowness": each.narrowness,
            "p_cut": each.p_cut,
            "p_dip": each.p_dip,
            "p_single": each.p,
            "clusters": each.clusters,
            "smaller": min(each.cut.side.mean(), 1 - each.cut.side.mean()),
        }
        for unit, each in zip(units, found, strict=True)
    ]
    names = [
        *("kind", "name", "n", "conductance", "flat", "narrowness", "p_cut", "p_dip", "p_single"),
        *("clusters", "smaller"),
    ]
    table = pd.DataFrame(rows, columns=names)
    p = statistics.holm(table.pop("p_single").to_numpy(float))
    return table.assign(p=p, split=(p < ALPHA) & (table["narrowness"] <= NARROW))


def _of_kind(own: pd.DataFrame, null: pd.DataFrame) -> dict[str, Any]:
    if own.empty:
        nothing = {"value": None, "interval": None, "n": 0, "why": "no unit has points enough"}
        return {"split": nothing, "conductance": nothing, "named": []}
    share = statistics.proportion(int(own["split"].sum()), len(own))
    of_null = statistics.proportion(int(null["split"].sum()), len(null))
    median, flat = (
        statistics.median_estimate(each["conductance"].to_numpy(float)) for each in (own, null)
    )
    return {
        "split": share | {"null": of_null},
        "conductance": median | {"null": flat},
        "named": sorted(own.loc[own["split"], "name"]),
    }


def _fragments(unit: Unit, found: Split, count: int) -> pd.DataFrame:
    sides = sorted((found.cut.side, ~found.cut.side), key=lambda side: -side.sum())
    tables = []
    for part, side in enumerate(sides):
        own = np.flatnonzero(side)
        apart = np.square(unit.points[own] - unit.points[own].mean(0)).sum(1)
        chosen = unit.images[own[np.argsort(apart, kind="stable")[:count]]]
        tables.append(pd.DataFrame({"part": part, "rank": range(len(chosen)), "image": chosen}))
    return pd.concat(tables).assign(kind=unit.kind, name=unit.name)
