"""Ablation of channels, latents and directions, one by one and in groups, against their null.

One half of the images ranks the units by a gradient screen, the other half judges the top ones by
exact runs of the network's tail: what an image did for a unit's rank says nothing of its effect.
The null changes the layer as much: a unit's is another one of its energy, a group's are random
groups of its energy (`matching`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tickle_core import statistics
from tickle_core.activations.store import ActivationStore
from tickle_core.circuits import ablation_summary
from tickle_core.circuits.activity import Activity, measure
from tickle_core.circuits.effects import exact_effects
from tickle_core.circuits.images import Images
from tickle_core.circuits.matching import CHOSEN_BY, make_plan
from tickle_core.circuits.ranking import Screen, screen
from tickle_core.interventions.units import Units, channels
from tickle_core.models.splicing import Splice
from tickle_core.params.circuits import Circuits

LAYER = "layer"  # all channels: whose means are the layer's


@dataclass(frozen=True)
class Ablation:
    """What ablation on a layer does.

    Attributes
    ----------
    metrics
        By family: `units` (how many there are), `alive` (those that have any activity), `chosen`,
        `matched` (those of them that have a control), `carries_over` (rank correlation over alive
        units of the screens of the ranking and the judging images; null: of the energies on the
        one with the screen of the other) and `kinds`, as `ablation_summary.of_kind` says;
        without the last two where no unit is alive.
    units
        One row per family, kind and unit that was run alone, as `ablation_summary.unit_rows` says.
    classes
        One row per family, kind, unit and class, as `ablation_summary.class_rows` says.
    curves
        One row per family, kind and group, as `ablation_summary.curve_rows` says.
    """

    metrics: dict[str, Any]
    units: pd.DataFrame
    classes: pd.DataFrame
    curves: pd.DataFrame


def ablate(
    families: dict[str, Units],
    store: ActivationStore,
    measuring: Images,
    ranking: Images,
    judging: Images,
    splice: Splice,
    section: Circuits,
    seed: int,
) -> Ablation:
    """Rank all units of all families, and ablate the top ones and their controls for good.

    Memory: one batch of images; two numbers per ranking image and unit, and three per pair of
    units; a few per judging image, set of units that is ablated, and class that is told of.

    Parameters
    ----------
    measuring
        Images that say what units carry and are on average, other ones than the `ranking`: where
        units are strong on the images that choose them, they are so by chance in part.
    section
        `units` top ones are run, but no more than a quarter of those alive, and `band_draws`
        random groups of each size, `null_draws` of the largest; the logits of the `classes` that
        are predicted most often among the held-out images are told of each.
    """
    found, counts = np.unique(store.predictions(store.test_rows), return_counts=True)
    classes = found[np.argsort(-counts, kind="stable")][: section.classes]
    names = [splice.classifier.card["class_names"][index] for index in classes]
    layer = {LAYER: channels(store.tokens.shape[-1], splice.classifier.device)}
    active = measure(families | layer, measuring, store, splice, seed)
    means = {family: each.mean for family, each in active.items()}
    screens = screen(families, means, ranking, store, splice)
    # The screen of the judging images: what is held against exact runs on the same ones.
    again = screen(families, means, judging, store, splice)
    metrics: dict[str, Any] = {}
    rows: dict[str, list[dict[str, Any]]] = {"units": [], "classes": [], "curves": []}
    for family, units in families.items():
        plan = make_plan(
            screens[family].signed[CHOSEN_BY],
            active[family],
            section.units,
            section.band_draws,
            section.null_draws,
            seed,
        )
        metrics[family] = {
            "units": len(units.directions),
            "alive": int((active[family].variance > 0).sum()),
            "chosen": len(plan.chosen),
            "matched": len(plan.controls),
        }
        if len(plan.chosen) == 0:
            continue
        sets = {kind: plan.sets(kind) for kind in plan.random}
        exact = exact_effects(
            units, sets, means[family], means[LAYER], judging, store, splice, classes
        )
        metrics[family] |= {
            "carries_over": _carries_over(active[family], screens[family], again[family]),
            "kinds": {},
        }
        for kind, effects in exact.items():
            judged = ablation_summary.Ablated(plan, active[family], kind, effects)
            alone = ablation_summary.unit_rows(judged, screens[family], seed)
            metrics[family]["kinds"][kind] = ablation_summary.of_kind(
                judged, again[family], alone, seed
            )
            tables = {
                "units": alone,
                "classes": ablation_summary.class_rows(judged, names, seed),
                "curves": ablation_summary.curve_rows(judged, seed),
            }
            for table, some in tables.items():
                rows[table] += [{"family": family, "kind": kind, **row} for row in some]
    return Ablation(
        metrics,
        pd.DataFrame(rows["units"], columns=["family", "kind", *ablation_summary.UNITS]),
        pd.DataFrame(rows["classes"], columns=["family", "kind", *ablation_summary.CLASSES]),
        pd.DataFrame(rows["curves"], columns=["family", "kind", *ablation_summary.CURVES]),
    )


def _carries_over(active: Activity, first: Screen, second: Screen) -> dict[str, Any] | None:
    """Whether other images rank the units alike, and whether their energy would rank them so."""
    alive = active.variance > 0
    of_second = second.signed[CHOSEN_BY][alive]
    found = statistics.spearman_estimate(first.signed[CHOSEN_BY][alive], of_second)
    null = statistics.spearman_estimate(active.alone(CHOSEN_BY)[alive], of_second)
    return found and found | {"null": null}
