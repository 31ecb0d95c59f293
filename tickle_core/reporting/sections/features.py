"""The section on feature visualization; its pictures are in `reporting.feature_gallery`."""

from typing import Any

import pandas as pd

from tickle_core.reporting.feature_gallery import FAMILIES
from tickle_core.reporting.findings import Findings
from tickle_core.reporting.sections import feature_figures
from tickle_core.reporting.sections.section import Section
from tickle_core.reporting.tables import Column, Table, number, percent


def section(findings: Findings) -> Section:
    """Scores of the pictures against natural images and noise, and the roads that they take."""
    layers = {alias: _families(findings, alias) for alias in findings.layers}
    pictures = {alias: _of(findings.pictures[alias], layers[alias]) for alias in layers}
    roads = {alias: _of(findings.roads[alias], layers[alias]) for alias in layers}
    headline = findings.metrics["features"][findings.headline_layer]
    figures = {"features_scores": feature_figures.scores_figure(layers, pictures)}
    before = {alias: findings.metrics["features"][alias]["layers_before"] for alias in layers}
    on_the_way = [alias for alias in layers if before[alias] and len(roads[alias])]
    if on_the_way:
        figures["features_roads"] = feature_figures.roads_figure(
            {alias: roads[alias] for alias in on_the_way}, before
        )
    return Section(
        name="features",
        title="What units want",
        summary=_summary(headline, layers[findings.headline_layer]),
        headlines={},
        settings=findings.settings.features.model_dump(),
        figures=figures,
        tables={"features": layer_table(layers)},
        facts={
            "headline": headline,
            "families": FAMILIES,
            "road_layers": min(len(on_the_way), feature_figures.MOST_LAYERS),
            "roads_of": len(on_the_way),
            "chance": _chance(layers),
        },
    )


def layer_table(layers: dict[str, dict[str, Any]]) -> Table:
    """One row per layer and family of units."""
    columns = (
        Column("layer", "Layer"),
        Column("family", "Units"),
        Column("units", "n", 0),
        Column("pictures", "Pictures", 0),
        Column("above_natural", "Above all natural images", 2, interval=True),
        Column("above_noise", "Above all noise", 2, interval=True),
        Column("ratio", "Score (noise 0, best natural 1)", 2, interval=True),
        Column("other_road", "Another road", 2, interval=True),
        Column("other_road_chance", "chance", 2),
        Column("similarity", "Similarity", 2, interval=True),
        Column("fires", "Fires", 2, interval=True),
    )
    rows = [
        {"layer": alias, **found, "family": FAMILIES[family]}
        for alias, families in layers.items()
        for family, found in families.items()
    ]
    return Table(columns, rows)


def _families(findings: Findings, alias: str) -> dict[str, Any]:
    """A layer's families in the order of the page; classes are the headline layer's alone.

    Every layer's stage pictures the classes, but they belong to the model.
    """
    found = findings.metrics["features"][alias]["families"]
    return {
        family: found[family]
        for family in FAMILIES
        if family in found and (family != "logit" or alias == findings.headline_layer)
    }


def _of(table: pd.DataFrame, families: dict[str, Any]) -> pd.DataFrame:
    return table[table["family"].isin(list(families))]


def _chance(layers: dict[str, dict[str, Any]]) -> float | None:
    found = [each for families in layers.values() for each in families.values()]
    return next((each["other_road_chance"] for each in found if each["other_road"]), None)


def _summary(headline: dict[str, Any], families: dict[str, Any]) -> str:
    """Of the headline layer, in the words of the page's first paragraph."""
    if not families:
        return ""
    family, found = next(iter(families.items()))
    whose = "the layer as a whole" if family == "layer" else f"single {FAMILIES[family]}"
    sentence = (
        f"Of the pictures made to excite {whose}, {percent(found['above_natural']['value'], 0)} do "
        f"so more than the best of {number(headline['natural_images'])} natural images"
    )
    if found["other_road"]:
        sentence += (
            f", and {percent(found['other_road']['value'], 0)} get there by layers that natural "
            f"images excite otherwise ({percent(found['other_road_chance'], 0)} by chance)"
        )
    return sentence + "."
