"""Figures of the section on concepts."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tickle_core.reporting.kit import maps, plots
from tickle_core.reporting.kit.plots import Series
from tickle_core.reporting.kit.style import CONTROL, INK, MEASURED, NULL, WIDTH, short

MOST_LAYERS = 4
MOST_CONCEPTS = 24
MOST_TARGETS = 20
ROW_INCHES = 0.3
FRAME = "#F0E442"


def readable_figure(layers: dict[str, Any]) -> Figure:
    """Held-out accuracy of each concept beside an untrained network and random sets, per layer."""
    aliases = [list(layers)[place] for place in plots.evenly(len(layers), MOST_LAYERS)]
    concepts = list(layers[aliases[0]]["sets"])[:MOST_CONCEPTS]
    figure, panels = plots.forest_figure(len(concepts), len(aliases), ROW_INCHES)
    for axes, alias in zip(panels, aliases, strict=True):
        found = [layers[alias]["sets"][concept]["readable"] for concept in concepts]
        series = [
            Series("concept", found, MEASURED),
            Series("untrained network", [each["untrained"] for each in found], CONTROL, "^"),
            Series("random sets (mean, range)", [each["null"] for each in found], NULL, "D"),
        ]
        plots.forest(axes, concepts, series)
        axes.set_xlim(0.3, 1.02)
        axes.set_title(short(alias))
    figure.supxlabel("held-out accuracy", size=9)
    plots.legend_above(figure, panels)
    return figure


def tcav_figure(scores: pd.DataFrame) -> Figure:
    """TCAV scores of one layer: concepts by classes, what is significant framed."""
    concepts = scores["concept"].unique()[:MOST_CONCEPTS].tolist()
    targets = scores["target"].unique()[:MOST_TARGETS].tolist()
    values, member, significant = (
        scores.pivot(index="concept", columns="target", values=name).loc[concepts, targets]
        for name in ("score", "member", "significant")
    )
    figure = Figure(figsize=(WIDTH, 1.4 + 0.28 * len(concepts)))
    axes = figure.subplots()
    image = maps.draw(axes, values.to_numpy(float), maps.DIVERGING, (0, 1), square=False)
    maps.write_cells(axes, image, 100, 0)
    for row, column in np.argwhere(significant.to_numpy(bool)):
        _frame(axes, row, column)
    for row, column in np.argwhere(member.to_numpy(bool)):
        axes.add_patch(
            Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, hatch="//", ec=NULL, lw=0)
        )
    axes.set_yticks(range(len(concepts)), [short(name) for name in concepts])
    maps.name_columns(axes, targets)
    figure.colorbar(image, ax=axes, label="TCAV score", shrink=0.8)
    return figure


def _frame(axes: Axes, row: int, column: int) -> None:
    """In yellow, with a dark rim: seen on either end of the scale."""
    for color, width in ((INK, 2.6), (FRAME, 1.3)):
        axes.add_patch(
            Rectangle((column - 0.43, row - 0.43), 0.86, 0.86, fill=False, ec=color, lw=width)
        )


def relations_figure(pairs: pd.DataFrame) -> Figure:
    """Cosines of concepts in one layer (below the diagonal), and what sharing images gives."""
    names = sorted({*pairs["one"], *pairs["other"]})[:MOST_CONCEPTS]
    place = {name: number for number, name in enumerate(names)}
    values = np.full((len(names), len(names)), np.nan)
    beyond = []
    for pair in pairs.itertuples():
        if pair.one in place and pair.other in place:
            low, high = sorted((place[pair.one], place[pair.other]))
            values[high, low], values[low, high] = pair.cosine, pair.null
            if not pair.null_low <= pair.cosine <= pair.null_high:
                beyond.append((high, low))
    figure = Figure(figsize=(WIDTH, 1.2 + 0.3 * len(names)))
    axes = figure.subplots()
    image = maps.draw(axes, values, maps.DIVERGING, (-1, 1), square=False)
    maps.write_cells(axes, image, 100, 0)
    for row, column in beyond:
        _frame(axes, row, column)
    axes.set_yticks(range(len(names)), [short(name) for name in names])
    axes.set_xticks(
        range(len(names)),
        [short(name) for name in names],
        rotation=45,
        ha="right",
        rotation_mode="anchor",
    )
    figure.colorbar(image, ax=axes, label="cosine, in hundredths", shrink=0.8)
    return figure


def pointing_figure(layers: dict[str, Any]) -> Figure | None:
    """Hits of the pointing game per layer: pointwise, pooled, and without the texture.

    None where no layer has played it.
    """
    played = {
        alias: {
            name: each["pointing"] for name, each in layer["sets"].items() if "pointing" in each
        }
        for alias, layer in layers.items()
    }
    played = {alias: games for alias, games in played.items() if games}
    aliases = [list(played)[place] for place in plots.evenly(len(played), MOST_LAYERS)]
    if not aliases:
        return None
    textures = list(played[aliases[0]])
    figure, panels = plots.forest_figure(len(textures), len(aliases))
    for axes, alias in zip(panels, aliases, strict=True):
        games = [played[alias][texture] for texture in textures]
        series = [
            Series("pointwise vector", [game["hits"] for game in games], MEASURED),
            Series("pooled vector", [game["pooled"] for game in games], CONTROL, "s"),
            Series(
                "image without the texture", [game["hits"]["null"] for game in games], NULL, "D"
            ),
        ]
        plots.forest(axes, textures, series)
        axes.set_xlim(0, 1)
        axes.set_title(short(alias))
    figure.supxlabel("share of images whose strongest patch lies in the texture's corner", size=9)
    plots.legend_above(figure, panels)
    return figure
