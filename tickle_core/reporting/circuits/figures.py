"""Figures of the section on circuits."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tickle_core.reporting.circuits.tables import PATCHED
from tickle_core.reporting.kit import maps, plots
from tickle_core.reporting.kit.plots import Series
from tickle_core.reporting.kit.style import CONTROL, MEASURED, NULL, SEQUENTIAL, short
from tickle_core.reporting.kit.tables import number

MAPS_PER_ROW = 3
RIVALS = {
    "random": ("random units, chosen likewise", CONTROL, "s"),
    "stranger": ("chosen for other classes", NULL, "D"),
    "matched": ("random parts, as much replaced", NULL, "v"),
}
MOST_WRITTEN_SITES = 8


def patching_figure(layers: dict[str, Any]) -> Figure:
    """Influence of each kind of patching beside those of its rivals, per layer."""
    kinds = {kind: title for kind, title in PATCHED.items() if kind != "layer"}
    figure, panels = plots.forest_figure(len(layers), len(kinds), row_inches=0.6)
    for axes, (kind, title) in zip(panels, kinds.items(), strict=True):
        found = [layer["kinds"][kind] for layer in layers.values()]
        series = [Series("chosen on other images", [each["influence"] for each in found], MEASURED)]
        for rule, (label, color, marker) in RIVALS.items():
            rivals = [each["rivals"].get(rule) for each in found]
            if any(rivals):
                influence = [each and each["influence"] for each in rivals]
                series.append(Series(label, influence, color, marker))
        plots.forest(axes, list(layers), series)
        axes.set_title(title)
        axes.axvline(0, color=NULL, linewidth=0.6)
        axes.axvline(1, color=NULL, linewidth=0.6)
        axes.xaxis.set_major_formatter(plots.plain_number)
    figure.supxlabel("influence: share of the way to the donor's class", size=9)
    plots.legend_above(figure, panels)
    return figure


def influence_figure(cells: pd.DataFrame) -> Figure:
    """Influence of each donor class on each target class, a map per kind of patching."""
    names = cells["donor"].unique().tolist()
    # Long names below every map would leave no room for the maps: columns have numbers.
    numbered = [f"{short(name)}  {place}" for place, name in enumerate(names, start=1)]
    places = maps.ticks(len(names))
    figure, panels = plots.panels(len(PATCHED), MAPS_PER_ROW, 2.3)
    for place, (axes, (kind, title)) in enumerate(zip(panels, PATCHED.items(), strict=True)):
        found = cells[cells["kind"] == kind].pivot(
            index="donor", columns="target", values="influence"
        )
        # What is not there stays empty: the diagonal, and classes without a pair.
        values = found.reindex(index=names, columns=names).to_numpy(float)
        image = maps.draw(axes, values, maps.DIVERGING, (-1, 1))
        axes.set_title(title)
        axes.set_xticks(places, [str(each + 1) for each in places])
        axes.set_yticks([])
        if place % MAPS_PER_ROW == 0:
            axes.set_yticks(places, [numbered[each] for each in places])
    figure.supxlabel("target class", size=9)
    figure.supylabel("donor class", size=9)
    figure.colorbar(image, ax=panels[:MAPS_PER_ROW], label="influence", extend="both", shrink=0.9)
    return figure


def tracing_figure(layers: dict[str, Any], sites: dict[str, pd.DataFrame]) -> Figure:
    """Share of the logit difference that each site brings back, a map per layer."""
    lowest = min(0.0, *(sites[alias]["recovered"].min() for alias in layers))
    highest = max(1e-3, *(sites[alias]["recovered"].max() for alias in layers))
    figure, panels = plots.panels(len(layers), MAPS_PER_ROW, 2.4)
    for axes, (alias, layer) in zip(panels, layers.items(), strict=True):
        values, null = (sites[alias][key].to_numpy() for key in ("recovered", "null"))
        canvas = _canvas(values, len(layer["prefix"]), layer["grid"])
        square = layer["grid"] is not None
        image = maps.draw(axes, canvas, SEQUENTIAL, (lowest, highest), square)
        if max(canvas.shape) <= MOST_WRITTEN_SITES + 2:
            maps.write_cells(axes, image, 100, 0)
        axes.set_title(
            f"{short(alias)}: {number(values.min(), 2)} to {number(values.max(), 2)}\n"
            f"null: at most {number(null.max(), 2)}"
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


def _canvas(values: np.ndarray, prefix: int, grid: list[int] | None) -> np.ndarray:
    """Sites as an image: the grid, and left of a gap the prefix tokens from top to bottom.

    Sites that form no grid are one row.
    """
    if grid is None:
        return values[None]
    height, width = grid
    patches = values[prefix:].reshape(height, width)
    if prefix == 0:
        return patches
    canvas = np.full((max(height, prefix), width + 2), np.nan)
    canvas[:prefix, 0] = values[:prefix]
    canvas[:height, 2:] = patches
    return canvas
