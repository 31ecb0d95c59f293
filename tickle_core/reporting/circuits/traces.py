"""Causal tracing of single images: where each layer holds what makes the prediction."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tickle_core.reporting.circuits.found import Found
from tickle_core.reporting.context import Context
from tickle_core.reporting.kit import embedding, plots

PAIR = ["image_id", "donor_id"]
MOST_LAYERS = 6  # beside the two images of a pair


@dataclass(frozen=True)
class TraceMap:
    """What restoring single sites of a layer brings back.

    Attributes
    ----------
    heat
        Data URI to be laid over the clean image, full at the strongest patch; None where there
        are no patches to tell apart, or none brings anything back.
    strongest
        Recovered share of the strongest patch, or of the strongest site where there is no grid.
    prefix
        (token, recovered share) of the class and register tokens.
    """

    alias: str
    heat: str | None
    strongest: float
    prefix: list[tuple[str, float]]


@dataclass(frozen=True)
class Trace:
    """A clean image and its donor, and one map per layer that traced this pair."""

    image_id: int
    donor_id: int
    class_name: str
    donor_class: str
    maps: list[TraceMap]


def traces(context: Context, found: Found) -> list[Trace]:
    """The example pairs of the headline layer, in layers that are evenly spaced."""
    tracing = {alias: layer["tracing"] for alias, layer in found.metrics.items()}
    aliases = [alias for alias, each in tracing.items() if "why" not in each]
    aliases = [aliases[place] for place in plots.evenly(len(aliases), MOST_LAYERS)]
    shares = {
        alias: {pair: part["recovered"].to_numpy() for pair, part in table.groupby(PAIR)}
        for alias, table in found.traces.items()
    }
    pairs = found.traces[context.headline_layer].drop_duplicates(PAIR)
    return [
        Trace(
            each.image_id,
            each.donor_id,
            class_name,
            each.donor_class,
            [
                trace_map(
                    alias, tracing[alias], shares[alias][pair], context.layer_card(alias)["grid"]
                )
                for alias in aliases
                if (pair := (each.image_id, each.donor_id)) in shares[alias]
            ],
        )
        for each, class_name in zip(pairs.itertuples(), pairs["class"], strict=True)
    ]


def trace_map(
    alias: str, tracing: dict[str, Any], values: np.ndarray, grid: list[int] | None
) -> TraceMap:
    """What single sites bring back, (sites,); `grid` is the layer's own, finer than they may be."""
    count = len(tracing["prefix"])
    prefix = list(zip(tracing["prefix"], values[:count].tolist(), strict=True))
    patches = values[count:] if count < len(values) else values
    strongest = float(patches.max())
    heat = None
    if grid and tracing["grid"] and len(patches) > 1 and strongest > 0:
        # Each site as large as its positions, as those at the border have fewer.
        height, width = tracing["joined"]
        blocks = patches.reshape(tracing["grid"])
        fine = blocks.repeat(height, 0).repeat(width, 1)[: grid[0], : grid[1]]
        heat = embedding.overlay(fine / strongest)
    return TraceMap(alias, heat, strongest, prefix)
