"""Tables of the section on circuits."""

from typing import Any

import pandas as pd

from tickle_core.reporting.tables import Column, Table

FAMILIES = ("latents", "channels", "directions")
ABLATIONS = ("zero", "mean", "resample")
# What patching replaces, in the order of tables and figures.
PATCHED = {
    "layer": "whole layer",
    "positions": "positions",
    "channels": "channels",
    "latents": "latents",
    "direction": "one direction",
}
NO_NULL = {"effect": None, "effect_size": None, "kept": None, "draws": None}
# Where no unit of a family is alive.
NOTHING = {
    "rank_correlation": None,
    "signed_correlation": None,
    "top": None,
    "controls": None,
    "groups": [],
}


def judged(layer: dict[str, Any], family: str, kind: str) -> dict[str, Any]:
    """What one kind of ablation does to the units of a family."""
    return layer["ablation"][family]["kinds"].get(kind, NOTHING)


def ablation_table(layers: dict[str, Any]) -> Table:
    """One row per layer, family of units and kind of ablation."""
    columns = (
        Column("layer", "Layer"),
        Column("family", "Units"),
        Column("kind", "Ablation"),
        Column("units", "There are", 0),
        Column("alive", "alive", 0),
        Column("chosen", "run", 0),
        Column("effect", "Effect (logits)", 3, interval=True),
        Column("effect_controls", "controls", 3, interval=True),
        Column("effect_size", "Effect size", 3, interval=True),
        Column("effect_size_controls", "controls", 3, interval=True),
        Column("significant", "Significant", 3),
        Column("significant_controls", "controls", 3),
        Column("activity_ratio", "Activity of controls", 3),
        Column("rank_correlation", "Screen, ranks", 3, interval=True),
        Column("signed_correlation", "Screen, signed", 3, interval=True),
    )
    rows = []
    for alias, layer in layers.items():
        for family in FAMILIES:
            found = layer["ablation"][family]
            counts = {key: found[key] for key in ("units", "alive", "chosen", "activity_ratio")}
            for kind in ABLATIONS:
                effects = judged(layer, family, kind)
                row = {"layer": alias, "family": family, "kind": kind, **counts}
                row |= {key: effects[key] for key in ("rank_correlation", "signed_correlation")}
                rows.append(row | _of(effects["top"], "") | _of(effects["controls"], "_controls"))
    return Table(columns, rows)


def group_table(layers: dict[str, Any]) -> Table:
    """One row per layer, family of units, kind of ablation and size of the group."""
    columns = (
        Column("layer", "Layer"),
        Column("family", "Units"),
        Column("kind", "Ablation"),
        Column("size", "Size", 0),
        Column("effect", "Effect (logits)", 3, interval=True),
        Column("effect_null", "null", 3, interval=True),
        Column("effect_size", "Effect size", 3, interval=True),
        Column("effect_size_null", "null", 3, interval=True),
        Column("kept", "Predictions that stay", 3, interval=True),
        Column("kept_null", "null", 3, interval=True),
        Column("draws", "Draws of the null", 0),
        Column("n", "n", 0),
    )
    rows = []
    for alias, layer in layers.items():
        for family in FAMILIES:
            for kind in ABLATIONS:
                for group in judged(layer, family, kind)["groups"]:
                    row = {"layer": alias, "family": family, "kind": kind, "size": group["size"]}
                    null = group["null"] or NO_NULL
                    for key in ("effect", "effect_size", "kept"):
                        row |= {key: group[key], f"{key}_null": spread(null[key])}
                    rows.append(row | {"draws": null["draws"], "n": group["effect"]["n"]})
    return Table(columns, rows)


def unit_table(ablation: pd.DataFrame) -> Table:
    """One row per top latent of one layer, ablated to its mean: strongest effect first."""
    columns = (
        Column("unit", "Latent"),
        Column("screen", "Screen (logits)", 3),
        Column("effect", "Effect (logits)", 3, interval=True),
        Column("effect_size", "Effect size", 3),
        Column("p_value", "p, adjusted", 3),
        Column("control", "Control"),
        Column("control_effect", "its effect", 3, interval=True),
        Column("n", "n", 0),
    )
    found = ablation[(ablation["family"] == "latents") & (ablation["kind"] == "mean")]
    controls = {row.matched: row for row in found[found["role"] == "control"].itertuples()}
    top = found[found["role"] == "top"]
    order = top["effect"].abs().sort_values(ascending=False, kind="stable").index
    rows = []
    for unit in top.loc[order].itertuples():
        row = {
            "unit": str(unit.unit),
            "screen": float(unit.screen),
            "effect": _interval(unit),
            "effect_size": float(unit.effect_size),
            "p_value": float(unit.p_value),
            "n": int(unit.images),
        }
        if unit.unit in controls:
            control = controls[unit.unit]
            row |= {"control": str(control.unit), "control_effect": _interval(control)}
        rows.append(row)
    return Table(columns, rows)


