"""Figures of the section on connectedness."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from tickle_core.reporting.connectedness.words import WAYS
from tickle_core.reporting.kit import plots
from tickle_core.reporting.kit.plots import Series
from tickle_core.reporting.kit.style import CONTROL, MEASURED, NULL

SERIES = (
    ("within a class", MEASURED, "o"),
    ("between classes", NULL, "D"),
    ("untrained, within", CONTROL, "^"),
    ("untrained, between", CONTROL, "D"),
)
NUMBERS = {
    "barrier": "barrier, nats",
    "lost": "points outside the class",
    "away": "distance from real ones",
}


def number_figure(layer: dict[str, Any]) -> Figure:
    """What ways cross in one layer, within classes and between, beside an untrained network."""
    figure, panels = plots.panels(len(NUMBERS), 3, 1.4 + 0.4 * len(WAYS), sharey=True)
    for axes, (name, words) in zip(panels, NUMBERS.items(), strict=True):
        found = [layer[way][name] for way in WAYS]
        untrained = [each["untrained"] for each in found]
        numbers = [found, [e["null"] for e in found], untrained, [e["null"] for e in untrained]]
        series = [
            Series(label, each, color, marker)
            for (label, color, marker), each in zip(SERIES, numbers, strict=True)
        ]
        plots.forest(axes, list(WAYS.values()), series)
        axes.set_title(words)
    plots.legend_above(figure, [panels[0]])
    return figure


def profile_figure(points: pd.DataFrame) -> Figure:
    """Loss along each way in one layer, within classes and between them."""
    figure, panels = plots.panels(len(WAYS), 2, 2.0, sharex=True, sharey=True)
    lines = {
        ("trained", "within"): SERIES[0],
        ("trained", "between"): SERIES[1],
        ("untrained", "within"): SERIES[2],
    }
    for axes, (way, words) in zip(panels, WAYS.items(), strict=True):
        for (of, kind), (label, color, _) in lines.items():
            own = points[(points["of"] == of) & (points["kind"] == kind) & (points["way"] == way)]
            own = own.sort_values("step")
            axes.plot(own["at"], own["loss"], color=color, label=label)
            axes.fill_between(
                own["at"], own["loss_low"], own["loss_high"], color=color, alpha=0.2, lw=0
            )
        axes.set_title(words)
    panels[0].set_ylim(bottom=0)  # of all of them, once everything is drawn
    figure.supxlabel("share of the way", size=9)
    figure.supylabel("loss of the nearer end's class, nats", size=9)
    plots.legend_above(figure, [panels[0]])
    return figure
