"""Figures of the section on deltas."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tickle_core.reporting.delta.words import LINES, RIVALS
from tickle_core.reporting.kit import plots
from tickle_core.reporting.kit.plots import Series
from tickle_core.reporting.kit.style import CONTROL, MEASURED, NULL

MOST_PANELS = 3


def travel_figure(size: dict[str, Any], layers: dict[str, Any]) -> Figure:
    """How far perturbations are in pixels and in each layer, and what the SAE leaves over."""
    figure, panels = plots.panels(2, 2, 2.6)
    distances = [size, *(each["travel"]["distance"] for each in layers.values())]
    left = [each["travel"]["unexplained"] for each in layers.values()]
    lines = (
        (panels[0], distances, "adversarial", MEASURED, "o"),
        (panels[0], [each["null"] for each in distances], "noise of the same size", NULL, "D"),
        (panels[0], [each["stranger"] for each in distances], "another’s change", CONTROL, "s"),
        (panels[1], left, "adversarial", MEASURED, "o"),
        (panels[1], [each["null"] for each in left], "noise of the same size", NULL, "D"),
        (panels[1], [each["clean"] for each in left], "clean activations", CONTROL, "^"),
    )
    for axes, numbers, label, color, marker in lines:
        _line(axes, numbers, label, color, marker)
    panels[0].set_title("distance, in parts of the norm")
    panels[1].set_title("share that the SAE does not explain")
    for axes, names in zip(panels, (["pixels", *layers], list(layers)), strict=True):
        axes.set_xticks(range(len(names)), names)
        axes.set_ylim(bottom=0)
    plots.legend_above(figure, panels)
    return figure


def _line(axes: Axes, numbers: list[dict[str, Any]], label: str, color: str, marker: str) -> None:
    places = np.arange(len(numbers))
    axes.plot(places, [each["value"] for each in numbers], color=color, marker=marker, label=label)
    for place, each in zip(places, numbers, strict=True):
        if each["interval"]:
            axes.plot([place, place], each["interval"], color=color, linewidth=1)


def recovery_figure(curves: dict[str, pd.DataFrame]) -> Figure:
    """Predictions that are back against how much of the perturbation was undone, per layer."""
    figure, panels = plots.panels(len(curves), MOST_PANELS, 2.8, sharey=True, sharex=True)
    for axes, (alias, curve) in zip(panels, curves.items(), strict=True):
        for (family, rule), (label, color, marker, line) in LINES.items():
            own = curve[(curve["family"] == family) & (curve["rule"] == rule)]
            own = own.sort_values("units")
            axes.plot(
                own["given_back"],
                own["value"],
                color=color,
                marker=marker,
                markersize=4,
                linestyle=line,
                label=label,
            )
            if (family, rule) == ("latents", "chosen"):
                axes.fill_between(
                    own["given_back"], own["low"], own["high"], color=color, alpha=0.2, lw=0
                )
        axes.set_title(alias)
        axes.set_ylim(-0.02, 1.02)
    figure.supxlabel("share of the perturbation given back", size=9)
    figure.supylabel("predictions that are back", size=9)
    plots.legend_above(figure, panels[:1])
    return figure


def rival_figure(layers: dict[str, Any]) -> Figure:
    """What chosen latents bring back beside rivals, per layer."""
    figure, panels = plots.panels(
        len(layers), MOST_PANELS, 1.2 + 0.3 * (2 + len(RIVALS)), sharey=True, sharex=True
    )
    for axes, (alias, layer) in zip(panels, layers.items(), strict=True):
        found = layer["recovery"]
        rows = {"latents: by others": found["recovered"]}
        rows["latents: at random"] = found["recovered"]["null"]
        rows |= {title: found["rivals"][name]["recovered"] for name, title in RIVALS.items()}
        numbers = list(rows.values())
        plots.forest(
            axes,
            list(rows),
            [
                Series("measured", [numbers[0], *[None] * (len(rows) - 1)], MEASURED),
                Series("held against", [None, *numbers[1:]], NULL, "D"),
            ],
        )
        axes.set_title(alias)
    figure.supxlabel("predictions that are back", size=9)
    return figure
