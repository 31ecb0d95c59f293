"""The section on concepts: vectors, TCAV, relations, latents, and where concepts are."""

from typing import Any

import pandas as pd

from tickle_core.reporting.concepts import figures, tables
from tickle_core.reporting.concepts.found import read
from tickle_core.reporting.concepts.gallery import gallery
from tickle_core.reporting.context import Context
from tickle_core.reporting.kit.section import LatentColumn, Section
from tickle_core.reporting.kit.tables import flag_linear_tails, number, percent, share

AUC = (
    " Concept is the one whose images the latent ranks highest, chosen on train images; the AUC is "
    "that of held-out ones, and behind it is what 95\N{NO-BREAK SPACE}% of as many random "
    "directions stay below by the same rule."
)


def section(context: Context) -> Section:
    """Concepts of each layer, each number beside random sets of images."""
    found, layer = read(context), context.headline_layer
    layers = found.metrics
    scores = found.tcav[layer]
    drawn = {"concepts_readable": figures.readable_figure(layers)}
    if len(scores):
        drawn["concepts_tcav"] = figures.tcav_figure(scores)
    if len(found.relations[layer]):
        drawn["concepts_relations"] = figures.relations_figure(found.relations[layer])
    pointing = figures.pointing_figure(layers)
    if pointing:
        drawn["concepts_pointing"] = pointing
    sources = found.concepts[layer].set_index("concept")["source"].to_dict()
    shown = gallery(context, found.maps[layer], sources)
    return Section(
        name="concepts",
        title="Concepts",
        summary=_summary(layers[layer]),
        settings=context.params.concepts.model_dump(),
        figures=drawn,
        tables={
            "concepts": flag_linear_tails(
                tables.concept_table(layers, found.concepts), context.linear_tails
            ),
            "concepts_tcav": flag_linear_tails(tables.tcav_table(found.tcav), context.linear_tails),
            "concepts_relations": tables.relation_table(found.relations),
            "concepts_places": tables.place_table(layers),
        },
        image_ids={thumb.image_id for each in shown for thumb in each.thumbs},
        latent_columns=(_column(found.latents),),
        facts={
            "headline": layers[layer],
            "concepts": len(layers[layer]["sets"]),
            "left_out": layers[layer]["left_out"],
            "linear_tails": context.linear_tails,
            "latents": {alias: each["latents"] for alias, each in layers.items()},
            "gallery": shown,
            "members": bool(len(scores)) and bool(scores["member"].any()),
        },
    )


def _column(latents: dict[str, pd.DataFrame]) -> LatentColumn:
    cells = {
        alias: {
            int(row.latent): (
                f"{number(row.auc, 2)} {row.concept}",
                f"random {number(row.auc_null, 2)}",
            )
            for row in table.itertuples()
        }
        for alias, table in latents.items()
    }
    return LatentColumn("concept", AUC, cells)


def _summary(layer: dict[str, Any]) -> str:
    found = layer["tcav"]["significant_share"]
    read = [each["readable"] for each in layer["sets"].values()]
    beyond = sum(
        each["interval"][0] > each["untrained"]["interval"][1]
        for each in read
        if each["untrained"]["interval"]
    )
    sentences = [
        f"Of {number(len(read))} concepts, {number(beyond)} can be read from it better than from "
        "the same layer of a network that learnt nothing."
    ]
    if found["value"] is not None:
        sentences.append(
            f"Predictions depend on them in {percent(found['value'])} of {number(found['n'])} "
            "pairs of a concept and a class outside it; on arbitrary groups of classes and images, "
            f"by the same test, in {share(found['null'])}."
        )
    return " ".join(sentences)
