"""Figures of the section on curvature."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from tickle_core.reporting.kit import plots
from tickle_core.reporting.kit.plots import Series
from tickle_core.reporting.kit.style import CONTROL, INK, MEASURED, NULL, layer_colors, short
from tickle_core.reporting.kit.tables import estimate_of

CORRECTIONS = {"by_gaussian": "beyond a flat Gaussian", "by_cube": "beyond a flat cube"}
MOST_PANELS = 6
MOST_CLASSES = 30


def layer_figure(layers: dict[str, Any]) -> Figure:
    """kappa, and kappa* against both flat samples, per layer."""
    figure, panels = plots.panels(3, 3, 1.2 + 0.36 * len(layers), sharey=True)
    found = list(layers.values())
    plots.forest(
        panels[0],
        list(layers),
        [
            Series("network", [each["kappa"] for each in found], MEASURED),
            Series("flat Gaussian", [each["kappa"]["null"] for each in found], NULL, "D"),
            Series("flat cube", [each["cube"] for each in found], INK, "s"),
        ],
    )
    panels[0].set_title("as measured")
    for axes, (name, words) in zip(panels[1:], CORRECTIONS.items(), strict=True):
        numbers = [each[name] for each in found]
        plots.forest(
            axes,
            list(layers),
            [
                Series("network", numbers, MEASURED),
                Series("untrained network", [each["null"] for each in numbers], CONTROL, "^"),
            ],
        )
        axes.axvline(0, color=NULL, linewidth=0.8)
        axes.set_title(words)
    figure.supxlabel("how much longer paths are", size=9)
    plots.legend_above(figure, panels)
    return figure


def class_figure(classes: dict[str, pd.DataFrame], names: tuple[str, ...]) -> Figure:
    """kappa* of each class against both flat samples, per layer."""
    aliases = list(classes)
    aliases = [aliases[i] for i in plots.evenly(len(aliases), MOST_PANELS)]
    labels = classes[aliases[-1]]["label"].tolist()[:MOST_CLASSES]
    figure, panels = plots.panels(len(aliases), 3, 1.2 + 0.26 * len(labels), sharey=True)
    for axes, alias in zip(panels, aliases, strict=True):
        rows = {each.label: each for each in classes[alias].itertuples()}
        series = [
            Series(words, [estimate_of(rows[label], name) for label in labels], color, marker)
            for (name, words), color, marker in zip(
                CORRECTIONS.items(), (MEASURED, INK), ("o", "s"), strict=True
            )
        ]
        plots.forest(axes, [names[label] for label in labels], series)
        axes.axvline(0, color=NULL, linewidth=0.8)
        axes.set_title(short(alias))
    figure.supxlabel("how much longer paths are", size=9)
    plots.legend_above(figure, [panels[0]])
    return figure


def count_figure(by_count: dict[str, pd.DataFrame]) -> Figure:
    """Kappa and kappa* against the number of neighbours that paths go along."""
    figure, panels = plots.panels(3, 3, 2.4)
    colors = layer_colors(len(by_count))
    titles = {"kappa": "as measured"} | CORRECTIONS
    for axes, (name, words) in zip(panels, titles.items(), strict=True):
        for color, (alias, table) in zip(colors, by_count.items(), strict=True):
            for of, style in {"trained": "o-", "untrained": "--"}.items():
                own = table[table["of"] == of].sort_values("neighbours")
                label = short(alias) if of == "trained" else "untrained network"
                axes.plot(
                    own["neighbours"], own[name], style, color=color, markersize=3, label=label
                )
        axes.set_title(words)
        axes.axhline(0, color=NULL, linewidth=0.8)
    figure.supxlabel("neighbours", size=9)
    plots.legend_above(figure, [panels[0]])
    return figure
