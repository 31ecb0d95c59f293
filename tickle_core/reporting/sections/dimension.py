"""The section on PCA dimension."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tickle_core.reporting import plots
from tickle_core.reporting.findings import Findings
from tickle_core.reporting.plots import Series
from tickle_core.reporting.sections.section import Headline, Section
from tickle_core.reporting.style import INK, MEASURED, NULL, layer_colors, short
from tickle_core.reporting.tables import Column, Table, number, percent

UNITS = {"image": "pooled images", "token": "tokens"}
MOST_CLASSES = 30
CLASS_PANELS_PER_ROW = 3
MOST_CLASS_PANELS = 6
MOST_LEGEND_LAYERS = 8

HEADLINES = {
    "dimension_pca95": Headline(
        "PCA dimension",
        "principal components that hold the set share of the variance of pooled activations",
        "as many draws from a Gaussian of the same covariance",
        0,
    ),
}


def section(findings: Findings) -> Section:
    """How many directions each layer uses, for images, tokens and single classes."""
    layers = findings.metrics["dimension"]
    headline = layers[findings.headline_layer]
    figures = {
        "dimension_spectrum": spectrum_figure(layers),
        "dimension_layers": layer_figure(layers),
    }
    if headline["image"]["classes"]:
        figures["dimension_classes"] = class_figure(layers, findings.class_names)
    return Section(
        name="dimension",
        title="Dimension",
        summary=(
            f"Of its {number(headline['width'])} dimensions, "
            f"{number(headline['image']['global']['dimension'])} principal components hold "
            f"{percent(headline['variance'], 0)} of the variance between images."
        ),
        headlines=HEADLINES,
        settings=findings.settings.dimension.model_dump(),
        figures=figures,
        tables={
            "dimension": layer_table(layers),
            "dimension_classes": class_table(layers, findings.class_names),
        },
        facts={
            "headline": headline,
            "variance": findings.settings.dimension.variance,
            "classes": len(headline["image"]["classes"]),
            "classes_shown": min(MOST_CLASSES, len(headline["image"]["classes"])),
            "least_class_images": headline["image"]["least_class_images"],
            "class_layers_shown": min(MOST_CLASS_PANELS, len(layers)),
            "any_saturated": any(
                layer[unit]["global"]["saturated"] for layer in layers.values() for unit in UNITS
            ),
        },
    )


def layer_table(layers: dict[str, Any]) -> Table:
    """Two rows per layer: pooled images and tokens."""
    columns = (
        Column("layer", "Layer"),
        Column("unit", "Unit"),
        Column("dimension", "Dimension", 0, interval=True),
        Column("null", "Matched Gaussian", 1, interval=True),
        Column("width", "Width", 0),
        Column("saturated", "Saturated"),
        Column("by_n", "At n/4, n/2, n"),
        Column("n", "n", 0),
    )
    rows = []
    for alias, layer in layers.items():
        for unit, words in UNITS.items():
            found = layer[unit]["global"]
            by_n = [str(step["dimension"]) for step in layer[unit].get("by_n", [])]
            rows.append(
                {
                    "layer": alias,
                    "unit": words,
                    "dimension": _measured(found),
                    "null": _null(found["null"]),
                    "width": layer["width"],
                    "saturated": "yes" if found["saturated"] else "no",
                    "by_n": ", ".join(by_n) if by_n else None,
                    "n": found["n"],
                }
            )
    return Table(columns, rows)


def class_table(layers: dict[str, Any], names: tuple[str, ...]) -> Table:
    """One row per layer and class."""
    columns = (
        Column("layer", "Layer"),
        Column("class", "Class"),
        Column("dimension", "Dimension", 0),
        Column("null", "Matched Gaussian", 1, interval=True),
        Column("any_class", "Any class", 1, interval=True),
        Column("saturated", "Saturated"),
        Column("n", "n", 0),
    )
    rows = [
        {
            "layer": alias,
            "class": names[entry["label"]],
            "dimension": entry["dimension"],
            "null": _null(entry["null"]),
            "any_class": _null(layer["image"]["any_class"]),
            "saturated": "yes" if entry["saturated"] else "no",
            "n": entry["n"],
        }
        for alias, layer in layers.items()
        for entry in layer["image"]["classes"]
    ]
    return Table(columns, rows)


def spectrum_figure(layers: dict[str, Any]) -> Figure:
    """Share of the variance in the first components, one curve per layer."""
    figure, panels = plots.panels(2, 2, 2.7, sharey=True)
    colors = layer_colors(len(layers))
    for axes, (unit, words) in zip(panels, UNITS.items(), strict=True):
        for color, (alias, layer) in zip(colors, layers.items(), strict=True):
            found = layer[unit]["global"]
            shares = [0.0, *found["spectrum"]]
            axes.plot(range(len(shares)), shares, color=color, label=short(alias))
            at = found["dimension"]
            axes.plot(at, shares[at], "o", color=color, markersize=5)
        variance = next(iter(layers.values()))["variance"]
        axes.axhline(variance, color=NULL, linestyle="--", linewidth=1)
        axes.set_title(words)
        axes.set_xlabel("components")
        axes.set_xlim(left=0)
        axes.set_ylim(0, 1.02)
    panels[0].set_ylabel("share of variance")
    handles, labels = panels[1].get_legend_handles_labels()
    named = plots.evenly(len(layers), MOST_LEGEND_LAYERS)
    panels[1].legend([handles[i] for i in named], [labels[i] for i in named], loc="lower right")
    return figure


def layer_figure(layers: dict[str, Any]) -> Figure:
    """Dimension beside its null and the layer's width, for images and tokens."""
    figure, panels = plots.forest_figure(len(layers), 2)
    for axes, (unit, words) in zip(panels, UNITS.items(), strict=True):
        found = [layer[unit]["global"] for layer in layers.values()]
        series = [
            Series(
                "measured",
                [_measured(each) for each in found],
                MEASURED,
                filled=[not each["saturated"] for each in found],
            ),
            Series("matched Gaussian", [_null(each["null"]) for each in found], NULL, "D"),
            Series("width", [{"value": layer["width"]} for layer in layers.values()], INK, "|"),
        ]
        plots.forest(axes, list(layers), series)
        axes.set_xlim(left=0)
        axes.set_title(words)
        axes.set_xlabel("dimension")
    plots.legend_above(figure, [panels[0]])
    return figure


