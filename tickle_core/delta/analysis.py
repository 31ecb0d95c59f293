"""What a perturbation does to one layer: everything that the stage `delta` reports."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tickle_core import statistics
from tickle_core.activations.store import ActivationStore
from tickle_core.delta import hijacked, recovery, summary
from tickle_core.delta.contributions import Contributions, Families, contributions
from tickle_core.delta.reading import Deltas, as_attacked, read
from tickle_core.delta.recovery import Key
from tickle_core.delta.travel import travel
from tickle_core.dictionaries.components import principal_components
from tickle_core.dictionaries.directions import random_basis
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.dictionaries.stream import Sample
from tickle_core.interventions.parts import ReadUnits
from tickle_core.interventions.units import channels
from tickle_core.models.splicing import Splice
from tickle_core.params.delta import Delta

LEAST_IMAGES = 4  # two to choose latents on, two to judge them on
BASIS_SEED = 3_000_017  # added to the seed


@dataclass(frozen=True)
class Analysed:
    """What a layer's deltas came to.

    Attributes
    ----------
    metrics
        JSON-ready. `images`: how many adversarial ones there are, of how many the `tail` agrees
        with the network, how many choose and judge; where they are too few, `why`, and no more.
        `travel` (`travel.travel`), `carried` (the share of the change of LD that latents carry;
        what is missing goes through what the SAE leaves over), `recovery` (`summary.headline`),
        `woken` and `silenced` latents of an image.
    tables
        `latents` and `pairs` (`hijacked`), `curve` and `outcomes` (`summary`).
    """

    metrics: dict[str, Any]
    tables: dict[str, pd.DataFrame]


def analyse(
    store: ActivationStore,
    perturbed: ActivationStore,
    table: pd.DataFrame,
    splice: Splice,
    sae: SparseAutoencoder,
    sample: Sample,
    section: Delta,
    seed: int,
) -> Analysed:
    """Follow adversarial images through one layer, and undo in it what they did.

    Parameters
    ----------
    perturbed, table
        What the layer makes of adversarial images and of their controls, and which is which.
    sample
        Train tokens, from which principal components come.
    """
    deltas = read(store, perturbed, table, splice, section.images, seed)
    there = len(deltas)
    deltas = deltas.only(np.flatnonzero(as_attacked(deltas)))
    images = {"adversarial": there, "tail": len(deltas)}
    if len(deltas) < LEAST_IMAGES:
        return _nothing(images)
    basis = random_basis(store.tokens.shape[-1], seed + BASIS_SEED)
    device = splice.classifier.device
    families = Families(
        sae,
        {
            "channels": ReadUnits(channels(basis.shape[0], device).directions),
            "components": ReadUnits(principal_components(sample).basis),
            "basis": ReadUnits(basis.to(device)),
        },
    )
    found = contributions(deltas, families, section.steps)
    choosing, judging = halves(deltas)
    judged = deltas.only(judging)
    orders = _orders(deltas, found, choosing, judging, len(splice.classifier.card["class_names"]))
    recovered = recovery.recover(judged, families, orders, section.restored, section.draws, seed)
    switched = hijacked.peaks(deltas, sae)
    latents = families.sizes["latents"]
    chosen = Key("latents", "chosen", min(section.restored, latents))
    metrics = {
        "images": images | {"choosing": len(choosing), "judging": len(judging)},
        "travel": travel(deltas, sae, seed),
        "carried": statistics.ratio_estimate(found.of["latents"].sum(1), found.change, seed),
        "recovery": summary.headline(judged, recovered, section.restored, latents, seed),
        "linear_tail": splice.layer["linear_tail"],
        **{name: _switched(switched, name, seed) for name in ("woken", "silenced")},
    }
    return Analysed(
        metrics,
        {
            "latents": hijacked.latent_rows(
                deltas, found, (choosing, judging), families, switched, section.latents, seed
            ),
            "pairs": hijacked.pair_rows(deltas, found.of["latents"]),
            "curve": summary.curve_rows(judged, recovered, seed),
            "outcomes": summary.outcome_rows(judged, recovered.predicted[chosen]),
        },
    )


def halves(deltas: Deltas) -> tuple[np.ndarray, np.ndarray]:
    """Places of the images to choose latents on, and of those to judge them on.

    By turns within each pair of classes, so that both halves have as many of it.
    """
    order = np.lexsort([deltas.became, deltas.own])
    return np.sort(order[::2]), np.sort(order[1::2])


def _orders(
    deltas: Deltas,
    found: Contributions,
    choosing: np.ndarray,
    judging: np.ndarray,
    classes: int,
) -> dict[tuple[str, str], np.ndarray]:
    """By family and rule, the units of each judging image in the order of being given back."""
    own, became = deltas.own, deltas.became
    # In the order of their classes, the image half of all images further on.
    sort = np.lexsort([became[judging], own[judging]])
    turned = np.empty_like(judging)
    turned[sort] = np.roll(judging[sort], len(judging) // 2)
    orders = {}
    for family, each in found.of.items():
        by_own, by_became = recovery.scores(
            each[choosing], own[choosing], became[choosing], classes
        )
        rules = {"chosen": by_own[own[judging]] + by_became[became[judging]]}
        if family == "latents":
            rules["own"] = each[judging]
            rules["stranger"] = by_own[own[turned]] + by_became[became[turned]]
        for rule, score in rules.items():
            orders[family, rule] = np.argsort(-score, axis=1, kind="stable")
    return orders


def _switched(peaks: hijacked.Peaks, name: str, seed: int) -> dict[str, Any]:
    """How many latents of an image are woken, or silenced, beside what noise does."""
    found, null = (
        statistics.mean_estimate(getattr(peaks, name)(kind).sum(1), seed)
        for kind in ("adversarial", "noise")
    )
    return found | {"null": null}


def _nothing(images: dict[str, int]) -> Analysed:
    """Where there is no adversarial image, or hardly one."""
    why = (
        f"{images['tail']} adversarial images, too few to choose latents on some and to judge them "
        "on others"
    )
    return Analysed(
        {"images": images, "why": why},
        {
            "latents": pd.DataFrame(columns=hijacked.LATENT_COLUMNS),
            "pairs": pd.DataFrame(columns=hijacked.PAIR_COLUMNS),
            "curve": pd.DataFrame(columns=summary.COLUMNS),
            "outcomes": pd.DataFrame(columns=summary.OUTCOMES),
        },
    )
