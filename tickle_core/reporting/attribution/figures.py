"""Figures of the section on attribution."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from tickle_core.reporting.attribution.words import RANDOM, UNTRAINED, title
from tickle_core.reporting.kit import plots
from tickle_core.reporting.kit.plots import Series
from tickle_core.reporting.kit.style import CONTROL, INK, MEASURED, NULL, layer_colors

KINDS = {"insertion": "insertion: higher is better", "deletion": "deletion: lower is better"}
CURVES = ("ig_mean", "ig_zero", "chain", "gradient")


def score_figure(methods: dict[str, Any], order: list[str]) -> Figure:
    """Areas under the curves of each method beside random order and the untrained network."""
    figure, panels = plots.forest_figure(len(order), len(KINDS), 0.32)
    for axes, (kind, words) in zip(panels, KINDS.items(), strict=True):
        found = [methods[method][kind] for method in order]
        series = [
            Series("map", found, MEASURED),
            Series("random order", [each["null"] for each in found], NULL, "D"),
        ]
        plots.forest(axes, [title(method) for method in order], series)
        blank = methods[UNTRAINED][kind]["value"]
        axes.axvline(blank, color=CONTROL, linestyle="--", linewidth=1, label="untrained network")
        axes.set_xlim(0, 1)
        axes.set_title(words)
    figure.supxlabel("area under the curve of the predicted class's probability", size=9)
    plots.legend_above(figure, panels)
    return figure


def curve_figure(curves: pd.DataFrame, order: list[str]) -> Figure:
    """Probability of the predicted class while cells are put in or taken away."""
    figure, panels = plots.panels(len(KINDS), len(KINDS), 2.6, sharey=True)
    shown = [method for method in CURVES if method in order]
    lines = {
        **dict(zip(shown, layer_colors(len(shown)), strict=True)),
        UNTRAINED: CONTROL,
        RANDOM: NULL,
    }
    for axes, (kind, words) in zip(panels, KINDS.items(), strict=True):
        for method, color in lines.items():
            own = curves[(curves["method"] == method) & (curves["kind"] == kind)]
            dashed = "--" if method in (UNTRAINED, RANDOM) else "-"
            names = {UNTRAINED: "untrained network", RANDOM: "random order"}
            label = names.get(method, title(method))
            axes.plot(own["share"], own["value"], color=color, linestyle=dashed, label=label)
            axes.fill_between(
                own["share"], own["low"], own["high"], color=color, alpha=0.15, linewidth=0
            )
        axes.set_title(words)
        axes.set_xlabel("share of the cells")
        axes.set_ylim(0, 1.02)
    panels[0].set_ylabel("probability")
    plots.legend_above(figure, panels)
    return figure


def randomised_figure(changed: pd.DataFrame, metrics: dict[str, Any]) -> Figure:
    """How alike maps stay while the network forgets, from the logits down."""
    names = list(metrics)
    figure, panels = plots.panels(len(names), len(names), 2.4, sharey=True)
    for axes, name in zip(panels, names, strict=True):
        own = changed[changed["method"] == name].sort_values("order")
        axes.plot(own["order"], own["value"], color=MEASURED, marker="o", label="forgetful network")
        axes.fill_between(
            own["order"], own["low"], own["high"], color=MEASURED, alpha=0.2, linewidth=0
        )
        null = metrics[name]["null"]
        axes.axhline(
            null["value"], color=NULL, linestyle="--", linewidth=1, label="another image's map"
        )
        if null["interval"]:
            axes.axhspan(*null["interval"], color=NULL, alpha=0.15, linewidth=0)
        axes.axhline(0, color=INK, linewidth=0.5)
        axes.set_title(title(name))
        axes.set_xticks(own["order"], own["part"], rotation=45, ha="right")
    panels[0].set_ylabel("rank correlation with the map")
    plots.legend_above(figure, panels)
    return figure