def class_figure(layers: dict[str, Any], names: tuple[str, ...]) -> Figure:
    """Dimension of each class beside its null and equally many images of any class."""
    shown = _extreme_classes(layers)
    rows = [names[label] for label in shown]
    aliases = list(layers)
    layers = {aliases[i]: layers[aliases[i]] for i in plots.evenly(len(layers), MOST_CLASS_PANELS)}
    figure, panels = plots.panels(
        len(layers), CLASS_PANELS_PER_ROW, 1.1 + 0.3 * len(rows), sharey=True
    )
    for axes, (alias, layer) in zip(panels, layers.items(), strict=True):
        classes = {entry["label"]: entry for entry in layer["image"]["classes"]}
        found = [classes.get(label) for label in shown]
        series = [
            Series(
                "class",
                [each and {"value": each["dimension"]} for each in found],
                MEASURED,
                filled=[each is not None and not each["saturated"] for each in found],
            ),
            Series("matched Gaussian", [each and _null(each["null"]) for each in found], NULL, "D"),
        ]
        plots.forest(axes, rows, series)
        any_class = layer["image"]["any_class"]
        axes.axvspan(*any_class["interval"], color=INK, alpha=0.12, linewidth=0)
        axes.axvline(any_class["mean"], color=INK, linewidth=1, linestyle=":", label="any class")
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_title(short(alias))
    figure.supxlabel("dimension", size=9)
    plots.legend_above(figure, [panels[0]])
    return figure


def _extreme_classes(layers: dict[str, Any]) -> list[int]:
    """All labels, or those of lowest and highest dimension in the last layer."""
    classes = list(layers.values())[-1]["image"]["classes"]
    labels = np.array([entry["label"] for entry in classes])
    if len(labels) <= MOST_CLASSES:
        return labels.tolist()
    order = np.argsort([entry["dimension"] for entry in classes], kind="stable")
    half = MOST_CLASSES // 2
    return labels[np.concatenate([order[:half], order[-half:]])].tolist()


def _measured(found: dict[str, Any]) -> dict[str, Any]:
    return {"value": found["dimension"], "interval": found["interval"]}


def _null(draws: dict[str, Any]) -> dict[str, Any]:
    return {"value": draws["mean"], "interval": draws["interval"]}
