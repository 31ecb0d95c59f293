"""Figures of the section on sparse autoencoders."""

from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from tickle_core.dictionaries.limits import DENSE
from tickle_core.reporting.kit import plots
from tickle_core.reporting.kit.plots import Series
from tickle_core.reporting.kit.style import CONTROL, INK, MEASURED, NULL, short
from tickle_core.reporting.sae.tables import (
    BASELINES,
    NULLS,
    splice_measure,
)

PANELS_PER_ROW = 3
MARKERS = {"topk": "o", "batchtopk": "s", "jumprelu": "^", "matryoshka": "P", "relu": "v"}
# What stands beside the SAE: colour and marker.
BESIDE = {
    "trained": (MEASURED, "h"),
    "points": (CONTROL, "*"),
    "pca_k": (CONTROL, "s"),
    "kmeans": (CONTROL, "^"),
    "random": (NULL, "P"),
    "mean": (NULL, "D"),
    "zero": (NULL, "v"),
}
NULL_MARKERS = {"frozen": "X", "permuted": "D"}
LEAST_KL = 0.001  # nats; below it the axis is linear, so that 0 has a place
BINS_PER_DECADE = 3  # each wider than a factor of two: whole counts leave no gap


def frontier_figure(layers: dict[str, Any], pca: dict[str, pd.DataFrame]) -> Figure:
    """FVU against L0 of every SAE and baseline, one panel per layer.

    Parameters
    ----------
    pca
        By layer: components, fvu.
    """
    figure, panels = plots.panels(len(layers), PANELS_PER_ROW, 3.0, sharex=True, sharey=True)
    for axes, (alias, layer) in zip(panels, layers.items(), strict=True):
        _frontier(axes, layer, pca[alias])
        axes.set_title(short(alias))
    # All panels share their axes, so one setting is for all of them.
    panels[0].set(xscale="log", yscale="log")
    panels[0].xaxis.set_major_formatter(plots.plain_number)
    panels[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panels[0].yaxis.set_major_formatter(plots.plain_number)
    panels[0].yaxis.set_minor_formatter(NullFormatter())
    # The curve of PCA falls to nothing and leaves the panel below the last point.
    drawn = [
        float(np.asarray(point.get_offsets())[0, 1])
        for axes in panels
        for point in axes.collections
    ]
    panels[0].set_ylim(bottom=0.7 * min(drawn, default=0.1))
    figure.supxlabel("L0: active latents or components per token", size=9)
    figure.supylabel("FVU", size=9)
    plots.legend_above(figure, panels)
    return figure


def frontier_curves(layers: dict[str, Any], pca: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """What the figure draws of SAEs and PCA, as rows of layer, line, l0 and fvu."""
    rows = [
        {"layer": alias, "line": NULLS.get(name) or "{}, {} latents".format(*_kind(sae))}
        | {key: sae[key]["value"] for key in ("l0", "fvu")}
        for alias, layer in layers.items()
        for name, sae in layer["saes"].items()
    ]
    components = [
        table.rename(columns={"components": "l0"}).assign(layer=alias, line="PCA")
        for alias, table in pca.items()
    ]
    found = pd.concat([pd.DataFrame(rows), *components], ignore_index=True)
    return found[(found["l0"] > 0) & (found["fvu"] > 0)]  # the axes are logarithmic


def _frontier(axes: Axes, layer: dict[str, Any], pca: pd.DataFrame) -> None:
    saes = {name: sae for name, sae in layer["saes"].items() if name not in NULLS}
    kinds = sorted(saes.values(), key=lambda sae: (*_kind(sae), sae["l0"]["value"]))
    for _, group in groupby(kinds, _kind):
        alike = list(group)
        x, y = ([sae[key]["value"] for sae in alike] for key in ("l0", "fvu"))
        axes.plot(x, y, color=MEASURED, linewidth=0.8, alpha=0.4)
    main = saes.pop("main")
    variant = main["recipe"]["variant"]
    _point(axes, main, f"main ({variant})", MEASURED, MARKERS[variant], main=True)
    for variant, marker in MARKERS.items():
        for sae in saes.values():
            if sae["recipe"]["variant"] == variant:
                _point(axes, sae, variant, MEASURED, marker)
    # Nothing has no place on a logarithmic scale, neither components nor what all of them miss.
    curve = pca[(pca["components"] > 0) & (pca["fvu"] > 0)]
    axes.plot(curve["components"], curve["fvu"], color=CONTROL, label="PCA")
    for name in ("trained", "points", "kmeans", "random"):
        _point(axes, layer["baselines"][name], BASELINES[name], *BESIDE[name])
    for name, title in NULLS.items():
        _point(axes, layer["saes"][name], title, NULL, NULL_MARKERS[name])
    axes.axhline(1, color=NULL, linestyle="--", linewidth=1, label="predicting the mean")


def _kind(sae: dict[str, Any]) -> tuple[str, int]:
    return sae["recipe"]["variant"], sae["recipe"]["latents"]


def _point(
    axes: Axes, found: dict[str, Any], label: str, color: str, marker: str, main: bool = False
) -> None:
    x, y = found["l0"]["value"], found["fvu"]["value"]
    if min(x, y) <= 0:  # which has no place on a logarithmic axis: an SAE that is silent, say
        return
    if found["fvu"]["interval"]:
        axes.plot([x, x], found["fvu"]["interval"], color=color, linewidth=1)
    axes.scatter(
        x,
        y,
        s=44 if main else 22,
        c=color if main else "white",
        edgecolors=color,
        linewidths=1,
        marker=marker,
        label=label,
        zorder=4 if main else 3,
    )


def splice_figure(layers: dict[str, Any]) -> Figure:
    """What is left of the model with the layer replaced by a description of it."""
    measure = splice_measure(layers)
    figure, [kept, kl] = plots.forest_figure(len(layers), 2, row_inches=1.2)
    for axes, key in ((kept, measure), (kl, "kl")):
        mains = [layer["saes"]["main"][key] for layer in layers.values()]
        series = [
            Series("untouched", [_untouched(layer, key) for layer in layers.values()], INK, "|"),
            Series("sparse autoencoder", mains, MEASURED),
        ]
        for name, (color, marker) in BESIDE.items():
            numbers = [layer["baselines"][name][key] for layer in layers.values()]
            series.append(Series(BASELINES[name], numbers, color, marker))
        plots.forest(axes, list(layers), series)
    kept.set_xlim(0, 1)
    kept.set_xlabel(
        "accuracy" if measure == "accuracy" else "share of images whose prediction stays"
    )
    kl.set_xscale("symlog", linthresh=LEAST_KL)
    kl.set_xlim(left=0)
    kl.xaxis.set_major_formatter(plots.plain_number)
    kl.set_xlabel("KL from the untouched prediction (nats)")
    plots.legend_above(figure, [kept])
    return figure


def _untouched(layer: dict[str, Any], key: str) -> dict[str, Any]:
    return {"accuracy": layer["clean_accuracy"], "agreement": {"value": 1.0}, "kl": {"value": 0.0}}[
        key
    ]


def seeds_figure(layers: dict[str, Any]) -> Figure:
    """How well the layer is described: by chance of images, of seeds, and by what is no SAE."""
    found = list(layers.values())
    series = [
        Series("held-out images", [each["saes"]["main"]["fvu"] for each in found], MEASURED),
        Series("range over seeds", [each["seeds"]["fvu"] for each in found], INK, "|"),
        Series("train images", [each["fit"]["fvu_train"] for each in found], MEASURED, "<"),
    ]
    for name in ("trained", "points", "random"):
        numbers = [each["baselines"][name]["fvu"] for each in found]
        series.append(Series(BASELINES[name], numbers, *BESIDE[name]))
    for name, title in NULLS.items():
        numbers = [each["saes"][name]["fvu"] for each in found]
        series.append(Series(title, numbers, NULL, NULL_MARKERS[name]))
    figure, [axes] = plots.forest_figure(len(layers), row_inches=0.9)
    plots.forest(axes, list(layers), series)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(plots.plain_number)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("FVU")
    plots.legend_above(figure, [axes])
    return figure


def stability_figure(layers: dict[str, Any]) -> Figure:
    """Do trainings that began elsewhere end in the same dictionary? Layers with several seeds."""
    found = {alias: layer["stability"] for alias, layer in layers.items() if layer["stability"]}
    cosines, alike, codes = (
        [each[key] for each in found.values()] for key in ("cosine", "alike", "codes")
    )

    panels = {
        "matched cosine": [
            Series("measured", cosines, MEASURED),
            Series("before training", [each["before"] for each in cosines], CONTROL, "<"),
            Series("spread as the tokens", [each["data"] for each in cosines], CONTROL, "s"),
            Series("chance", [each["null"] for each in cosines], NULL, "D"),
        ],
        "share of cosines above 0.9": [
            Series("measured", alike, MEASURED),
            Series("chance", [each["null"] for each in alike], NULL, "D"),
        ],
        "correlation of latents": [
            Series("measured", codes, MEASURED),
            Series("chance", [each and each["null"] for each in codes], NULL, "D"),
        ],
    }
    figure, all_axes = plots.forest_figure(len(found), len(panels), row_inches=0.6)
    for axes, (title, lines) in zip(all_axes, panels.items(), strict=True):
        plots.forest(axes, list(found), lines)
        axes.set_xlim(0, 1)
        axes.set_xlabel(title)
    plots.legend_above(figure, all_axes)
    return figure


def density_figure(latents: dict[str, pd.DataFrame], layers: dict[str, Any]) -> Figure:
    """How many latents fire how often, per layer, on a logarithmic scale."""
    decades = max(1, max(int(np.ceil(np.log10(each["tokens"]))) for each in layers.values()))
    bins = np.linspace(-decades, 0, decades * BINS_PER_DECADE + 1)
    figure, panels = plots.panels(len(layers), PANELS_PER_ROW, 1.9, sharex=True, sharey=True)
    for axes, (alias, table) in zip(panels, latents.items(), strict=True):
        densities = table["density"].to_numpy()
        alive = densities[densities > 0]
        axes.hist(np.log10(alive), bins=bins.tolist(), color=MEASURED)
        axes.axvline(np.log10(DENSE), color=CONTROL, linestyle="--", linewidth=1)
        axes.set_title(f"{short(alias)}: {len(densities) - len(alive):,} of {len(table):,} dead")
        axes.set_ylim(bottom=0)
        if len(alive) == 0:
            note = "no latent fires"
            axes.text(0.5, 0.5, note, transform=axes.transAxes, ha="center", color=INK)
    panels[0].set_ylabel("latents")
    figure.supxlabel("log10 of density (share of held-out tokens on which a latent fires)", size=9)
    return figure
