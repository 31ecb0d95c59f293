"""The section on feature visualization."""

from typing import Any

import pandas as pd

from tickle_core.maximization.families import NULLS, OF_LOGITS, SOFTNESS
from tickle_core.reporting.context import Context
from tickle_core.reporting.features import figures
from tickle_core.reporting.features.found import read
from tickle_core.reporting.features.gallery import FAMILIES, gallery
from tickle_core.reporting.features.tables import layer_table
from tickle_core.reporting.kit.section import LatentPictures, Section
from tickle_core.reporting.kit.tables import number, percent


def section(context: Context) -> Section:
    """Scores of the pictures against natural images and noise, and the roads that they take."""
    found, headline_layer = read(context), context.headline_layer
    layers = {
        alias: _families(metrics["families"], alias == headline_layer)
        for alias, metrics in found.metrics.items()
    }
    pictures = {alias: _of(found.pictures[alias], layers[alias]) for alias in layers}
    roads = {alias: _of(found.roads[alias], layers[alias]) for alias in layers}
    headline = found.metrics[headline_layer]
    drawn = {"features_scores": figures.scores_figure(layers, pictures)}
    before = {alias: metrics["layers_before"] for alias, metrics in found.metrics.items()}
    on_the_way = [alias for alias in layers if before[alias] and len(roads[alias])]
    if on_the_way:
        drawn["features_roads"] = figures.roads_figure(
            {alias: roads[alias] for alias in on_the_way}, before
        )
    shown = gallery(context, found)
    return Section(
        name="features",
        title="What units want",
        summary=_summary(headline, layers[headline_layer]),
        settings=context.params.features.model_dump(),
        figures=drawn,
        tables={"features": layer_table(layers)},
        image_ids=shown.image_ids,
        pictures=shown.pictures,
        latent_pictures=LatentPictures(
            "made to excite the latent", "Picture made to excite latent", shown.of_latents
        ),
        facts={
            "headline": headline,
            "gallery": shown,
            "families": FAMILIES,
            "road_layers": min(len(on_the_way), figures.MOST_LAYERS),
            "roads_of": len(on_the_way),
            "chance": _chance(layers),
            "softness": SOFTNESS,
            "beyond": _beyond_random(layers),
        },
    )


def _families(found: dict[str, Any], with_classes: bool) -> dict[str, Any]:
    """A layer's families in the order of the page; classes are the headline layer's alone.

    Every layer's stage pictures the classes and their mixtures, but they belong to the model.
    """
    return {
        family: found[family]
        for family in FAMILIES
        if family in found and (family not in OF_LOGITS or with_classes)
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
