"""All that is asked of concepts in one layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tickle_core import statistics
from tickle_core.concepts import (
    causal,
    latents,
    localisation,
    pointwise,
    procedure,
    tables,
    tcav,
    vectors,
)
from tickle_core.concepts.layer import LayerItems
from tickle_core.concepts.procedure import Judged, Procedure
from tickle_core.concepts.readability import estimate
from tickle_core.concepts.relations import relations
from tickle_core.concepts.tables import Along
from tickle_core.concepts.tcav import Target
from tickle_core.datasets.concept_sets.sets import ConceptSets
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.dictionaries.stream import Sample
from tickle_core.models.splicing import Splice
from tickle_core.params.concepts import Concepts

ARBITRARY = 3  # families of arbitrary concepts
BASELINE_IMAGES = 500  # behind the mean token that paths start from
LINEAR_TAIL = "the tail is linear: a score can only be 0 or 1, whatever the concept"
NO_SLOPE = "no logit depends on the layer's patches"
NO_TARGETS = "no class, and no group of classes, has 10 held-out images that the model knows"


@dataclass(frozen=True)
class Subject:
    """What is looked at: a layer, its items, and what is known of it.

    Attributes
    ----------
    untrained
        The same layer of the network that learnt nothing.
    sae, sample
        The layer's dictionary, and train tokens.
    linear_tail
        Whether what follows the layer is linear.
    """

    sets: ConceptSets
    layer: LayerItems
    untrained: LayerItems
    splice: Splice
    module: str
    sae: SparseAutoencoder
    sample: Sample
    linear_tail: bool


@dataclass(frozen=True)
class Analysed:
    """What concepts come to in a layer.

    Attributes
    ----------
    metrics
        JSON-ready. `sets`: by concept `readable` (held-out accuracy; `untrained`: of the network
        that learnt nothing), `effect` of projecting it out, `pointing` of textures, `overlap` with
        masks. `tcav`: `significant_share`, or why there is none. `latents`:
        `latents.best_concepts`. `left_out`: concepts without images enough.
    tables
        `concepts`: sizes, AUC by kind of vector, agreement between them. `tcav`: one row per
        concept and target. `relations`, `latents`, and `vectors`: per concept the pooled vector,
        its `offset` and `scale` among random images, and the pointwise one. `maps`: strongest
        held-out images of each concept with both maps.
    slopes
        (images, d), the gradients behind the scores, with `image_ids` and names of `targets`:
        another concept costs a matrix product.
    """

    metrics: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    slopes: np.ndarray
    image_ids: np.ndarray
    targets: list[str]


def analyse(subject: Subject, targets: list[Target], section: Concepts, seed: int) -> Analysed:
    """Everything on the concepts of one layer."""
    sets, items, layer = subject.sets.sets, subject.sets.items, subject.layer
    width = layer.pooled.shape[1]
    slopes, of_target = np.zeros((1, width), np.float32), np.zeros(1, np.int64)
    if targets:
        asked = tcav.ask(targets)
        slopes, of_target = tcav.gradients(asked, layer.store, subject.splice), asked.of_target
    steps = Procedure(items, layer.pooled, slopes, of_target, section, seed)
    judged = [steps.judge(each, [place]) for place, each in enumerate(sets)]
    pooled = np.stack([vectors.unit(each.vectors.logistic.mean(0)) for each in judged])
    placewise = pointwise.fit(sets, items, layer, section.images, section.strength, seed)

    metrics: dict[str, Any] = {"sets": {each.name: {} for each in sets}}
    _add_readability(metrics["sets"], subject, judged, section, seed)
    controls = [each.null.vectors[: causal.DRAWS] for each in judged]
    effects = causal.without(pooled, controls, items, layer, subject.splice, seed)
    for each, effect in zip(sets, effects, strict=True):
        metrics["sets"][each.name]["effect"] = effect
    _add_maps(metrics["sets"], subject, pooled, placewise, seed)
    metrics["left_out"] = subject.sets.left_out
    metrics["latents"], best = latents.best_concepts(
        subject.sae, subject.sample, sets, items, layer, seed
    )
    metrics["tcav"], scores = _tcav(subject, steps, judged, pooled, targets, slopes)
    found = {
        "concepts": tables.of_concepts(sets, items, judged),
        "tcav": scores,
        "relations": relations(sets, items, layer.pooled, seed),
        "latents": best,
        "vectors": tables.of_vectors(sets, items, layer, pooled, placewise),
        "maps": tables.of_maps(sets, items, layer, pooled, placewise, section.shown),
    }
    rows = [target.rows for target in targets]
    ids = layer.store.image_ids[np.concatenate(rows)] if rows else np.empty(0, np.int64)
    names = [target.name for target in targets for _ in target.rows]
    return Analysed(metrics, found, slopes[: len(ids)], ids, names)


def _add_readability(
    found: dict[str, Any], subject: Subject, judged: Sequence[Judged], section: Concepts, seed: int
) -> None:
    """Held-out accuracy in the layer, and in that of the network that learnt nothing."""
    few = section.model_copy(update={"partners": procedure.RANDOM_RUNS})
    nothing = np.zeros((1, subject.untrained.pooled.shape[1]), np.float32)
    steps = Procedure(
        subject.sets.items, subject.untrained.pooled, nothing, np.zeros(1, np.int64), few, seed
    )
    for place, (each, own) in enumerate(zip(subject.sets.sets, judged, strict=True)):
        value = estimate(own.right, own.accuracy, own.null.accuracies)
        _, accuracy, right, _ = steps.read(each, np.random.default_rng([seed, place]))
        found[each.name]["readable"] = value | {"untrained": estimate(right, accuracy, None)}


def _add_maps(
    found: dict[str, Any],
    subject: Subject,
    pooled: np.ndarray,
    placewise: np.ndarray,
    seed: int,
) -> None:
    """The pointing game of textures, and the overlap with masks."""
    items, layer, splice = subject.sets.items, subject.layer, subject.splice
    for each, average, single in zip(subject.sets.sets, pooled, placewise, strict=True):
        if each.source == "texture" and layer.store.grid is not None:
            pasted = pointwise.paste(
                each, items, layer, splice.classifier, splice.images, subject.module, seed
            )
            found[each.name]["pointing"] = pointwise.pointing_game(pasted, single, average)
        if each.masks:
            found[each.name]["overlap"] = {
                name: pointwise.overlap(each, items, layer, vector, seed)
                for name, vector in (("pointwise", single), ("pooled", average))
            }


def _tcav(
    subject: Subject,
    steps: Procedure,
    judged: Sequence[Judged],
    pooled: np.ndarray,
    targets: Sequence[Target],
    slopes: np.ndarray,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Scores, tests and attributions along concepts; the test only where it can say something."""
    sets, items = subject.sets.sets, subject.sets.items
    if not targets or not np.any(slopes):
        return _untested(NO_SLOPE if targets else NO_TARGETS), tables.no_scores()
    along = _localised(subject, targets, judged, pooled, steps.section.path_images)
    if subject.linear_tail:
        return _untested(LINEAR_TAIL), tables.of_tcav(sets, judged, targets, None, along)
    tested = procedure.test(sets, judged, targets)
    shares = []
    for family in range(ARBITRARY):
        rng = np.random.default_rng([steps.seed, 1 + family])
        others = [procedure.arbitrary(each, items, rng) for each in sets]
        found = [steps.judge(each, [place, 1 + family]) for place, each in enumerate(others)]
        shares.append(procedure.test(others, found, targets).share)
    pairs = int((~tested.member).sum())
    share: dict[str, Any] = {
        "value": tested.share if pairs else None,
        "interval": None,
        "n": pairs,
        "null": statistics.drawn(shares) if pairs else None,
        "why": "pairs share concepts, classes and images" if pairs else "every class is a member",
    }
    return {"significant_share": share}, tables.of_tcav(sets, judged, targets, tested, along)


