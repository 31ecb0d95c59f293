"""The section on feature visualization; its pictures are in `reporting.feature_gallery`."""

from typing import Any

import pandas as pd

from tickle_core.reporting.feature_gallery import FAMILIES
from tickle_core.reporting.findings import Findings
from tickle_core.reporting.sections import feature_figures
from tickle_core.reporting.sections.section import Section
from tickle_core.reporting.tables import Column, Table, number, percent
from tickle_core.visualization.families import NULLS, OF_LOGITS, SOFTNESS


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
            "softness": SOFTNESS,
            "beyond": _beyond_random(layers),
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
        Column("above_natural_null", "random units", 2),
        Column("above_by_maximum", "by the maximum", 2, interval=True),
        Column("above_by_mean", "by the mean", 2, interval=True),
        Column("above_noise", "Above all noise", 2, interval=True),
        Column("ratio", "Score (noise 0, best natural 1)", 2, interval=True),
        Column("ratio_null", "random units", 2),
        Column("natural_high", "99 % of natural images", 2, interval=True),
        Column("other_road", "Another road", 2, interval=True),
        Column("other_road_null", "chance", 2),
        Column("similarity", "Similarity", 2, interval=True),
        Column("similarity_null", "to other units", 2),
        Column("fires", "Fires", 2, interval=True),
        Column("fires_null", "on noise", 2),
    )
    rows = [
        {"layer": alias, **found, **_nulls(found), "family": FAMILIES[family]}
        for alias, families in layers.items()
        for family, found in families.items()
    ]
    return Table(columns, rows)


def _nulls(found: dict[str, Any]) -> dict[str, Any]:
    estimates = {name: each for name, each in found.items() if isinstance(each, dict)}
    return {f"{name}_null": each["null"] for name, each in estimates.items()}


def _families(findings: Findings, alias: str) -> dict[str, Any]:
    """A layer's families in the order of the page; classes are the headline layer's alone.

    Every layer's stage pictures the classes and their mixtures, but they belong to the model.
    """
    found = findings.metrics["features"][alias]["families"]
    return {
        family: found[family]
        for family in FAMILIES
        if family in found and (family not in OF_LOGITS or alias == findings.headline_layer)
    }


def _of(table: pd.DataFrame, families: dict[str, Any]) -> pd.DataFrame:
    return table[table["family"].isin(list(families))]


def _chance(layers: dict[str, dict[str, Any]]) -> float | None:
    """At most, of a natural image to take another road; None where no road could be judged."""
    roads = [each["other_road"] for families in layers.values() for each in families.values()]
    return next((road["null"] for road in roads if road["value"] is not None), None)


def _beyond_random(layers: dict[str, dict[str, Any]]) -> dict[str, list[int]]:
    """In how many rows of the table units are beyond their random ones, and of how many rows.

    They are where the random ones' number lies below the interval of theirs.
    """
    found = {}
    for name in ("above_natural", "ratio"):
        estimates = [
            each[name]
            for families in layers.values()
            for family, each in families.items()
            if family in NULLS
        ]
        known = [each for each in estimates if each["interval"] and each["null"] is not None]
        found[name] = [sum(each["null"] < each["interval"][0] for each in known), len(known)]
    return found


def _summary(headline: dict[str, Any], families: dict[str, Any]) -> str:
    """Of the headline layer, in the words of the page's first paragraph."""
    if not families:
        return ""
    family, found = next(iter(families.items()))
    whose = "the layer as a whole" if family == "layer" else f"single {FAMILIES[family]}"
    sentence = (
        f"Of the pictures made to excite {whose}, {percent(found['above_natural']['value'], 0)} do "
        f"so more than the best of {number(headline['natural_images'])} natural images"
        f"{_beside_random(found['above_natural'])}"
    )
    road = found["other_road"]
    if road["value"] is not None:
        sentence += (
            f"; {percent(road['value'], 0)} get there by layers that natural "
            f"images excite otherwise ({percent(road['null'], 0)} by chance)"
        )
    return sentence + "."


def _beside_random(above: dict[str, Any]) -> str:
    """What random units say of a share of pictures that beat all natural images."""
    null = above["null"]
    if null is None:
        return ""
    random = f"{percent(null, 0)} of those made for random units"
    if null < above["interval"][0]:
        return f", and {random}"
    if null < above["value"]:
        return f", and {random}, which {number(above['n'])} units do not tell apart"
    return f", but so do {random}: that says nothing of the units"
