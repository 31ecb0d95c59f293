"""What latents have to do with classes, in the section on sparse autoencoders."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter

from tickle_core.reporting.kit import plots
from tickle_core.reporting.kit.plots import Series
from tickle_core.reporting.kit.style import CONTROL, MEASURED, NULL, short
from tickle_core.reporting.kit.tables import Column, Table, number

PANELS_PER_ROW = 3
# What a curve is of: its label, colour and marker. The draws of a kind are one curve.
CURVES = {
    "latents": ("latents", MEASURED, "o"),
    "random": ("random directions", NULL, "D"),
    "components": ("PCA", CONTROL, "s"),
    "channels": ("channels", CONTROL, "^"),
}
SPARSE = ("k1", "k10")
TICKS = [0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999]


def meaning_figure(layers: dict[str, Any]) -> Figure | None:
    """Accuracy of the probe, AUC of single latents, purity: each beside its null, per layer.

    What no layer has is left out; None where that is all.
    """
    found = list(layers.values())
    probes, classes = ([layer[part] for layer in found] for part in ("probe", "classes"))
    panels = [
        ("probe: accuracy", [each["latents"] for each in probes], "activations", probes),
        ("median AUC of a latent", [each["median_auc"] for each in classes], "channels", classes),
        ("purity of top images", [each["purity"] for each in classes], None, classes),
    ]
    panels = [panel for panel in panels if any(each["value"] is not None for each in panel[1])]
    if not panels:
        return None
    figure, all_axes = plots.forest_figure(len(layers), len(panels))
    for axes, (title, measured, beside, parts) in zip(all_axes, panels, strict=True):
        series = [
            Series("latents", measured, MEASURED),
            Series("null", [each["null"] for each in measured], NULL, "D"),
        ]
        if beside:
            rivals = [part["rivals"].get(beside) for part in parts]
            rivals = [each and each.get("median_auc", each) for each in rivals]
            series.append(Series("activations, channels", rivals, CONTROL, "s"))
        plots.forest(axes, list(layers), series)
        axes.set_xlim(0, 1)
        axes.set_xlabel(title)
    plots.legend_above(figure, all_axes)
    return figure


def sparse_figure(curves: dict[str, pd.DataFrame]) -> Figure | None:
    """Mean AUC against k, a panel per layer; None where nowhere classes have images enough."""
    curves = {alias: curve for alias, curve in curves.items() if len(curve)}
    if not curves:
        return None
    figure, panels = plots.panels(len(curves), PANELS_PER_ROW, 2.4, sharex=True, sharey=True)
    for axes, (alias, curve) in zip(panels, curves.items(), strict=True):
        kind = curve["features"].str.rstrip("0123456789")
        for name, (label, color, marker) in CURVES.items():
            by_k = curve[kind == name].groupby("k")
            auc = by_k["auc"].mean()
            axes.plot(auc.index, auc, color=color, marker=marker, markersize=3.5, label=label)
            ends = ("auc", "auc") if name == "random" else ("low", "high")
            low, high = by_k[ends[0]].min(), by_k[ends[1]].max()
            axes.fill_between(auc.index, low, high, color=color, alpha=0.2, linewidth=0)
        axes.set_title(short(alias))
    # What is left to an AUC of 1 halves and halves again.
    panels[0].set_xscale("log")
    panels[0].set_yscale("logit", nonpositive="clip")
    panels[0].xaxis.set_major_formatter(plots.plain_number)
    panels[0].yaxis.set_major_locator(FixedLocator(TICKS))
    panels[0].yaxis.set_major_formatter(plots.plain_number)
    panels[0].yaxis.set_minor_formatter(NullFormatter())
    figure.supxlabel("k: features that the probe of a class may read", size=9)
    figure.supylabel("AUC, mean over classes", size=9)
    plots.legend_above(figure, panels)
    return figure


def meaning_table(layers: dict[str, Any]) -> Table:
    """One row per layer: do latents speak of classes?"""
    columns = (
        Column("layer", "Layer"),
        Column("latents", "Probe of latents", 3, interval=True),
        Column("latents_null", "shuffled labels", 3, interval=True),
        Column("activations", "of activations", 3, interval=True),
        Column("majority", "majority class", 3, interval=True),
        Column("telling_share", "Latents that tell a class", 3, interval=True),
        Column("telling_share_null", "random directions", 3, interval=True),
        Column("median_auc", "Median AUC", 3, interval=True),
        Column("median_auc_null", "random directions", 3, interval=True),
        Column("purity", "Purity", 3, interval=True),
        Column("purity_null", "random directions", 3, interval=True),
    )
    rows = []
    for alias, layer in layers.items():
        probe, classes = layer["probe"], layer["classes"]
        row = {"layer": alias, "latents": probe["latents"], **probe["rivals"]}
        row["latents_null"] = probe["latents"]["null"]
        for key in ("telling_share", "median_auc", "purity"):
            row |= {key: classes[key], f"{key}_null": classes[key]["null"]}
        rows.append(row)
    return Table(columns, rows)


def sparse_table(layers: dict[str, Any]) -> Table:
    """One row per layer and k: the mean AUC of k-sparse probes."""
    columns = (
        Column("layer", "Layer"),
        Column("k", "k", 0),
        Column("latents", "Latents", 3, interval=True),
        Column("random", "random directions", 3, interval=True),
        Column("beyond", "so much beyond", 3, interval=True),
        Column("components", "PCA", 3, interval=True),
        Column("channels", "channels", 3, interval=True),
        Column("shuffled", "shuffled labels", 3, interval=True),
        Column("classes", "Classes", 0),
        Column("n", "Images", 0),
    )
    rows = []
    for alias, layer in layers.items():
        sparse = layer["sparse_probing"]
        for key in SPARSE:
            if key in sparse:
                rivals = {name: found.get(key) for name, found in sparse["rivals"].items()}
                row = {"layer": alias, "k": int(key[1:]), "latents": sparse[key], **rivals}
                row |= {"random": sparse[key]["null"], "beyond": sparse["beyond"][key]}
                row |= {"shuffled": rivals["shuffled"], "classes": sparse["classes"]}
                rows.append(row | {"n": sparse[key]["n"]})
    return Table(columns, rows)


def words(layer: dict[str, Any]) -> str:
    """Whether single latents, and ten of them, say more of a class than random directions."""
    sparse = layer["sparse_probing"]
    if "why" in sparse:
        return f"Single latents could not be held against classes: {sparse['why']}."
    sentences = []
    for key, what in (("k1", "One latent"), ("k10", "Ten latents")):
        if key not in sparse:
            continue
        found, beyond = sparse[key], sparse["beyond"][key]["interval"]
        verdict = "which cannot be told apart from"
        if beyond and (beyond[0] > 0 or beyond[1] < 0):
            verdict = "more than" if beyond[0] > 0 else "less than"
        sentences.append(
            f"{what} chosen for a class read{'s' if key == 'k1' else ''} it with an AUC of "
            f"{number(found['value'], 3)}, {verdict} random directions chosen likewise "
            f"({number(found['null']['value'], 3)}; {_others(sparse['rivals'], key)})."
        )
    return " ".join(sentences)


def _others(rivals: dict[str, Any], key: str) -> str:
    named = {"PCA": rivals["components"].get(key), "channels": rivals["channels"].get(key)}
    return ", ".join(
        f"{name} {number(found['value'], 3)}" for name, found in named.items() if found
    )
