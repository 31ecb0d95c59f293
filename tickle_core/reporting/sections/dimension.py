"""The section on PCA dimension."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tickle_core.reporting import plots
from tickle_core.reporting.findings import Findings
from tickle_core.reporting.plots import Series
from tickle_core.reporting.sections.section import Headline, Section
from tickle_core.reporting.style import INK, MEASURED, NULL, layer_colors, short
from tickle_core.reporting.tables import Column, Table, estimate, number, percent

UNITS = {"image": "pooled images", "token": "tokens"}
MOST_CLASSES = 30
CLASS_PANELS_PER_ROW = 3
MOST_CLASS_PANELS = 6
MOST_LEGEND_LAYERS = 8

HEADLINES = {
    "dimension_pca95": Headline(
        "PCA dimension",
        "principal components that hold the set share of the variance of pooled activations, "
        "corrected with held-out images",
        "",
        1,
    ),
}


def section(findings: Findings) -> Section:
    """How many directions each layer uses, for images, tokens and single classes."""
    layers = findings.metrics["dimension"]
    headline = layers[findings.headline_layer]
    variance = findings.settings.dimension.variance
    classes = findings.dimension_classes
    of_headline = classes[findings.headline_layer]
    figures = {
        "dimension_spectrum": spectrum_figure(layers, findings.spectra, variance),
        "dimension_layers": layer_figure(layers),
    }
    if len(of_headline):
        figures["dimension_classes"] = class_figure(
            classes, findings.any_class, findings.class_names
        )
    return Section(
        name="dimension",
        title="Dimension",
        summary=_summary(headline, variance),
        headlines=HEADLINES,
        settings=findings.settings.dimension.model_dump(),
        figures=figures,
        tables={
            "dimension": layer_table(layers),
            "dimension_classes": class_table(classes, findings.any_class, findings.class_names),
        },
        curves={"dimension_spectrum": spectrum_curves(findings.spectra)},
        facts={
            "headline": headline,
            "variance": variance,
            "classes": len(of_headline),
            "class_images": int(of_headline["n"].max()) if len(of_headline) else 0,
            "classes_shown": min(MOST_CLASSES, len(of_headline)),
            "least_class_images": headline["image"]["least_class_images"],
            "class_layers_shown": min(MOST_CLASS_PANELS, len(layers)),
            "any_open": any(
                layer[unit]["global"]["value"] is None
                for layer in layers.values()
                for unit in UNITS
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


def layer_table(layers: dict[str, Any]) -> Table:
    """Two rows per layer: pooled images and tokens."""
    columns = (
        Column("layer", "Layer"),
        Column("unit", "Unit"),
        Column("dimension", "Dimension", 1, interval=True),
        Column("raw", "As counted", 1),
        Column("bias", "Bias of sampling", 1, interval=True),
        Column("quarter", "Dimension at n/4", 1, interval=True),
        Column("half", "at n/2", 1, interval=True),
        Column("width", "Width", 0),
        Column("n", "n", 0),
    )
    rows = []
    for alias, layer in layers.items():
        for unit, words in UNITS.items():
            found = layer[unit]["global"]
            half, quarter = [*reversed(layer[unit].get("by_n", [])), None, None][:2]
            rows.append(
                {
                    "layer": alias,
                    "unit": words,
                    "dimension": found,
                    "raw": found["raw"],
                    "bias": found["bias"],
                    "quarter": quarter,
                    "half": half,
                    "width": layer["width"],
                    "n": found["n"],
                }
            )
    return Table(columns, rows)


def class_table(
    classes: dict[str, pd.DataFrame], any_class: dict[str, pd.DataFrame], names: tuple[str, ...]
) -> Table:
    """One row per layer and class."""
    columns = (
        Column("layer", "Layer"),
        Column("class", "Class"),
        Column("dimension", "Dimension", 1, interval=True),
        Column("raw", "As counted", 1),
        Column("any_class", "Any class", 1, interval=True),
        Column("n", "n", 0),
    )
    rows = [
        {
            "layer": alias,
            "class": names[each.label],
            "dimension": _estimate(each),
            "raw": each.raw,
            "any_class": _any(any_class[alias]),
            "n": int(each.n),
        }
        for alias, table in classes.items()
        for each in table.itertuples()
    ]
    return Table(columns, rows)


def spectrum_figure(
    layers: dict[str, Any], spectra: dict[str, pd.DataFrame], variance: float
) -> Figure:
    """Share of the variance in the first components, shown and held out, per layer."""
    figure, panels = plots.panels(2, 2, 2.7, sharey=True)
    colors = layer_colors(len(layers))
    for axes, (unit, words) in zip(panels, UNITS.items(), strict=True):
        for color, (alias, layer) in zip(colors, layers.items(), strict=True):
            spectrum = spectra[alias][spectra[alias]["unit"] == unit]
            components = np.append(0, spectrum["components"])
            shown, held_out = (np.append(0, spectrum[name]) for name in ("shown", "held_out"))
            axes.plot(components, shown, color=color, label=short(alias))
            axes.fill_between(components, held_out, shown, color=color, alpha=0.25, linewidth=0)
            at = layer[unit]["global"]["value"]
            if at is not None:
                axes.plot(at, variance, "o", color=color, markersize=5)
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
    """Dimension beside what is counted and the layer's width, for images and tokens."""
    figure, panels = plots.forest_figure(len(layers), 2)
    for axes, (unit, words) in zip(panels, UNITS.items(), strict=True):
        found = [layer[unit]["global"] for layer in layers.values()]
        plots.forest(axes, list(layers), _series(found, [each["raw"] for each in found]))
        widths = [{"value": layer["width"]} for layer in layers.values()]
        plots.forest(axes, list(layers), [Series("width", widths, INK, "|")])
        axes.set_xlim(left=0)
        axes.set_title(words)
        axes.set_xlabel("dimension")
    plots.legend_above(figure, [panels[0]])
    return figure


