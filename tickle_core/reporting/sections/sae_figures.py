"""Figures of the section on sparse autoencoders."""

from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from tickle_core.dictionaries.telling import DENSE
from tickle_core.reporting import plots
from tickle_core.reporting.plots import Series
from tickle_core.reporting.sections.sae_tables import BASELINES, PERMUTED, splice_measure
from tickle_core.reporting.style import CONTROL, INK, MEASURED, NULL, short

PANELS_PER_ROW = 3
MARKERS = {"topk": "o", "batchtopk": "s", "jumprelu": "^", "matryoshka": "P", "relu": "v"}
# Baselines beside the SAE in the splice figure: colour and marker.
SPLICED = {
    "pca_k": (CONTROL, "s"),
    "kmeans": (CONTROL, "^"),
    "random": (NULL, "P"),
    "mean": (NULL, "D"),
    "zero": (NULL, "v"),
}
LEAST_KL = 0.001  # nats; below it the axis is linear, so that 0 has a place
BINS_PER_DECADE = 3  # each wider than a factor of two: whole counts leave no gap


def frontier_figure(layers: dict[str, Any]) -> Figure:
    """FVU against L0 of every SAE and baseline, one panel per layer."""
    figure, panels = plots.panels(len(layers), PANELS_PER_ROW, 3.0, sharex=True, sharey=True)
    for axes, (alias, layer) in zip(panels, layers.items(), strict=True):
        _frontier(axes, layer)
        axes.set_title(short(alias))
    # All panels share their axes, so one setting is for all of them.
    panels[0].set(xscale="log", yscale="log")
    panels[0].xaxis.set_major_formatter(plots.plain_number)
    panels[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panels[0].yaxis.set_major_formatter(plots.plain_number)
    panels[0].yaxis.set_minor_formatter(NullFormatter())
    # The curve of PCA falls to nothing and leaves the panel below the last point.
    drawn = [point.get_offsets()[0, 1] for axes in panels for point in axes.collections]
    panels[0].set_ylim(bottom=0.7 * min(drawn, default=0.1))
    figure.supxlabel("L0: active latents or components per token", size=9)
    figure.supylabel("FVU", size=9)
    plots.legend_above(figure, panels)
    return figure


def _frontier(axes: Axes, layer: dict[str, Any]) -> None:
    saes = {name: sae for name, sae in layer["saes"].items() if name != "permuted"}
    kinds = sorted(saes.values(), key=lambda sae: (*_kind(sae), sae["l0"]["value"]))
    for _, alike in groupby(kinds, _kind):
        alike = list(alike)
        x, y = ([sae[key]["value"] for sae in alike] for key in ("l0", "fvu"))
        axes.plot(x, y, color=MEASURED, linewidth=0.8, alpha=0.4)
    main = saes.pop("main")
    _point(axes, main, f"main ({main['variant']})", MEASURED, MARKERS[main["variant"]], main=True)
    for variant, marker in MARKERS.items():
        for sae in saes.values():
            if sae["variant"] == variant:
                _point(axes, sae, variant, MEASURED, marker)
    # All components miss nothing, which has no place on a logarithmic scale.
    curve = [point for point in layer["pca_curve"] if point["fvu"] > 0]
    x, y = ([point[key] for point in curve] for key in ("components", "fvu"))
    axes.plot(x, y, color=CONTROL, label="PCA")
    _point(axes, layer["baselines"]["kmeans"], BASELINES["kmeans"], CONTROL, "^")
    _point(axes, layer["baselines"]["random"], BASELINES["random"], NULL, "P")
    _point(axes, layer["saes"]["permuted"], PERMUTED, NULL, "D")
    axes.axhline(1, color=NULL, linestyle="--", linewidth=1, label="predicting the mean")


def _kind(sae: dict[str, Any]) -> tuple[str, int]:
    return sae["variant"], sae["latents"]


def _point(
    axes: Axes, found: dict[str, Any], label: str, color: str, marker: str, main: bool = False
) -> None:
    x, y = found["l0"]["value"], found["fvu"]["value"]
    if min(x, y) <= 0:  # which has no place on a logarithmic axis: an SAE that is silent, say
        return
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
    figure, [kept, kl] = plots.forest_figure(len(layers), 2, row_inches=1.0)
    for axes, key in ((kept, measure), (kl, "kl")):
        mains = [layer["saes"]["main"][key] for layer in layers.values()]
        series = [
            Series("untouched", [_untouched(layer, key) for layer in layers.values()], INK, "|"),
            Series("sparse autoencoder", mains, MEASURED),
        ]
        for name, (color, marker) in SPLICED.items():
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


def meaning_figure(layers: dict[str, Any]) -> Figure:
    """Do latents come back with another seed, and do they speak of classes?"""
    found = list(layers.values())
    stability = [layer["stability"] for layer in found]
    probes = [layer["probe"] for layer in found]
    classes = [layer["classes"] for layer in found]
    panels = []
    if any(stability):
        before = [each and {"value": each["before"]} for each in stability]
        series = [Series("measured", stability, MEASURED), Series("null", before, NULL, "D")]
        panels.append(("stability: matched cosine", series))
    if any(probes):
        series = [
            Series("measured", [each and each["latents"] for each in probes], MEASURED),
            Series("activations", [each and each["activations"] for each in probes], CONTROL, "s"),
            Series(
                "null",
                [each and {"value": each["shuffled"]["mean"]} for each in probes],
                NULL,
                "D",
            ),
        ]
        panels.append(("probe: accuracy", series))
    series = [
        Series("measured", [each["telling_share"] for each in classes], MEASURED),
        Series("null", [{"value": each["chance"]} for each in classes], NULL, "D"),
    ]
    panels.append(("share of latents that tell a class", series))
    figure, all_axes = plots.forest_figure(len(layers), len(panels))
    for axes, (title, series) in zip(all_axes, panels, strict=True):
        plots.forest(axes, list(layers), series)
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
        axes.hist(np.log10(alive), bins=bins, color=MEASURED)
        axes.axvline(np.log10(DENSE), color=CONTROL, linestyle="--", linewidth=1)
        axes.set_title(f"{short(alias)}: {len(densities) - len(alive):,} of {len(table):,} dead")
        axes.set_ylim(bottom=0)
        if len(alive) == 0:
            note = "no latent fires"
            axes.text(0.5, 0.5, note, transform=axes.transAxes, ha="center", color=INK)
    panels[0].set_ylabel("latents")
    figure.supxlabel("log10 of density (share of held-out tokens on which a latent fires)", size=9)
    return figure
