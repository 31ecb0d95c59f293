"""Figures of the section on circuits."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tickle_core.reporting import maps, plots
from tickle_core.reporting.plots import Series
from tickle_core.reporting.sections.circuit_tables import PATCHED
from tickle_core.reporting.style import MEASURED, NULL, SEQUENTIAL, short
from tickle_core.reporting.tables import number

MAPS_PER_ROW = 3
MOST_WRITTEN_SITES = 8


def patching_figure(layers: dict[str, Any]) -> Figure:
    """Mean influence of each kind of patching beside its null, per layer."""
    kinds = {kind: title for kind, title in PATCHED.items() if kind != "layer"}
    figure, panels = plots.forest_figure(len(layers), len(kinds))
    for axes, (kind, title) in zip(panels, kinds.items(), strict=True):
        found = [layer["kinds"][kind] for layer in layers.values()]
        nulls = [each["null"] and each["null"]["influence"] for each in found]
        series = [
            Series("screened parts", [each["influence"] for each in found], MEASURED),
            Series("random parts", nulls, NULL, "D"),
        ]
        plots.forest(axes, list(layers), series)
        axes.set_title(title)
        axes.axvline(0, color=NULL, linewidth=0.6)
        axes.axvline(1, color=NULL, linewidth=0.6)
        axes.xaxis.set_major_formatter(plots.plain_number)
    figure.supxlabel("influence: share of the way to the donor's class", size=9)
    plots.legend_above(figure, panels)
    return figure


def influence_figure(patching: dict[str, Any]) -> Figure:
    """Influence of each donor class on each target class, a map per kind of patching."""
    names = patching["classes"]
    # Long names below every map would leave no room for the maps: columns have numbers.
    numbered = [f"{short(name)}  {place}" for place, name in enumerate(names, start=1)]
    places = maps.ticks(len(names))
    figure, panels = plots.panels(len(PATCHED), MAPS_PER_ROW, 2.3)
    for place, (axes, (kind, title)) in enumerate(zip(panels, PATCHED.items(), strict=True)):
        found = patching["kinds"][kind]
        # What is None becomes NaN, and stays empty.
        values = np.array(found["matrix"], dtype=float)
        image = maps.draw(axes, values, maps.DIVERGING, (-1, 1))
        axes.set_title(f"{title}: {number(found['influence']['value'], 2)}")
        axes.set_xticks(places, [str(each + 1) for each in places])
        axes.set_yticks([])
        if place % MAPS_PER_ROW == 0:
            axes.set_yticks(places, [numbered[each] for each in places])
    figure.supxlabel("target class", size=9)
    figure.supylabel("donor class", size=9)
    figure.colorbar(image, ax=panels[:MAPS_PER_ROW], label="influence", extend="both", shrink=0.9)
    return figure


def tracing_figure(layers: dict[str, Any]) -> Figure:
    """Share of the logit difference that each site brings back, a map per layer."""
    lowest = min(0.0, *(min(layer["recovered"]) for layer in layers.values()))
    highest = max(1e-3, *(max(layer["recovered"]) for layer in layers.values()))
    figure, panels = plots.panels(len(layers), MAPS_PER_ROW, 2.4)
    for axes, (alias, layer) in zip(panels, layers.items(), strict=True):
        canvas = _canvas(layer)
        square = layer["grid"] is not None
        image = maps.draw(axes, canvas, SEQUENTIAL, (lowest, highest), square)
        if max(canvas.shape) <= MOST_WRITTEN_SITES + 2:
            maps.write_cells(axes, image, 100, 0)
        values = layer["recovered"]
        axes.set_title(
            f"{short(alias)}: {number(min(values), 2)} to {number(max(values), 2)}\n"
            f"null: at most {number(max(layer['null']), 2)}"
        )
        first = canvas.shape[1] - (layer["grid"] or [1, canvas.shape[1]])[1]
        across = [first + place for place in maps.ticks(canvas.shape[1] - first, 8)]
        names = [str(place - first) for place in across]
        prefix = layer["prefix"]
        if prefix and first:
            across, names = [0, *across], [prefix[0] if len(prefix) == 1 else "prefix", *names]
        axes.set_xticks(across, names)
        axes.set_yticks(maps.ticks(canvas.shape[0], 8))
    figure.colorbar(image, ax=panels[:MAPS_PER_ROW], label="recovered share", shrink=0.9)
    return figure


def _canvas(layer: dict[str, Any]) -> np.ndarray:
    """Sites as an image: the grid, and left of a gap the prefix tokens from top to bottom.

    Sites that form no grid are one row.
    """
    values, count = np.array(layer["recovered"]), len(layer["prefix"])
    if layer["grid"] is None:
        return values[None]
    height, width = layer["grid"]
    patches = values[count:].reshape(height, width)
    if count == 0:
        return patches
    canvas = np.full((max(height, count), width + 2), np.nan)
    canvas[:count, 0] = values[:count]
    canvas[:height, 2:] = patches
    return canvas
