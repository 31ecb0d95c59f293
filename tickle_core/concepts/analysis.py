"""All that is asked of concepts in one layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tickle_core import statistics
from tickle_core.concepts import causal, latents, localisation, pointwise, procedure, tcav, vectors
from tickle_core.concepts.layer import LayerItems
from tickle_core.concepts.procedure import Judged, Procedure, Tested
from tickle_core.concepts.readability import estimate
from tickle_core.concepts.relations import relations
from tickle_core.concepts.tcav import Target
from tickle_core.concepts.vectors import KINDS
from tickle_core.datasets.concept_sets.sets import ConceptSet, ConceptSets, Items
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
    metrics["tcav"], table = _tcav(subject, steps, judged, pooled, targets, slopes)
    tables = {
        "concepts": _concept_table(sets, items, judged),
        "tcav": table,
        "relations": relations(sets, items, layer.pooled, seed),
        "latents": best,
        "vectors": _vector_table(sets, items, layer, pooled, placewise),
        "maps": _map_table(sets, items, layer, pooled, placewise, section.shown),
    }
    rows = [target.rows for target in targets]
    ids = layer.store.image_ids[np.concatenate(rows)] if rows else np.empty(0, np.int64)
    names = [target.name for target in targets for _ in target.rows]
    return Analysed(metrics, tables, slopes[: len(ids)], ids, names)


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
    why = LINEAR_TAIL if subject.linear_tail else ""
    if not targets or not np.any(slopes):
        why = NO_TARGETS if not targets else NO_SLOPE
        nothing = {"value": None, "interval": None, "n": 0, "null": None, "why": why}
        return {"significant_share": nothing}, _tcav_table([], [], [], None, {})
    along = _localised(subject, targets, judged, pooled, steps.section.path_images)
    if why:
        nothing = {"value": None, "interval": None, "n": 0, "null": None, "why": why}
        return {"significant_share": nothing}, _tcav_table(sets, judged, targets, None, along)
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
    return {"significant_share": share}, _tcav_table(sets, judged, targets, tested, along)


def _localised(
    subject: Subject,
    targets: Sequence[Target],
    judged: Sequence[Judged],
    pooled: np.ndarray,
    most: int,
) -> dict[str, Any]:
    """Attributions along concepts, and along the vectors of random sets, by target."""
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
    return {"parts": np.split(along, ends), "random": [random[id(each.null)] for each in judged]}


def _tcav_table(
    sets: Sequence[ConceptSet],
    judged: Sequence[Judged],
    targets: Sequence[Target],
    tested: Tested | None,
    along: dict[str, Any],
) -> pd.DataFrame:
    """One row per concept and target: score, its null, test, and attribution along the concept."""
    rows = []
    for i, (each, own) in enumerate(zip(sets, judged, strict=True)):
        null = own.null.scores
        for j, target in enumerate(targets):
            part = along["parts"][j]
            random = part[:, along["random"][i]].mean(0)
            spread = null.score[:, j].std(ddof=1)
            score = own.scores.score[0, j]
            effect = (score - null.score[:, j].mean()) / spread if spread > 0 else np.nan
            rows.append(
                {
                    "concept": each.name,
                    "target": target.name,
                    "member": bool({*each.labels} & {*target.labels}),
                    "n": len(target.rows),
                    "score": score,
                    "low": own.scores.low[0, j],
                    "high": own.scores.high[0, j],
                    "null": null.score[:, j].mean(),
                    "null_low": np.quantile(null.score[:, j], 0.025),
                    "null_high": np.quantile(null.score[:, j], 0.975),
                    "effect_size": effect,
                    "steadiness": own.scores.steadiness[0, j],
                    "p": tested.p[i, j] if tested else np.nan,
                    "p_adjusted": tested.adjusted[i, j] if tested else np.nan,
                    "significant": bool(tested.significant[i, j]) if tested else False,
                    "along": part[:, i].mean(),
                    "along_null_low": np.quantile(random, 0.025),
                    "along_null_high": np.quantile(random, 0.975),
                    "consistency": localisation.consistency(part[:, i : i + 1])[0],
                    "consistency_null": localisation.consistency(
                        part[:, along["random"][i]]
                    ).mean(),
                    "path_images": len(part),
                }
            )
    kinds = {"concept": str, "target": str, "member": bool, "n": np.int64, "significant": bool}
    kinds |= {"path_images": np.int64}
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(
        {name: kinds.get(name, np.float64) for name in COLUMNS}
    )


COLUMNS = (
    "concept",
    "target",
    "member",
    "n",
    "score",
    "low",
    "high",
    "null",
    "null_low",
    "null_high",
    "effect_size",
    "steadiness",
    "p",
    "p_adjusted",
    "significant",
    "along",
    "along_null_low",
    "along_null_high",
    "consistency",
    "consistency_null",
    "path_images",
)


def _concept_table(
    sets: Sequence[ConceptSet], items: Items, judged: Sequence[Judged]
) -> pd.DataFrame:
    """One row per concept: its source and size, how well each kind of vector ranks held-out
    images, cosines between kinds, and how steady the logistic one is (the length of the mean of
    its runs), beside random sets'.
    """
    rows = []
    for each, own in zip(sets, judged, strict=True):
        kinds = own.vectors
        rows.append(
            {
                "concept": each.name,
                "source": each.source,
                "train": len(items.split(each.members, False)),
                "test": len(items.split(each.members, True)),
                **{f"auc_{kind}": own.aucs[kind] for kind in KINDS},
                "logistic_mean": float((kinds.logistic * kinds.mean).sum(1).mean()),
                "logistic_pattern": float((kinds.logistic * kinds.pattern).sum(1).mean()),
                "mean_pattern": float((kinds.mean * kinds.pattern).sum(1).mean()),
                "steady": float(np.linalg.norm(kinds.logistic.mean(0))),
                "readable": own.readable,
            }
        )
    return pd.DataFrame(rows)


def _vector_table(
    sets: Sequence[ConceptSet],
    items: Items,
    layer: LayerItems,
    pooled: np.ndarray,
    placewise: np.ndarray,
) -> pd.DataFrame:
    """Vectors, and what makes a score of them: (a . v - offset) / scale among random images."""
    natural = items.split(items.natural, True)
    along = layer.pooled[natural] @ pooled.T
    return pd.DataFrame(
        {
            "concept": [each.name for each in sets],
            "pooled": list(pooled),
            "offset": along.mean(0, dtype=np.float64),
            "scale": along.std(0, dtype=np.float64),
            "pointwise": list(placewise),
        }
    )


def _map_table(
    sets: Sequence[ConceptSet],
    items: Items,
    layer: LayerItems,
    pooled: np.ndarray,
    placewise: np.ndarray,
    shown: int,
) -> pd.DataFrame:
    """Held-out images of the image set that have most of each concept, and where.

    Maps are in standard deviations of all patches of the shown images.
    """
    natural = items.split(items.natural, True)
    rows = []
    for each, average, single in zip(sets, pooled, placewise, strict=True):
        along = layer.pooled[natural] @ average
        scores = (along - along.mean()) / (along.std() or 1)
        order = np.argsort(-scores, kind="stable")[:shown]
        tokens = layer.tokens(natural[order])[:, layer.patches]
        maps = [tokens @ vector for vector in (average, single)]
        scaled = [(each_map - each_map.mean()) / (each_map.std() or 1) for each_map in maps]
        for rank, place in enumerate(order):
            rows.append(
                {
                    "concept": each.name,
                    "rank": rank,
                    "image_id": int(items.image_ids[natural[place]]),
                    "member": bool(natural[place] in each.members),
                    "score": float(scores[place]),
                    "pooled": scaled[0][rank].astype(np.float32),
                    "pointwise": scaled[1][rank].astype(np.float32),
                }
            )
    return pd.DataFrame(rows)
