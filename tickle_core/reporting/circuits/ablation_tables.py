"""Tables of ablation, in the section on circuits."""

from typing import Any

import pandas as pd

from tickle_core.reporting.kit.tables import Column, Table

FAMILIES = ("latents", "channels", "directions")
ABLATIONS = ("zero", "mean", "resample")
# The kind whose screen chose the units, and which is tested by the most random groups.
CHIEF = "mean"
# Where no unit of a family is alive.
NOTHING: dict[str, Any] = {
    "rank_correlation": None,
    "signed_correlation": None,
    "single": None,
    "claimed": 0,
    "tested": 0,
    "group": None,
}


def judged(layer: dict[str, Any], family: str, kind: str = CHIEF) -> dict[str, Any]:
    """What one kind of ablation does to the units of a family."""
    return layer["ablation"][family].get("kinds", {}).get(kind, NOTHING)


def ablation_table(layers: dict[str, Any]) -> Table:
    """One row per layer, family of units and kind of ablation: units alone, and the screen."""
    columns = (
        Column("layer", "Layer"),
        Column("family", "Units"),
        Column("kind", "Ablation"),
        Column("units", "There are", 0),
        Column("alive", "alive", 0),
        Column("chosen", "run", 0),
        Column("single", "Effect size, alone", 3, interval=True),
        Column("single_null", "controls", 3, interval=True),
        Column("claimed", "Differ from their control", 0),
        Column("tested", "of", 0),
        Column("rank_correlation", "Screen, ranks", 3, interval=True),
        Column("rank_correlation_null", "energy, ranks", 3, interval=True),
        Column("signed_correlation", "Screen, signed", 3, interval=True),
        Column("signed_correlation_null", "energy, ranks", 3, interval=True),
        Column("carries_over", "Screen of other images", 3, interval=True),
        Column("carries_over_null", "energy, ranks", 3, interval=True),
    )
    rows = []
    for alias, layer in layers.items():
        for family in FAMILIES:
            found = layer["ablation"][family]
            counts = {key: found[key] for key in ("units", "alive", "chosen")}
            for kind in ABLATIONS:
                effects = judged(layer, family, kind)
                row = {"layer": alias, "family": family, "kind": kind, **counts}
                row |= {key: effects[key] for key in ("claimed", "tested")}
                for key in ("single", "rank_correlation", "signed_correlation"):
                    row |= beside_null(key, effects[key])
                if kind == CHIEF:
                    row |= beside_null("carries_over", found.get("carries_over"))
                rows.append(row)
    return Table(columns, rows)


def group_table(layers: dict[str, Any]) -> Table:
    """One row per layer, family of units and kind of ablation: the largest group."""
    columns = (
        Column("layer", "Layer"),
        Column("family", "Units"),
        Column("kind", "Ablation"),
        Column("size", "Size", 0),
        Column("share", "Share of the layer", 3, interval=True),
        Column("effect_size", "Effect size", 3, interval=True),
        Column("effect_size_null", "random groups (range)", 3, interval=True),
        Column("excess", "Beyond them", 3, interval=True),
        Column("p", "p", 3),
        Column("kept", "Predictions that stay", 3, interval=True),
        Column("kept_null", "random groups (range)", 3, interval=True),
        Column("energy_ratio", "Their energy (range)", 3, interval=True),
        Column("draws", "Groups", 0),
        Column("n", "n", 0),
    )
    rows = []
    for alias, layer in layers.items():
        for family in FAMILIES:
            for kind in ABLATIONS:
                group = judged(layer, family, kind)["group"]
                if group is None:
                    continue
                row = {"layer": alias, "family": family, "kind": kind, "size": group["size"]}
                row |= {"share": group["share"], "n": group["excess"]["n"]}
                row |= beside_null("effect_size", group["effect_size"])
                row |= beside_null("kept", group["kept"])
                row |= {"excess": group["excess"], "p": group["excess"].get("p")}
                if "energy_ratio" in group:
                    row["energy_ratio"] = group["energy_ratio"]
                    row["draws"] = group["energy_ratio"]["draws"]
                rows.append(row)
    return Table(columns, rows)


def curve_table(curves: dict[str, pd.DataFrame]) -> Table:
    """One row per layer, family, kind, order and size: effect against what is removed.

    Random groups are one row each size: the mean, and the range of the draws.
    """
    columns = (
        Column("layer", "Layer"),
        Column("family", "Units"),
        Column("kind", "Ablation"),
        Column("order", "Order"),
        Column("size", "Size", 0),
        Column("share", "Share of the layer", 4),
        Column("effect_size", "Effect size", 3, interval=True),
        Column("draws", "Groups", 0),
    )
    rows = []
    for alias, table in curves.items():
        keys = ["family", "kind", "order", "size"]
        for key, found in table.groupby(keys, sort=False):
            effects = found["effect_size"]
            ends = [effects.min(), effects.max()]
            if len(found) == 1 and key[2] != "random":
                ends = found[["low", "high"]].iloc[0].tolist()
            rows.append(
                {
                    "layer": alias,
                    **dict(zip(keys, key, strict=True)),
                    "size": int(key[3]),
                    "share": float(found["share"].mean()),
                    "effect_size": {
                        "value": float(effects.mean()),
                        "interval": None if pd.isna(ends[0]) else [float(end) for end in ends],
                    },
                    "draws": len(found),
                }
            )
    return Table(columns, rows)


def unit_table(ablation: pd.DataFrame) -> Table:
    """One row per top latent of one layer, ablated to its mean: strongest effect first."""
    columns = (
        Column("unit", "Latent"),
        Column("screen", "Screen (logits)", 3),
        Column("effect", "Effect (logits)", 3, interval=True),
        Column("effect_size", "Effect size", 3),
        Column("active", "active on", 0),
        Column("n", "of", 0),
        Column("control", "Control"),
        Column("control_effect", "its effect", 3, interval=True),
        Column("p_value", "p, adjusted", 3),
    )
    found = ablation[(ablation["family"] == "latents") & (ablation["kind"] == CHIEF)]
    controls = {row.unit: row for row in found[found["role"] == "control"].itertuples()}
    top = found[found["role"] == "top"]
    order = top["effect"].abs().sort_values(ascending=False, kind="stable").index
    rows = []
    for unit in top.loc[order].itertuples():
        row = {
            "unit": str(unit.unit),
            "screen": float(unit.screen),
            "effect": _interval(unit),
            "effect_size": float(unit.effect_size),
            "active": int(unit.active),
            "n": int(unit.images),
        }
        if unit.matched >= 0:
            control = controls[unit.matched]
            row |= {"control": str(control.unit), "control_effect": _interval(control)}
            row["p_value"] = float(unit.p_value)
        rows.append(row)
    return Table(columns, rows)


def beside_null(key: str, found: dict[str, Any] | None) -> dict[str, Any]:
    """Cells `key` and `<key>_null` of an estimate."""
    return {key: found, f"{key}_null": found and found["null"]}


def _interval(unit: Any) -> dict[str, Any]:
    few = pd.isna(unit.low)
    ends = None if few else [float(unit.low), float(unit.high)]
    return {"value": float(unit.effect), "interval": ends} | ({"why": "too few"} if few else {})
