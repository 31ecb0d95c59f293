"""Figures of the section on feature visualization."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tickle_core.maximization.families import NULLS
from tickle_core.reporting.features.gallery import FAMILIES, relative
from tickle_core.reporting.kit import plots
from tickle_core.reporting.kit.plots import Series
from tickle_core.reporting.kit.style import CONTROL, MEASURED, NULL, short

MOST_DOTS = 60  # of a family in a layer
FAR = 10  # times the best natural image: beyond it the axis is logarithmic
MOST_LAYERS = 6
PANELS_PER_ROW = 2


def scores_figure(layers: dict[str, dict[str, Any]], pictures: dict[str, pd.DataFrame]) -> Figure:
    """Scores of pictures, where noise is 0 and the best natural image 1, by family and layer.

    Beside them stand the pictures of random units, and the 99 % point of natural images.
    """
    present = {name for families in layers.values() for name in families}
    nulls: dict[str, str] = dict(NULLS.items())
    families = [family for family in FAMILIES if family in present - set(nulls.values())]
    figure, panels = plots.forest_figure(len(layers), max(1, len(families)))
    widest = 1.0
    for axes, family in zip(panels, families, strict=False):
        medians, random, highs = (
            [found[kind][name] if kind in found else None for found in layers.values()]
            for kind, name in (
                (family, "ratio"),
                (nulls.get(family), "ratio"),
                (family, "natural_high"),
            )
        )
        for row, table in enumerate(pictures.values()):
            scores = relative_scores(table[table["family"] == family])
            dots = scores[plots.evenly(len(scores), MOST_DOTS)] if len(scores) else scores
            axes.scatter(dots, np.full(len(dots), row), s=10, c=MEASURED, alpha=0.25, linewidths=0)
            widest = max(widest, *np.abs(dots)) if len(dots) else widest
        series = [
            Series("median of the units", medians, MEASURED),
            Series("random units", random, NULL, "D"),
            Series("99 % point of natural images", highs, CONTROL, "|"),
        ]
        plots.forest(axes, list(layers), series)
        axes.axvline(0, color=NULL, linestyle="--", linewidth=1, label="noise")
        axes.axvline(1, color=CONTROL, linestyle="--", linewidth=1, label="best natural image")
        axes.set_title(FAMILIES[family])
    for axes in panels:
        if widest > FAR:
            axes.set_xscale("symlog", linthresh=1)
            axes.xaxis.set_major_formatter(plots.plain_number)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(4))
    figure.supxlabel("score, from noise (0) to the best natural image (1)", size=9)
    plots.legend_above(figure, panels)
    return figure


def relative_scores(pictures: pd.DataFrame) -> np.ndarray:
    """Those that are defined, in rising order."""
    columns = (pictures[key] for key in ("score", "noise_mean", "natural_best"))
    found = [relative(*each) for each in zip(*columns, strict=True)]
    return np.sort([each for each in found if each is not None])


def roads_figure(roads: dict[str, pd.DataFrame], before: dict[str, list[str]]) -> Figure:
    """Angle to the best natural images at the layers before, of pictures and natural images."""
    shown = [list(roads)[place] for place in plots.evenly(len(roads), MOST_LAYERS)]
    most = max(len(before[alias]) for alias in shown)
    figure, panels = plots.panels(len(shown), PANELS_PER_ROW, 0.8 + 0.36 * most, sharex=True)
    for axes, alias in zip(panels, shown, strict=True):
        tables = [roads[alias][roads[alias]["layer"] == module] for module in before[alias]]
        series = [
            Series("pictures", [_range(t["angle"]) for t in tables], MEASURED),
            Series("random natural images", [_natural(table) for table in tables], NULL, "D"),
            Series(
                "best ones among themselves",
                [_mean(table["best_mean"]) for table in tables],
                CONTROL,
                "s",
            ),
        ]
        plots.forest(axes, before[alias], series)
        axes.set_title(f"{short(alias)}, at the layers before it")
    figure.supxlabel("angle to the unit's best natural images (degrees)", size=9)
    plots.legend_above(figure, panels)
    return figure


def _range(values: pd.Series) -> dict[str, Any] | None:
    """The median, from the least to the largest."""
    if values.isna().all():
        return None
    return {"value": values.median(), "interval": [values.min(), values.max()]}


def _natural(table: pd.DataFrame) -> dict[str, Any] | None:
    """Range of the random natural images, averaged over the pictures' units."""
    if table.empty:
        return None
    low, mean, high = (table[f"natural_{end}"].mean() for end in ("low", "mean", "high"))
    return {"value": mean, "interval": [low, high]}


def _mean(values: pd.Series) -> dict[str, Any] | None:
    return None if values.isna().all() else {"value": values.mean()}
