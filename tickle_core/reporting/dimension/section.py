"""The section on dimension."""

from typing import Any

import pandas as pd

from tickle_core.reporting.context import Context
from tickle_core.reporting.dimension import figures, tables
from tickle_core.reporting.dimension.found import read
from tickle_core.reporting.kit.section import Section
from tickle_core.reporting.kit.tables import estimate, number, percent


def section(context: Context) -> Section:
    """How many directions each layer uses, in all and around each image; classes and concepts."""
    found = read(context)
    layers = found.metrics
    headline = layers[context.headline_layer]
    variance = context.params.dimension.variance
    of_headline = found.sets[context.headline_layer]
    drawn = {
        "dimension_spectrum": figures.spectrum_figure(layers, found.spectra, variance),
        "dimension_layers": figures.layer_figure(layers),
        "dimension_local": figures.local_figure(layers),
        "dimension_scales": figures.scale_figure(found.scales),
    }
    if len(of_headline):
        for estimator in ("pca", "two_nn"):
            drawn[f"dimension_sets_{estimator}"] = figures.set_figure(
                found.sets, found.any_set, estimator
            )
    return Section(
        name="dimension",
        title="Dimension",
        summary=_summary(headline, variance),
        settings=context.params.dimension.model_dump(),
        figures=drawn,
        tables={
            "dimension": tables.layer_table(layers),
            "dimension_local": tables.local_table(layers),
            "dimension_sets": tables.set_table(found.sets, found.any_set),
        },
        curves={"dimension_spectrum": spectrum_curves(found.spectra)},
        facts={
            "headline": headline,
            "variance": variance,
            "sets": of_headline[["kind", "name"]].drop_duplicates().shape[0],
            "set_images": int(of_headline["n"].max()) if len(of_headline) else 0,
            "sets_shown": figures.MOST_SETS,
            "least_images": headline["image"]["least_images"],
            "set_layers_shown": min(figures.MOST_SET_PANELS, len(layers)),
            "any_open": any(
                layer[unit]["global"]["value"] is None
                for layer in layers.values()
                for unit in tables.UNITS
            ),
        },
    )


def spectrum_curves(spectra: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The share of variance that components hold, as rows of layer, line, components, held_out."""
    found = pd.concat([table.assign(layer=alias) for alias, table in spectra.items()])
    return found.rename(columns={"unit": "line"})[["layer", "line", "components", "held_out"]]


def _summary(headline: dict[str, Any], variance: float) -> str:
    found, local = headline["image"]["global"], headline["image"]["two_nn"]
    if found["value"] is None:
        return ""
    return (
        f"Of its {number(headline['width'])} dimensions, {estimate(found, 1)} principal components "
        f"hold {percent(variance, 0)} of the variance between images; around each image, they fill "
        f"{estimate(local, 1)}."
    )
