"""Figures of the section on the atlas."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from tickle_core.reporting.kit import plots
from tickle_core.reporting.kit.plots import Series
from tickle_core.reporting.kit.style import CONTROL, INK, MEASURED, NULL, layer_colors, short


def purity_figure(layers: dict[str, Any]) -> Figure:
    """Purity and adjusted mutual information beside chance and an untrained network."""
    figure, panels = plots.forest_figure(len(layers), 2)
    for axes, name, words in zip(
        panels, ("purity", "ami"), ("purity, held out", "mutual information, adjusted"), strict=True
    ):
        found = [layer[name] for layer in layers.values()]
        series = [
            Series("network", found, MEASURED),
            Series("untrained network", [each["untrained"] for each in found], CONTROL, "^"),
            Series("shuffled classes", [each["null"] for each in found], NULL, "D"),
        ]
        if name == "purity":
            most = [{"value": layer["majority"]["value"]} for layer in layers.values()]
            series.append(Series("most frequent class", most, INK, "|"))
        plots.forest(axes, list(layers), series)
        axes.set_xlim(left=0)
        axes.set_title(words)
    plots.legend_above(figure, [panels[0]])
    return figure


def stability_figure(stability: dict[str, pd.DataFrame]) -> Figure:
    """How alike clusterings of halves are, against the number of clusters."""
    figure, panels = plots.panels(1, 1, 2.6)
    colors = layer_colors(len(stability))
    for color, (alias, table) in zip(colors, stability.items(), strict=True):
        by_count = table.groupby("clusters", sort=True)
        mean, low, high = by_count.mean(), by_count.min(), by_count.max()
        panels[0].plot(mean.index, mean["observed"], "o-", color=color, label=short(alias))
        panels[0].fill_between(
            mean.index, low["observed"], high["observed"], color=color, alpha=0.2, linewidth=0
        )
        panels[0].plot(mean.index, mean["flat"], "--", color=color, linewidth=1)
    panels[0].set_xscale("log", base=2)
    panels[0].xaxis.set_major_formatter(plots.plain_number)
    panels[0].set_xlabel("clusters")
    panels[0].set_ylabel("adjusted Rand index")
    panels[0].set_ylim(0, 1)
    panels[0].legend()
    return figure
