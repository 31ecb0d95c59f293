"""Figures of ablation, in the section on circuits."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tickle_core.reporting.circuits.ablation_tables import ABLATIONS, CHIEF, FAMILIES, judged
from tickle_core.reporting.kit import maps, plots
from tickle_core.reporting.kit.plots import Series
from tickle_core.reporting.kit.style import CONTROL, MEASURED, NULL, WIDTH, short

MOST_LAYERS = 6  # in the figure of curves, a row each
MOST_CLASSES = 30
MOST_LATENTS = 20
MOST_WRITTEN = 12  # cells along a side of a map; more numbers are too small to read
MARKERS = {"zero": "v", "mean": "o", "resample": "s"}
ORDERS = {
    "screen": ("in the screen's order", MEASURED, "o"),
    "active": ("in order of activity", CONTROL, "s"),
    "random": ("random, as much removed", NULL, "D"),
}
SIGNIFICANT = 0.05


def ablation_figure(layers: dict[str, Any]) -> Figure:
    """Effect of single units beside that of their controls, per layer."""
    figure, panels = plots.forest_figure(len(layers), len(FAMILIES), row_inches=0.8)
    for axes, family in zip(panels, FAMILIES, strict=True):
        series = []
        for kind in ABLATIONS:
            found = [judged(layer, family, kind)["single"] for layer in layers.values()]
            nulls = [each and each["null"] for each in found]
            series.append(Series(f"top, {kind}", found, MEASURED, MARKERS[kind]))
            series.append(Series(f"controls, {kind}", nulls, NULL, MARKERS[kind]))
        plots.forest(axes, list(layers), series)
        axes.axvline(0, color=NULL, linewidth=0.6)
        axes.set_title(family)
    figure.supxlabel("effect size of single units (standard deviations of the logit)", size=9)
    plots.legend_above(figure, panels)
    return figure


def curves_figure(curves: dict[str, pd.DataFrame], kind: str) -> Figure:
    """What the predicted class's logit loses against the share of the layer that is removed."""
    shown = [list(curves)[place] for place in plots.evenly(len(curves), MOST_LAYERS)]
    columns = len(FAMILIES)
    figure, panels = plots.panels(len(shown) * columns, columns, 1.8, sharey="row")
    cells = [(alias, family) for alias in shown for family in FAMILIES]
    for axes, (alias, family) in zip(panels, cells, strict=True):
        table = curves[alias]
        _curves(axes, table[(table["family"] == family) & (table["kind"] == kind)])
        axes.set_title(f"{short(alias)}: {family}")
    figure.supxlabel("share of the layer's energy that is removed (%)", size=9)
    figure.supylabel("effect size", size=9)
    plots.legend_above(figure, panels)
    return figure


def effect_curves(curves: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Those of the chief kind of ablation, as rows of layer, line, share and effect_size."""
    found = pd.concat([table.assign(layer=alias) for alias, table in curves.items()])
    found = found[found["kind"] == CHIEF]
    orders = {order: label for order, (label, *_) in ORDERS.items()}
    lines = found["family"] + ", " + found["order"].map(orders)
    by_size = found.assign(line=lines).groupby(["layer", "line", "size"], sort=False)
    # Random groups come in several draws of each size.
    return by_size[["share", "effect_size"]].mean().reset_index().drop(columns="size")


def _curves(axes: Axes, table: pd.DataFrame) -> None:
    axes.axhline(0, color=NULL, linewidth=0.6)
    for order, (label, color, marker) in ORDERS.items():
        found = table[table["order"] == order]
        if found.empty:
            continue
        if order == "random":  # the band is the range of the groups
            found = found.assign(low=found["effect_size"], high=found["effect_size"])
        by_size = found.groupby("size")
        x = 100 * by_size["share"].mean()
        ends = by_size["low"].min(), by_size["high"].max()
        axes.fill_between(x, *ends, color=color, alpha=0.2, linewidth=0)
        y = by_size["effect_size"].mean()
        axes.plot(x, y, color=color, marker=marker, markersize=3.5, label=label)


def classes_figure(effects: pd.DataFrame) -> Figure | None:
    """What ablating single latents to zero does to each class's logit, of one layer.

    Not to the mean: over all images, what a mean ablation takes from those on which the latent is
    active it gives to the others, and behind a linear tail the two cancel. A ring marks the cells
    that differ from the control's at a p of 0.05, adjusted for all of them. None where no latent
    was ablated.
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
    p_values = found.set_index(["unit", "class"])["p_value"]
    marked = [
        (j, i)
        for i, latent in enumerate(latents)
        for j, name in enumerate(classes)
        if p_values[latent, name] <= SIGNIFICANT
    ]
    if marked:
        x, y = np.array(marked, float).T
        axes.scatter(x - 0.4, y, s=8, facecolors="none", edgecolors="black", linewidths=0.7)
    maps.name_columns(axes, classes)
    axes.set_yticks(range(len(latents)), [str(latent) for latent in latents])
    axes.set_ylabel("latent")
    figure.colorbar(image, ax=axes, label="logit drop", shrink=0.9)
    return figure
