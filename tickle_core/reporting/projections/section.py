"""The section on projections: maps to look at, and how far they can be believed."""

from typing import Any

import numpy as np
import pandas as pd

from tickle_core.reporting.context import Context
from tickle_core.reporting.kit.section import Section
from tickle_core.reporting.kit.tables import Column, Table, estimate
from tickle_core.reporting.projections import figures
from tickle_core.reporting.projections.found import read
from tickle_core.reporting.projections.words import METHODS, class_colors

SPAN = 1000  # coordinates on the page are whole numbers up to it
MOST_CLASSES = 30  # in the legend


def section(context: Context) -> Section:
    """Maps of every layer, to be explored."""
    found = read(context)
    table = context.images.table
    names = list(context.class_names)
    ids = np.unique(np.concatenate([maps["image_id"] for maps in found.maps.values()])).astype(int)
    labels = table["label"].to_numpy()
    headline = found.maps[context.headline_layer]
    return Section(
        name="projections",
        title="Projections",
        summary=_summary(found.metrics[context.headline_layer]),
        settings=context.params.projections.model_dump(),
        figures={
            "projections_maps": figures.map_figure(headline, labels, names),
            "projections_preservation": figures.preservation_figure(found.metrics),
        },
        tables={"projections": preservation_table(found.metrics)},
        image_ids=set(ids.tolist()),
        facts={
            "points": {
                "images": ids.tolist(),
                "labels": labels[ids].tolist(),
                "classes": names,
                "colors": class_colors(len(names)),
                "maps": {alias: page_maps(maps, ids) for alias, maps in found.maps.items()},
            },
            "methods": METHODS,
            "legend": list(zip(names, class_colors(len(names)), strict=True))[:MOST_CLASSES],
            "images": len(headline) // len(METHODS),
        },
    )


def page_maps(maps: pd.DataFrame, ids: np.ndarray) -> dict[str, list[list[int]]]:
    """By method x and y of each of `ids`, between 0 and `SPAN`; -1 where it is not there."""
    found = {}
    for method in METHODS:
        own = maps[maps["method"] == method]
        flat = own[["x", "y"]].to_numpy(float)
        low, span = flat.min(0), np.ptp(flat, axis=0).max() or 1.0
        places = np.full((len(ids), 2), -1)
        where = np.searchsorted(ids, own["image_id"].to_numpy(int))
        places[where] = np.rint(SPAN * (flat - low) / span).astype(int)
        found[method] = places.T.tolist()
    return found


def preservation_table(layers: dict[str, Any]) -> Table:
    """One row per layer and method."""
    columns = (
        Column("layer", "Layer"),
        Column("method", "Map"),
        Column("trustworthiness", "Trustworthiness", 3, interval=True),
        Column("beyond", "Beyond PCA", 3, interval=True),
        Column("continuity", "Continuity", 3, interval=True),
        Column("random_trust", "Random planes: trustworthiness", 3, interval=True),
        Column("random_continuity", "continuity", 3, interval=True),
        Column("n", "n", 0),
    )
    rows = [
        {
            "layer": alias,
            "method": words,
            "trustworthiness": layer[name]["trustworthiness"],
            "beyond": layer[name].get("beyond"),
            "continuity": layer[name]["continuity"],
            "random_trust": layer[name]["trustworthiness"]["null"],
            "random_continuity": layer[name]["continuity"]["null"],
            "n": layer[name]["trustworthiness"]["n"],
        }
        for alias, layer in layers.items()
        for name, words in METHODS.items()
    ]
    return Table(columns, rows)


def _summary(headline: dict[str, Any]) -> str:
    best = max(METHODS, key=lambda name: headline[name]["trustworthiness"]["value"])
    return (
        f"{METHODS[best]} keeps neighbours best, with a trustworthiness of "
        f"{estimate(headline[best]['trustworthiness'], 3)}; nothing was measured on these maps."
    )