def class_figure(
    classes: dict[str, pd.DataFrame], any_class: dict[str, pd.DataFrame], names: tuple[str, ...]
) -> Figure:
    """Dimension of each class beside what is counted and equally many images of any class."""
    shown = _extreme_classes(list(classes.values())[-1])
    rows = [names[label] for label in shown]
    aliases = list(classes)
    aliases = [aliases[i] for i in plots.evenly(len(aliases), MOST_CLASS_PANELS)]
    figure, panels = plots.panels(
        len(aliases), CLASS_PANELS_PER_ROW, 1.1 + 0.3 * len(rows), sharey=True
    )
    for axes, alias in zip(panels, aliases, strict=True):
        of_class = {each.label: each for each in classes[alias].itertuples()}
        found = [of_class[label] for label in shown]
        series = _series([_estimate(each) for each in found], [each.raw for each in found])
        plots.forest(axes, rows, series)
        if any_draws := _any(any_class[alias]):
            axes.axvspan(*any_draws["range"], color=INK, alpha=0.12, linewidth=0)
            axes.axvline(
                any_draws["value"], color=INK, linewidth=1, linestyle=":", label="any class"
            )
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_title(short(alias))
    figure.supxlabel("dimension", size=9)
    plots.legend_above(figure, [panels[0]])
    return figure


def _series(found: list[dict[str, Any]], raw: list[float]) -> list[Series]:
    """Estimates beside what was counted; without a value, the interval has a hollow middle."""
    placed = [
        each if each["value"] is not None else each | {"value": float(np.mean(each["interval"]))}
        for each in found
    ]
    told = [each["value"] is not None for each in found]
    return [
        Series("dimension", placed, MEASURED, filled=told),
        Series("as counted", [{"value": each} for each in raw], NULL, "D"),
    ]


def _extreme_classes(classes: pd.DataFrame) -> list[int]:
    """All labels, or those of lowest and highest dimension as counted."""
    if len(classes) <= MOST_CLASSES:
        return classes["label"].tolist()
    order = classes.sort_values("raw", kind="stable")["label"].tolist()
    half = MOST_CLASSES // 2
    return [*order[:half], *order[-half:]]


def _estimate(row: Any) -> dict[str, Any]:
    """A row of the tables by class as an estimate."""
    interval = [float(row.low), float(row.high)]
    if np.isnan(row.value):
        why = f"{row.n} images tell only {number(row.low)} to {number(row.high)}"
        return {"value": None, "interval": interval, "why": why}
    return {"value": float(row.value), "interval": interval}


def _any(draws: pd.DataFrame) -> dict[str, Any] | None:
    """Mean and range of draws regardless of class; None where one of them has no value."""
    if not len(draws) or draws["value"].isna().any():
        return None
    values = draws["value"]
    return {"value": float(values.mean()), "range": [float(values.min()), float(values.max())]}