def _untested(why: str) -> dict[str, Any]:
    nothing = {"value": None, "interval": None, "n": 0, "null": None, "why": why}
    return {"significant_share": nothing}


def _localised(
    subject: Subject,
    targets: Sequence[Target],
    judged: Sequence[Judged],
    pooled: np.ndarray,
    most: int,
) -> Along:
    """Attributions along concepts, and along the vectors of random sets."""
    store = subject.layer.store
    some = [
        Target(each.name, each.labels, each.rows[:most], each.logits[:most]) for each in targets
    ]
    nulls = {id(each.null): each.null.vectors for each in judged}
    starts = len(pooled) + np.cumsum([0, *map(len, nulls.values())])
    random = {
        key: slice(start, start + len(nulls[key]))
        for key, start in zip(nulls, starts, strict=False)
    }
    natural = subject.sets.items.split(subject.sets.items.natural, False)
    baseline = subject.layer.mean_token(natural[:: max(1, len(natural) // BASELINE_IMAGES)])
    both = np.concatenate([pooled, *nulls.values()])
    along, _ = localisation.projected(tcav.ask(some), store, subject.splice, baseline, both)
    ends = np.cumsum([len(each.rows) for each in some])[:-1]
    return Along(np.split(along, ends), [random[id(each.null)] for each in judged])
