"""Figures of the section on dimension."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tickle_core.reporting.dimension.tables import ESTIMATORS, OF_SETS, UNITS, of_any
from tickle_core.reporting.kit import plots
from tickle_core.reporting.kit.plots import Series
from tickle_core.reporting.kit.style import CONTROL, INK, MEASURED, NULL, layer_colors, short
from tickle_core.reporting.kit.tables import estimate_of, known

MOST_SETS = 30
SET_PANELS_PER_ROW = 3
MOST_SET_PANELS = 6
MOST_LEGEND_LAYERS = 8
MOST_SCALE_PANELS = 6
CURVES = {
    "trained": ("network", MEASURED),
    "untrained": ("untrained network", CONTROL),
    "gaussian": ("matched Gaussian", NULL),
}


def spectrum_figure(
    layers: dict[str, Any], spectra: dict[str, pd.DataFrame], variance: float
) -> Figure:
    """Share of the variance in the first components, shown and held out, per layer."""
    figure, panels = plots.panels(2, 2, 2.7, sharey=True)
    colors = layer_colors(len(layers))
    for axes, (unit, words) in zip(panels, UNITS.items(), strict=True):
        for color, (alias, layer) in zip(colors, layers.items(), strict=True):
            spectrum = spectra[alias][spectra[alias]["unit"] == unit]
            components = np.append(0, spectrum["components"])
            shown, held_out = (np.append(0, spectrum[name]) for name in ("shown", "held_out"))
            axes.plot(components, shown, color=color, label=short(alias))
            axes.fill_between(components, held_out, shown, color=color, alpha=0.25, linewidth=0)
            at = layer[unit]["global"]["value"]
            if at is not None:
                axes.plot(at, variance, "o", color=color, markersize=5)
        axes.axhline(variance, color=NULL, linestyle="--", linewidth=1)
        axes.set_title(words)
        axes.set_xlabel("components")
        axes.set_xlim(left=0)
        axes.set_ylim(0, 1.02)
    panels[0].set_ylabel("share of variance")
    handles, labels = panels[1].get_legend_handles_labels()
    named = plots.evenly(len(layers), MOST_LEGEND_LAYERS)
    panels[1].legend([handles[i] for i in named], [labels[i] for i in named], loc="lower right")
    return figure


def layer_figure(layers: dict[str, Any]) -> Figure:
    """Dimension beside what is counted, that of an untrained network and the width."""
    figure, panels = plots.forest_figure(len(layers), 2)
    for axes, (unit, words) in zip(panels, UNITS.items(), strict=True):
        found = [layer[unit]["global"] for layer in layers.values()]
        plots.forest(axes, list(layers), _series(found, [each["raw"] for each in found]))
        nulls = [each["null"] for each in found if each["null"]["value"] is not None]
        if len(nulls) == len(found):
            plots.forest(axes, list(layers), [Series("untrained network", nulls, CONTROL, "^")])
        widths = [{"value": layer["width"]} for layer in layers.values()]
        plots.forest(axes, list(layers), [Series("width", widths, INK, "|")])
        axes.set_xlim(left=0)
        axes.set_title(words)
        axes.set_xlabel("dimension")
    plots.legend_above(figure, [panels[0]])
    return figure


def local_figure(layers: dict[str, Any]) -> Figure:
    """Local dimensions and the participation ratio beside an untrained network and a Gaussian."""
    figure, panels = plots.panels(len(ESTIMATORS), 2, 1.0 + 0.36 * len(layers), sharey=True)
    for axes, (name, words) in zip(panels, ESTIMATORS.items(), strict=True):
        found = [layer["image"][name] for layer in layers.values()]
        series = [
            Series("pooled images", found, MEASURED),
            Series("tokens", [layer["token"][name] for layer in layers.values()], MEASURED, "s"),
            Series("untrained network", [each["null"] for each in found], CONTROL, "^"),
            Series("matched Gaussian", [each.get("gaussian") for each in found], NULL, "D"),
        ]
        plots.forest(axes, list(layers), series)
        axes.set_xlim(left=0)
        axes.set_title(words)
    figure.supxlabel("dimension", size=9)
    plots.legend_above(figure, panels)
    return figure


def scale_figure(scales: dict[str, pd.DataFrame]) -> Figure:
    """Dimension at ever larger neighbourhoods, of pooled images, per layer."""
    aliases = list(scales)
    aliases = [aliases[i] for i in plots.evenly(len(aliases), MOST_SCALE_PANELS)]
    figure, panels = plots.panels(len(aliases), 3, 2.4, sharey=True)
    for axes, alias in zip(panels, aliases, strict=True):
        for of, (words, color) in CURVES.items():
            table = scales[alias]
            own = table[(table["unit"] == "image") & (table["of"] == of)].sort_values("neighbours")
            axes.plot(own["neighbours"], own["value"], "o-", color=color, markersize=3, label=words)
            axes.fill_between(
                own["neighbours"], own["low"], own["high"], color=color, alpha=0.2, linewidth=0
            )
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(plots.plain_number)
        axes.set_title(short(alias))
    panels[0].set_ylim(bottom=0)  # of all of them, once everything is drawn
    panels[0].set_ylabel("dimension")
    figure.supxlabel("neighbours", size=9)
    plots.legend_above(figure, [panels[0]])
    return figure


def set_figure(
    sets: dict[str, pd.DataFrame], any_set: dict[str, pd.DataFrame], estimator: str
) -> Figure:
    """Dimension of each class and concept beside equally many images of any kind."""
    of_estimator = {alias: table[table["estimator"] == estimator] for alias, table in sets.items()}
    shown = _extremes(list(of_estimator.values())[-1])
    aliases = list(sets)
    aliases = [aliases[i] for i in plots.evenly(len(aliases), MOST_SET_PANELS)]
    figure, panels = plots.panels(
        len(aliases), SET_PANELS_PER_ROW, 1.1 + 0.26 * len(shown), sharey=True
    )
    for axes, alias in zip(panels, aliases, strict=True):
        by_name = {(each.kind, each.name): each for each in of_estimator[alias].itertuples()}
        found = [by_name[key] for key in shown]
        numbers = [estimate_of(each) for each in found]
        raw = [known(each.raw) for each in found] if estimator == "pca" else []
        plots.forest(axes, [name for _, name in shown], _series(numbers, raw))
        if any_draws := of_any(any_set[alias], estimator):
            axes.axvspan(*any_draws["range"], color=INK, alpha=0.12, linewidth=0)
            axes.axvline(
                any_draws["value"], color=INK, linewidth=1, linestyle=":", label="any kind"
            )
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_title(short(alias))
    figure.supxlabel(f"dimension ({OF_SETS[estimator]})", size=9)
    plots.legend_above(figure, [panels[0]])
    return figure


def _series(found: list[dict[str, Any]], raw: list[float | None]) -> list[Series]:
    """Estimates beside what was counted; without a value, the interval has a hollow middle."""
    placed = [
        each
        if each["value"] is not None or each["interval"] is None
        else each | {"value": float(np.mean(each["interval"]))}
        for each in found
    ]
    told = [each["value"] is not None for each in found]
    series = [Series("dimension", placed, MEASURED, filled=told)]
    if raw:
        counted = [None if each is None else {"value": each} for each in raw]
        series.append(Series("as counted", counted, NULL, "D"))
    return series


def _extremes(sets: pd.DataFrame) -> list[tuple[str, str]]:
    """Kind and name of all sets, or of those of lowest and highest dimension."""
    keys = list(zip(sets["kind"], sets["name"], strict=True))
    if len(keys) <= MOST_SETS:
        return keys
    by = sets["raw"].fillna(sets["value"]).to_numpy()
    order = [keys[place] for place in np.argsort(by, kind="stable")]
    half = MOST_SETS // 2
    return [*order[:half], *order[-half:]]
