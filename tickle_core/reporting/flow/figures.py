"""Figures of the section on concept flow."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tickle_core.reporting.kit import maps, plots
from tickle_core.reporting.kit.style import INK, NULL, WIDTH, layer_colors, short

MOST_CONCEPTS = 24
MOST_PANELS = 12
PANELS_PER_ROW = 3
NAMES_SHARE = 0.3  # of the height
NAMED = 3  # groups per panel that are coloured and named
# What a map shows: column, title, limits, factor and digits of the written numbers, what frames it.
MAPS = (
    ("accuracy", "read: accuracy, %", "viridis", (0.5, 1.0), 100, 0, "readable"),
    ("tcav_share", "TCAV: classes, %", "viridis", (0.0, 1.0), 100, 0, "tcav"),
    ("localised_share", "logit along it: classes, %", "viridis", (0.0, 1.0), 100, 0, None),
    ("effect", "projected out: effect", maps.DIVERGING, (-3.0, 3.0), 1, 1, "causal"),
)


def map_figure(layers: pd.DataFrame) -> Figure:
    """Concepts by layers: read, tested, localised, projected out; what is significant framed."""
    concepts = layers["concept"].unique()[:MOST_CONCEPTS].tolist()
    aliases = layers["layer"].unique().tolist()
    figure = Figure(figsize=(WIDTH, 1.6 + 0.26 * len(concepts)))
    for axes, (name, title, cmap, limits, factor, digits, framed) in zip(
        figure.subplots(1, len(MAPS)), MAPS, strict=True
    ):
        values = _table(layers, name, concepts, aliases)
        image = maps.draw(axes, values.to_numpy(float), cmap, limits, square=False)
        maps.write_cells(axes, image, factor, digits)
        if framed:
            for row, column in np.argwhere(
                _table(layers, framed, concepts, aliases).to_numpy(bool)
            ):
                corner = (column - 0.45, row - 0.45)
                axes.add_patch(Rectangle(corner, 0.9, 0.9, fill=False, ec=INK, lw=1.4))
        axes.set_title(title, fontsize=8)
        maps.name_columns(axes, aliases)
        axes.set_yticks([])
        if name == MAPS[0][0]:
            axes.set_yticks(range(len(concepts)), [short(each) for each in concepts])
    return figure


def _table(
    layers: pd.DataFrame, name: str, concepts: list[str], aliases: list[str]
) -> pd.DataFrame:
    table = layers.pivot(index="concept", columns="layer", values=name)
    return table.loc[concepts, aliases]


def group_figure(groups: pd.DataFrame, aliases: list[str]) -> Figure | None:
    """How much each group of images has of each concept, layer by layer.

    None where no group has images enough, or there is a single layer.
    """
    concepts = groups["concept"].unique()[:MOST_PANELS].tolist()
    if not concepts or len(aliases) < 2:
        return None
    figure, panels = plots.panels(len(concepts), PANELS_PER_ROW, 2.0, sharex=True)
    for axes, concept in zip(panels, concepts, strict=True):
        own = groups[groups["concept"] == concept]
        last = own[own["layer"] == aliases[-1]].sort_values("value", ascending=False)
        leading = last["group"].tolist()[:NAMED]
        colors = dict(zip(leading, layer_colors(NAMED), strict=False))
        for group, rows in own.groupby("group", sort=True):
            rows = rows.set_index("layer").reindex(aliases)
            color = colors.get(group)
            axes.plot(
                range(len(aliases)),
                rows["value"],
                color=color or NULL,
                linewidth=1.5 if color else 0.6,
                alpha=1.0 if color else 0.6,
                label=short(group) if color else None,
                zorder=3 if color else 1,
            )
            if color:
                axes.fill_between(
                    range(len(aliases)), rows["low"], rows["high"], color=color, alpha=0.2, lw=0
                )
        axes.axhline(0, color=NULL, linewidth=0.6)
        axes.set_title(short(concept))
        axes.set_xticks(range(len(aliases)), [short(alias) for alias in aliases])
        # Room for the names above the lines.
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + NAMES_SHARE * (high - low))
        axes.legend(fontsize=6, loc="upper left", borderpad=0, ncols=2, columnspacing=1)
    figure.supylabel("mean score, in standard deviations of random images", size=9)
    return figure
