"""Ablation of channels, latents and directions, one by one and in groups, against their null.

One half of the images ranks the units by a gradient screen, the other half judges the top ones by
exact runs of the network's tail: what an image did for a unit's rank says nothing of its effect.
The null are units that are about as active and not among the top ones.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tickle_core import params
from tickle_core.activations.store import ActivationStore
from tickle_core.circuits import ablation_summary as summary
from tickle_core.circuits.effects import exact_effects
from tickle_core.circuits.matching import Plan, make_plan
from tickle_core.circuits.ranking import rank
from tickle_core.circuits.units import Units
from tickle_core.models.splicing import Splice

CHOSEN_BY = "mean"  # the kind of ablation whose screen chooses the units for all kinds
UNITS = [
    *("family", "kind", "unit", "role", "matched", "activity", "screen"),
    *("effect", "low", "high", "effect_size", "p_value", "images"),
]
CLASSES = ["family", "kind", "unit", "role", "class", "effect", "low", "high"]


@dataclass(frozen=True)
class Ablation:
    """What ablation on a layer does.

    Attributes
    ----------
    metrics
        By family: `units` (how many there are), `alive` (those that have any activity), `chosen`,
        `activity_ratio` (median over pairs of control and chosen unit) and `kinds`, as
        `ablation_summary.of_kind` says; without kinds where no unit is alive.
    units
        One row per family, kind and unit that was run: family, kind, unit, role (top or control),
        matched (the top unit that a control is matched to, else -1), activity, screen (signed mean
        over the ranking images), effect with low and high (bootstrap over the judging images),
        effect_size, p_value (adjusted for all units of its family and kind), images.
    classes
        One row per family, kind, unit and class: family, kind, unit, role, class, effect, low,
        high; of the logit of that class, whatever is predicted.
    """

    metrics: dict[str, Any]
    units: pd.DataFrame
    classes: pd.DataFrame


def ablate(
    families: dict[str, Units],
    store: ActivationStore,
    ranking: np.ndarray,
    judging: np.ndarray,
    splice: Splice,
    section: params.Circuits,
    seed: int,
) -> Ablation:
    """Rank all units of all families, and ablate the top ones and their controls for good.

    Memory: one batch of images; two numbers per ranking image and unit; a few per judging image,
    set of units that is ablated, and class that is told of.

    Parameters
    ----------
    ranking, judging
        Ascending rows of the store, at least two each.
    section
        `units` top ones are run, but no more than half of those alive, and `null_draws` random
        groups; the logits of the `classes` that are predicted most often among the held-out images
        are told of each.
    """
    found, counts = np.unique(store.predictions(store.test_rows), return_counts=True)
    classes = found[np.argsort(-counts, kind="stable")][: section.classes]
    names = [splice.classifier.card["class_names"][index] for index in classes]
    metrics: dict[str, Any] = {}
    units_rows: list[dict[str, Any]] = []
    classes_rows: list[dict[str, Any]] = []
    rankings = rank(families, store, splice, ranking)
    # The screen of the judging images: what is held against exact runs on the same ones.
    means = {family: ranked.mean for family, ranked in rankings.items()}
    screens = rank(families, store, splice, judging, means)
    for family, ranked in rankings.items():
        plan = make_plan(
            ranked.size[CHOSEN_BY], ranked.activity, section.units, section.null_draws, seed
        )
        metrics[family] = {
            "units": len(ranked.activity),
            "alive": int((ranked.activity > 0).sum()),
            "chosen": len(plan.chosen),
            "activity_ratio": _activity_ratio(plan, ranked.activity),
            "kinds": {},
        }
        if len(plan.chosen) == 0:
            continue
        exact = exact_effects(
            families[family], plan.sets, ranked.mean, store, splice, judging, classes
        )
        for kind, effects in exact.items():
            rows = summary.unit_rows(plan, ranked, effects, kind, seed)
            metrics[family]["kinds"][kind] = summary.of_kind(
                plan, screens[family], effects, kind, rows, seed
            )
            units_rows += [{"family": family, **row} for row in rows]
            for row in summary.class_rows(plan, effects, kind, names, seed):
                classes_rows.append({"family": family, **row})
    return Ablation(
        metrics,
        pd.DataFrame(units_rows, columns=UNITS),
        pd.DataFrame(classes_rows, columns=CLASSES),
    )


def _activity_ratio(plan: Plan, activity: np.ndarray) -> float | None:
    """Median over pairs of a control's activity by that of the unit it is matched to."""
    if len(plan.controls) == 0:
        return None
    pairs = activity[plan.controls] / activity[plan.chosen[: len(plan.controls)]]
    return float(np.median(pairs))
