"""Figures of the section on circuits."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from tickle_core.reporting import maps, plots
from tickle_core.reporting.plots import Series
from tickle_core.reporting.sections.circuit_tables import (
    ABLATIONS,
    FAMILIES,
    PATCHED,
    judged,
    spread,
)
from tickle_core.reporting.style import MEASURED, NULL, SEQUENTIAL, WIDTH, short
from tickle_core.reporting.tables import number

MOST_LAYERS = 6  # in the figure of groups, a row each
MOST_CLASSES = 30
MOST_LATENTS = 20
MAPS_PER_ROW = 3
MOST_WRITTEN = 12  # cells along a side of a map; more numbers are too small to read
MOST_WRITTEN_SITES = 8
MARKERS = {"zero": "v", "mean": "o", "resample": "s"}


def ablation_figure(layers: dict[str, Any]) -> Figure:
    """Effect of single units beside that of their controls, per layer."""
    figure, panels = plots.forest_figure(len(layers), len(FAMILIES), row_inches=0.8)
    for axes, family in zip(panels, FAMILIES, strict=True):
        series = []
        for kind in ABLATIONS:
            found = [judged(layer, family, kind) for layer in layers.values()]
            for role, title, color in (("top", "top", MEASURED), ("controls", "controls", NULL)):
                numbers = [each[role] and each[role]["effect"] for each in found]
                series.append(Series(f"{title}, {kind}", numbers, color, MARKERS[kind]))
        plots.forest(axes, list(layers), series)
        axes.set_xlim(left=0)
        axes.set_title(family)
    figure.supxlabel("mean absolute effect of single units (logits)", size=9)
    plots.legend_above(figure, panels)
    return figure


def groups_figure(layers: dict[str, Any]) -> Figure:
    """What the predicted class's logit loses when the top units are ablated together."""
    shown = [list(layers)[place] for place in plots.evenly(len(layers), MOST_LAYERS)]
    columns = len(FAMILIES)
    figure, panels = plots.panels(len(shown) * columns, columns, 1.7, sharex=True, sharey="row")
    cells = [(alias, family) for alias in shown for family in FAMILIES]
    groups = [judged(layers[alias], family, "mean")["groups"] for alias, family in cells]
    for axes, (alias, family), found in zip(panels, cells, groups, strict=True):
        _groups(axes, found)
        axes.set_title(f"{short(alias)}: {family}")
    panels[0].set_xscale("log", base=2)
    panels[0].set_xticks(sorted({group["size"] for found in groups for group in found}))
    panels[0].xaxis.set_major_formatter(plots.plain_number)
    panels[0].xaxis.set_minor_locator(NullLocator())
    figure.supxlabel("units ablated together", size=9)
    figure.supylabel("logit drop", size=9)
    plots.legend_above(figure, panels)
    return figure


def _groups(axes: Axes, groups: list[dict[str, Any]]) -> None:
    axes.axhline(0, color=NULL, linewidth=0.6)
    sizes = [group["size"] for group in groups]
    nulls = [(group["size"], spread(group["null"]["effect"])) for group in groups if group["null"]]
    measured = list(zip(sizes, [group["effect"] for group in groups], strict=True))
    for label, points, color, marker in (
        ("top units", measured, MEASURED, "o"),
        ("equally active random units", nulls, NULL, "D"),
    ):
        if points:
            x = [size for size, _ in points]
            low, high = zip(*(found["interval"] for _, found in points), strict=True)
            axes.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
            y = [found["value"] for _, found in points]
            axes.plot(x, y, color=color, marker=marker, markersize=3.5, label=label)


def classes_figure(effects: pd.DataFrame) -> Figure | None:
    """What ablating single latents to zero does to each class's logit, of one layer.

    Not to the mean: over all images, what a mean ablation takes from those on which the latent is
    active it gives to the others, and behind a linear tail the two cancel. None where no latent was
    ablated.
    """
    found = effects[
        (effects["family"] == "latents") & (effects["kind"] == "zero") & (effects["role"] == "top")
    ]
    if found.empty:
        return None
    classes = found["class"].unique()[:MOST_CLASSES].tolist()
    table = found.pivot_table("effect", "unit", "class", sort=False)[classes]
    strongest = table.abs().max(axis=1).sort_values(ascending=False, kind="stable").index
    table = table.loc[strongest[:MOST_LATENTS]]
    # Latents of one class beside each other, so that what speaks for a class forms a block.
    values = table.to_numpy()
    order = np.lexsort((-values.max(axis=1), values.argmax(axis=1)))
    values, latents = values[order], table.index[order]
    limit = float(np.abs(values).max()) or 1.0
    figure = Figure(figsize=(WIDTH, 1.5 + 0.22 * len(values)))
    axes = figure.subplots()
    image = maps.draw(axes, values, maps.DIVERGING, (-limit, limit), square=False)
    if len(classes) <= MOST_WRITTEN:
        maps.write_cells(axes, image, 1, 2)
    maps.name_columns(axes, classes)
    axes.set_yticks(range(len(latents)), [str(latent) for latent in latents])
    axes.set_ylabel("latent")
    figure.colorbar(image, ax=axes, label="logit drop", shrink=0.9)
    return figure


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
