"""Each latent's best concept: chosen on train images, judged on held-out ones.

A latent's strength on an image is its maximum over positions; how well that ranks a concept's
images above those outside it is the AUC. Almost any direction ranks some concept well, so as many
random directions, spread as the layer's tokens are, choose and are judged by the same rule.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata

from tickle_core import logistic, statistics
from tickle_core.concepts.layer import LayerItems
from tickle_core.datasets.concept_sets.sets import ConceptSet, Items
from tickle_core.dictionaries import directions
from tickle_core.dictionaries.image_features import LATENTS, ImageFeatures
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.dictionaries.stream import Sample

IMAGES = 1000  # of the image set, from each split
AT_ONCE_TOKENS = 2**15
CHANCE = 0.05
RANDOM = "random"


def best_concepts(
    sae: SparseAutoencoder,
    sample: Sample,
    sets: Sequence[ConceptSet],
    items: Items,
    layer: LayerItems,
    seed: int,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Hold latents, and as many random directions, against the concepts.

    Memory: a number per feature and image, of at most `IMAGES` from each split and those drawn.

    Parameters
    ----------
    sample
        Train tokens of the layer.

    Returns
    -------
    tuple
        JSON-ready: `telling_share`, of the latents that fire how many are judged better than 95 %
        of the random directions; `median_auc`, of their best concepts. And one row per latent
        that fires: latent, concept, auc, auc_null (what 95 % of random directions stay below).
    """
    random = directions.like_tokens(sample, len(sae.w_dec), seed)
    features = ImageFeatures(sae, sample.mean, {RANDOM: random})
    chosen = {test: _some(items, test, seed) for test in (False, True)}
    read = {test: _read(features, layer, some) for test, some in chosen.items()}
    judged = {}
    for name in (LATENTS, RANDOM):
        train, test = (_aucs(read[side][name], chosen[side], sets) for side in (False, True))
        best = np.argmax(train, axis=0)
        auc = np.take_along_axis(test, best[None], axis=0)[0]
        fires = np.ptp(read[False][name], axis=0) > 0
        judged[name] = np.where(fires, auc, np.nan), best
    auc, best = judged[LATENTS]
    by_chance = judged[RANDOM][0]
    limit = float(np.nanquantile(by_chance, 1 - CHANCE, method="higher"))
    fires = np.flatnonzero(~np.isnan(auc))
    names = np.array([each.name for each in sets], object)
    table = pd.DataFrame(
        {
            "latent": fires,
            "concept": names[best[fires]].astype(str),
            "auc": auc[fires],
            "auc_null": np.full(len(fires), limit),
        }
    )
    if len(fires) == 0:
        nothing = {"value": None, "interval": None, "n": 0, "why": "no latent fires"}
        return {"telling_share": nothing, "median_auc": nothing}, table
    share = statistics.proportion(int((auc[fires] > limit).sum()), len(fires))
    median = statistics.median_estimate(auc[fires])
    return {
        "telling_share": share | {"null": CHANCE},
        "median_auc": median
        | {"null": statistics.median_estimate(by_chance[~np.isnan(by_chance)])},
    }, table


def _some(items: Items, test: bool, seed: int) -> np.ndarray:
    """Items of a split: all that were drawn, and some of the image set's."""
    natural = items.split(items.natural, test)
    drawn = natural[logistic.draw_rows(items.stratum[natural], IMAGES, seed)]
    further = np.arange(len(items.image_ids), len(items.stratum))
    return np.concatenate([drawn, items.split(further, test)])


@torch.no_grad()
def _read(features: ImageFeatures, layer: LayerItems, items: np.ndarray) -> dict[str, np.ndarray]:
    device = features.mean.device
    together = max(1, AT_ONCE_TOKENS // layer.extra.shape[1])
    parts = [
        features.of(torch.from_numpy(layer.tokens(items[start : start + together])).to(device))
        for start in range(0, len(items), together)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _aucs(strengths: np.ndarray, items: np.ndarray, sets: Sequence[ConceptSet]) -> np.ndarray:
    """AUC of each concept and feature, (concepts, units)."""
    ranked: dict[bytes, np.ndarray] = {}  # many concepts are held against the same images
    found = []
    for each in sets:
        there = np.isin(items, np.union1d(each.members, each.outside))
        key = there.tobytes()
        if key not in ranked:
            ranked[key] = rankdata(strengths[there], axis=0)
        member = np.isin(items[there], each.members)
        own, other = int(member.sum()), int((~member).sum())
        if min(own, other) == 0:
            found.append(np.full(strengths.shape[1], 0.5))
            continue
        ranks = ranked[key][member].sum(0)
        found.append((ranks - own * (own + 1) / 2) / (own * other))
    return np.stack(found)
