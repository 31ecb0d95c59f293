"""What is kept of the concepts of one layer, as tables."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tickle_core.concepts import localisation
from tickle_core.concepts.layer import LayerItems
from tickle_core.concepts.procedure import Judged, Tested
from tickle_core.concepts.tcav import Target
from tickle_core.concepts.vectors import KINDS
from tickle_core.datasets.concept_sets.sets import ConceptSet, Items

# Columns of the scores, and what they hold.
SCORES = {
    "concept": str,
    "target": str,
    "member": bool,
    "n": int,
    "score": float,
    "low": float,
    "high": float,
    "null": float,
    "null_low": float,
    "null_high": float,
    "effect_size": float,
    "steadiness": float,
    "p": float,
    "p_adjusted": float,
    "significant": bool,
    "along": float,
    "along_null_low": float,
    "along_null_high": float,
    "consistency": float,
    "consistency_null": float,
    "path_images": int,
}


@dataclass(frozen=True)
class Along:
    """Attributions along vectors.

    Attributes
    ----------
    parts
        Of each target (images, vectors), the concepts' vectors first.
    random
        Of each concept, which of the vectors are those of its random sets.
    """

    parts: list[np.ndarray]
    random: list[slice]


def of_tcav(
    sets: Sequence[ConceptSet],
    judged: Sequence[Judged],
    targets: Sequence[Target],
    tested: Tested | None,
    along: Along,
) -> pd.DataFrame:
    """One row per concept and target: score, its null, test, and attribution along the concept."""
    rows = []
    for i, (each, own) in enumerate(zip(sets, judged, strict=True)):
        null = own.null.scores
        for j, target in enumerate(targets):
            part = along.parts[j]
            random = part[:, along.random[i]].mean(0)
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
                    "consistency_null": localisation.consistency(part[:, along.random[i]]).mean(),
                    "path_images": len(part),
                }
            )
    return pd.DataFrame(rows)


def no_scores() -> pd.DataFrame:
    """The same without a row."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in SCORES.items()})


def of_concepts(sets: Sequence[ConceptSet], items: Items, judged: Sequence[Judged]) -> pd.DataFrame:
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


def of_vectors(
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


def of_maps(
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