def patching_table(layers: dict[str, Any]) -> Table:
    """One row per layer and kind of patching."""
    columns = (
        Column("layer", "Layer"),
        Column("kind", "Patched"),
        Column("patched", "replaced", 0),
        Column("of", "of", 0),
        Column("influence", "Influence", 3, interval=True),
        Column("influence_null", "null", 3, interval=True),
        Column("flipped", "Predictions flipped", 3, interval=True),
        Column("flipped_null", "null", 3, interval=True),
        Column("effect_size", "Effect size", 3, interval=True),
        Column("activity_ratio", "Activity of the null", 3),
        Column("pairs", "Pairs", 0),
    )
    rows = []
    for alias, layer in layers.items():
        for kind, title in PATCHED.items():
            found = layer["kinds"][kind]
            row = {"layer": alias, "kind": title, "pairs": layer["pairs"]}
            row |= {key: found[key] for key in ("patched", "of", "influence", "flipped")}
            row["effect_size"] = found["effect_size"]
            if found["null"]:
                row |= {f"{key}_null": found["null"][key] for key in ("influence", "flipped")}
                row["activity_ratio"] = found["null"]["activity_ratio"]
            rows.append(row)
    return Table(columns, rows)


def influence_table(patching: dict[str, Any]) -> Table:
    """One row per kind of patching, donor class and target class, of one layer."""
    columns = (
        Column("kind", "Patched"),
        Column("donor", "Donor class"),
        Column("target", "Target class"),
        Column("influence", "Influence", 3),
        Column("n", "Pairs", 0),
    )
    classes, counts = patching["classes"], patching["pairs_by_class"]
    rows = [
        {"kind": title, "donor": donor, "target": target, "influence": line[j], "n": counts[i][j]}
        for kind, title in PATCHED.items()
        for i, (donor, line) in enumerate(
            zip(classes, patching["kinds"][kind]["matrix"], strict=True)
        )
        for j, target in enumerate(classes)
        if line[j] is not None
    ]
    return Table(columns, rows)


def tracing_table(layers: dict[str, Any]) -> Table:
    """One row per layer."""
    columns = (
        Column("layer", "Layer"),
        Column("sites", "Sites", 0),
        Column("joined", "Positions of a site"),
        Column("peak", "Best site of each pair", 3, interval=True),
        Column("peak_null", "null", 3, interval=True),
        Column("best", "Best site on average", 3, interval=True),
        Column("best_null", "strongest of the null", 3),
        Column("rank_correlation", "Screen, ranks", 3, interval=True),
        Column("pairs", "Pairs", 0),
    )
    rows = []
    for alias, layer in layers.items():
        best = max(range(len(layer["recovered"])), key=layer["recovered"].__getitem__)
        ends = [layer["low"][best], layer["high"][best]]
        rows.append(
            {
                "layer": alias,
                "sites": len(layer["recovered"]),
                "joined": " × ".join(str(side) for side in layer["joined"]),
                "best": {"value": layer["recovered"][best], "interval": ends},
                "best_null": max(layer["null"]),
                **{key: layer[key] for key in ("peak", "peak_null", "rank_correlation", "pairs")},
            }
        )
    return Table(columns, rows)


def spread(null: dict[str, Any] | None) -> dict[str, Any] | None:
    """Mean and range of the draws of a null, as an estimate."""
    return null and {"value": null["mean"], "interval": null["interval"]}


def _of(units: dict[str, Any] | None, suffix: str) -> dict[str, Any]:
    if units is None:
        return {}
    significant = units["significant_share"]["value"]
    row = {"effect": units["effect"], "effect_size": units["effect_size"]}
    row["significant"] = significant
    return {f"{key}{suffix}": value for key, value in row.items()}


def _interval(unit: Any) -> dict[str, Any]:
    return {"value": float(unit.effect), "interval": [float(unit.low), float(unit.high)]}
