"""Figures of the section on PCA dimension."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tickle_core.reporting.dimension.tables import UNITS, estimate_of, estimate_of_any
from tickle_core.reporting.kit import plots
from tickle_core.reporting.kit.plots import Series
from tickle_core.reporting.kit.style import CONTROL, INK, MEASURED, NULL, layer_colors, short

MOST_CLASSES = 30
CLASS_PANELS_PER_ROW = 3
MOST_CLASS_PANELS = 6
MOST_LEGEND_LAYERS = 8


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
    """Dimension beside what is counted, that of an untrained network and the width."""
    figure, panels = plots.forest_figure(len(layers), 2)
    for axes, (unit, words) in zip(panels, UNITS.items(), strict=True):
        found = [layer[unit]["global"] for layer in layers.values()]
        plots.forest(axes, list(layers), _series(found, [each["raw"] for each in found]))
        nulls = [each["null"] for each in found if each["null"]["value"] is not None]
        if len(nulls) == len(found):
            plots.forest(axes, list(layers), [Series("untrained network", nulls, CONTROL, "^")])
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
        of_label = {each.label: each for each in classes[alias].itertuples()}
        found = [of_label[label] for label in shown]
        series = _series([estimate_of(each) for each in found], [each.raw for each in found])
        plots.forest(axes, rows, series)
        if any_draws := estimate_of_any(any_class[alias]):
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
