"""The section on PCA dimension."""

from typing import Any

import pandas as pd

from tickle_core.reporting.context import Context
from tickle_core.reporting.dimension import figures, tables
from tickle_core.reporting.dimension.found import read
from tickle_core.reporting.kit.section import Section
from tickle_core.reporting.kit.tables import estimate, number, percent


def section(context: Context) -> Section:
    """How many directions each layer uses, for images, tokens and single classes."""
    found, names = read(context), context.class_names
    layers, classes = found.metrics, found.classes
    headline = layers[context.headline_layer]
    variance = context.params.dimension.variance
    of_headline = classes[context.headline_layer]
    drawn = {
        "dimension_spectrum": figures.spectrum_figure(layers, found.spectra, variance),
        "dimension_layers": figures.layer_figure(layers),
    }
    if len(of_headline):
        drawn["dimension_classes"] = figures.class_figure(classes, found.any_class, names)
    return Section(
        name="dimension",
        title="Dimension",
        summary=_summary(headline, variance),
        settings=context.params.dimension.model_dump(),
        figures=drawn,
        tables={
            "dimension": tables.layer_table(layers),
            "dimension_classes": tables.class_table(classes, found.any_class, names),
        },
        curves={"dimension_spectrum": spectrum_curves(found.spectra)},
        facts={
            "headline": headline,
            "variance": variance,
            "classes": len(of_headline),
            "class_images": int(of_headline["n"].max()) if len(of_headline) else 0,
            "classes_shown": min(figures.MOST_CLASSES, len(of_headline)),
            "least_class_images": headline["image"]["least_class_images"],
            "class_layers_shown": min(figures.MOST_CLASS_PANELS, len(layers)),
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
    found = headline["image"]["global"]
    if found["value"] is None:
        return ""
    return (
        f"Of its {number(headline['width'])} dimensions, {estimate(found, 1)} principal components "
        f"hold {percent(variance, 0)} of the variance between images."
    )
