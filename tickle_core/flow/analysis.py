"""Concepts through the layers: how much of them images have in each, and what comes of it where.

s_l(x) = (a_l(x) . v_l - mean) / standard deviation, along the concept's pooled vector in layer l,
the last two over random held-out images: so layers compare, and 0 is what any image has.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tickle_core import statistics
from tickle_core.activations.store import ActivationStore

LEVEL = 0.05
LEAST_IMAGES = 10  # of a group, for a mean


@dataclass(frozen=True)
class Layer:
    """What stage `concepts` left of one layer: metrics, and the tables of vectors and scores."""

    store: ActivationStore
    metrics: dict[str, Any]
    vectors: pd.DataFrame
    tcav: pd.DataFrame


@dataclass(frozen=True)
class Analysed:
    """What concepts come to over all layers.

    Attributes
    ----------
    metrics
        By concept the first layer, in the order of the network, from which on something holds
        there: `readable` (better than random sets), `learnt` (with an interval above that of the
        network that learnt nothing), `tcav` (some class beyond the concept is significant),
        `causal` (projecting it out costs the prediction more, or less, than other directions).
    tables
        `layers`: per concept and layer the numbers behind that, p-values corrected for all of
        them. `groups`: mean score of the images of each group. `images`: scores of examples.
    """

    metrics: dict[str, Any]
    tables: dict[str, pd.DataFrame]


def analyse(
    layers: Mapping[str, Layer],
    groups: Mapping[str, np.ndarray],
    examples: np.ndarray,
    seed: int,
) -> Analysed:
    """Follow all concepts.

    Memory: pooled activations are read a block at a time; a score per image and concept is kept.

    Parameters
    ----------
    layers
        By alias, from the first layer of the network to the last.
    groups
        By name, ids of held-out images: of each class, or of groups of them.
    examples
        Ids of single images.
    """
    table = _layer_table(layers)
    scores = {alias: _scores(layer) for alias, layer in layers.items()}
    concepts = sorted(table["concept"].unique())
    held_out = {
        alias: layer.store.image_ids[layer.store.test_rows] for alias, layer in layers.items()
    }
    first = {
        concept: {
            what: next((row.layer for row in part.itertuples() if getattr(row, what)), None)
            for what in ("readable", "learnt", "tcav", "causal")
        }
        for concept, part in table.groupby("concept", sort=True)
    }
    return Analysed(
        {"first": first},
        {
            "layers": table,
            "groups": _group_table(scores, held_out, groups, concepts, seed),
            "images": _image_table(scores, held_out, examples, concepts),
        },
    )


def _layer_table(layers: Mapping[str, Layer]) -> pd.DataFrame:
    rows = []
    for alias, layer in layers.items():
        for concept, found in layer.metrics["sets"].items():
            own = layer.tcav[(layer.tcav["concept"] == concept) & ~layer.tcav["member"]]
            read, effect = found["readable"], found["effect"]
            rows.append(
                {
                    "concept": concept,
                    "layer": alias,
                    "accuracy": read["value"],
                    "accuracy_low": read["interval"][0],
                    "accuracy_high": read["interval"][1],
                    "accuracy_null": read["null"]["value"],
                    "untrained": read["untrained"]["value"],
                    "untrained_high": read["untrained"]["interval"][1],
                    "p_readable": read["p"],
                    "effect": effect["value"],
                    "effect_low": (effect["interval"] or [np.nan] * 2)[0],
                    "effect_high": (effect["interval"] or [np.nan] * 2)[1],
                    "effect_null_low": effect["null"]["range"][0],
                    "effect_null_high": effect["null"]["range"][1],
                    "p_causal": effect["p"],
                    "targets": len(own),
                    "tested": len(own) if own["p"].notna().any() else 0,
                    "significant": int(own["significant"].sum()),
                    "localised": int(_beyond(own).sum()),
                    "consistency": own["consistency"].mean(),
                    "consistency_null": own["consistency_null"].mean(),
                }
            )
    table = pd.DataFrame(rows)
    for what in ("readable", "causal"):
        table[f"p_{what}"] = statistics.holm(table[f"p_{what}"].to_numpy())
        table[what] = table[f"p_{what}"] <= LEVEL
    table["learnt"] = table["accuracy_low"] > table["untrained_high"]
    table["tcav"] = table["significant"] > 0
    return table


def _beyond(scores: pd.DataFrame) -> pd.Series:
    """Whether attributions along the concept exceed what 95 % of random sets' vectors reach."""
    low, high = scores["along_null_low"], scores["along_null_high"]
    return (scores["along"] < low) | (scores["along"] > high)


def _scores(layer: Layer) -> pd.DataFrame:
    """Scores of all held-out images, a column per concept."""
    vectors = np.stack(layer.vectors["pooled"].tolist())
    offset, scale = (layer.vectors[name].to_numpy() for name in ("offset", "scale"))
    blocks = [
        (values @ vectors.T - offset) / np.where(scale > 0, scale, 1)
        for _, values in layer.store.column_blocks("pooled", layer.store.test_rows)
    ]
    return pd.DataFrame(np.concatenate(blocks), columns=layer.vectors["concept"].tolist())


def _group_table(
    scores: Mapping[str, pd.DataFrame],
    held_out: Mapping[str, np.ndarray],
    groups: Mapping[str, np.ndarray],
    concepts: list[str],
    seed: int,
) -> pd.DataFrame:
    rows = []
    for alias, table in scores.items():
        for group, ids in groups.items():
            values = table.loc[np.isin(held_out[alias], ids), concepts].to_numpy()
            if len(values) < LEAST_IMAGES:
                continue
            ends = statistics.ratio_intervals(values, np.ones(len(values)), seed)
            for place, concept in enumerate(concepts):
                column = values[:, place]
                rows.append((concept, group, alias, column.mean(), *ends[:, place], len(values)))
    columns = ["concept", "group", "layer", "value", "low", "high", "n"]
    return pd.DataFrame(rows, columns=columns)


def _image_table(
    scores: Mapping[str, pd.DataFrame],
    held_out: Mapping[str, np.ndarray],
    examples: np.ndarray,
    concepts: list[str],
) -> pd.DataFrame:
    rows = [
        (image, concept, alias, table.at[int(np.searchsorted(held_out[alias], image)), concept])
        for alias, table in scores.items()
        for image in examples.tolist()
        for concept in concepts
    ]
    return pd.DataFrame(rows, columns=["image_id", "concept", "layer", "value"])
