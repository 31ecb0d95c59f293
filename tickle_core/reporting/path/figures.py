"""Figures of the section on paths."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from tickle_core.reporting.kit import plots
from tickle_core.reporting.kit.plots import Series
from tickle_core.reporting.kit.style import MEASURED, NULL
from tickle_core.reporting.path.words import NUMBERS, SPACES, WAYS

SHOWN = ("excess", "length", "barrier")
PER_ROW = 2


def number_figure(metrics: dict[str, Any]) -> Figure:
    """Cost, length and barrier of each way through pixels and through the layer."""
    figure, panels = plots.panels(
        len(SPACES) * len(SHOWN), len(SHOWN), 1.0 + 0.3 * len(WAYS), sharey=True
    )
    places = [(space, name) for space in SPACES for name in SHOWN]
    for axes, (space, name) in zip(panels, places, strict=True):
        found = metrics[space]
        ways = {"string": found, **found["rivals"]}
        numbers = [ways[way][name] if way in ways else None for way in WAYS]
        series = [
            Series("least cost", [numbers[0], *[None] * (len(WAYS) - 1)], MEASURED),
            Series("other ways", [None, *numbers[1:]], NULL, "D"),
        ]
        plots.forest(axes, [title for title, *_ in WAYS.values()], series)
        axes.set_title(f"{NUMBERS[name][0].lower()}, {SPACES[space]}", fontsize=8)
        axes.set_xlim(left=0)
    return figure


def profile_figure(profiles: pd.DataFrame, titles: dict[int, str]) -> Figure:
    """L along each way through pixels, for some pairs."""
    figure, panels = plots.panels(len(titles), PER_ROW, 2.0, sharex=True)
    own = profiles[profiles["space"] == "pixels"]
    for axes, (pair, title) in zip(panels, titles.items(), strict=True):
        for way, (label, color, marker) in WAYS.items():
            rows = own[(own["pair"] == pair) & (own["way"] == way)].sort_values("step")
            if len(rows):
                axes.plot(
                    rows["at"],
                    rows["difference"],
                    color=color,
                    marker=marker,
                    markersize=3,
                    markevery=4,
                    label=label,
                )
        axes.axhline(0, color=NULL, linewidth=0.6)
        axes.set_title(title)
    figure.supxlabel("share of the way", size=9)
    figure.supylabel("logit of the last class less that of the first", size=9)
    plots.legend_above(figure, panels)
    return figure


def plane_figure(plane: pd.DataFrame, profiles: pd.DataFrame, titles: dict[int, str]) -> Figure:
    """Ways through pixels over the layer's first two principal components."""
    figure, panels = plots.panels(len(titles), PER_ROW, 3.0, sharex=True, sharey=True)
    own = profiles[profiles["space"] == "pixels"]
    for axes, (pair, title) in zip(panels, titles.items(), strict=True):
        ends = own[own["pair"] == pair]["predicted"]
        seen = plane["predicted"].isin({ends.iloc[0], ends.iloc[-1]}) if len(ends) else False
        axes.scatter(plane["x"], plane["y"], s=3, color="#dddddd", linewidths=0)
        axes.scatter(plane["x"][seen], plane["y"][seen], s=3, color="#aaaaaa", linewidths=0)
        for way, (label, color, marker) in WAYS.items():
            rows = own[(own["pair"] == pair) & (own["way"] == way)].sort_values("step")
            if len(rows):
                axes.plot(rows["x"], rows["y"], color=color, linewidth=1, label=label)
                axes.plot(rows["x"].iloc[-1:], rows["y"].iloc[-1:], marker, color=color, ms=4)
        axes.set_title(title)
    plots.legend_above(figure, panels)
    return figure
