"""Figures of the section on projections."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tickle_core.reporting.kit import plots
from tickle_core.reporting.kit.plots import Series
from tickle_core.reporting.kit.style import INK, MEASURED, NULL
from tickle_core.reporting.projections.words import METHODS, class_colors


def map_figure(maps: pd.DataFrame, labels: np.ndarray, names: list[str]) -> Figure:
    """A layer's maps by every method, coloured by class; the first classes are named.

    Parameters
    ----------
    labels
        Of each image of the set.
    """
    figure, panels = plots.panels(len(METHODS), 3, 2.4)
    colors = class_colors(len(names))
    for axes, (method, words) in zip(panels, METHODS.items(), strict=True):
        own = maps[maps["method"] == method]
        of_point = labels[own["image_id"].to_numpy(int)]
        axes.scatter(own["x"], own["y"], c=[colors[label] for label in of_point], s=3, linewidths=0)
        axes.set_title(words)
        axes.set_xticks([])
        axes.set_yticks([])
    return figure


def preservation_figure(layers: dict[str, Any]) -> Figure:
    """Trustworthiness and continuity of every method, per layer, beside random planes."""
    rows = [f"{alias}: {words}" for alias in layers for words in METHODS.values()]
    figure, panels = plots.panels(2, 2, 1.0 + 0.24 * len(rows), sharey=True)
    for axes, name in zip(panels, ("trustworthiness", "continuity"), strict=True):
        found = [layer[method][name] for layer in layers.values() for method in METHODS]
        plots.forest(
            axes,
            rows,
            [
                Series("map", found, MEASURED),
                Series("random planes", [each["null"] for each in found], NULL, "D"),
            ],
        )
        axes.axvline(1, color=INK, linewidth=0.8)
        axes.set_title(name)
    plots.legend_above(figure, [panels[0]])
    return figure
