"""Tables of the section on circuits."""

from typing import Any

from tickle_core.reporting.tables import Column, Table

# What patching replaces, in the order of tables and figures.
PATCHED = {
    "layer": "whole layer",
    "positions": "positions",
    "channels": "channels",
    "latents": "latents",
    "direction": "one direction",
}


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
        ends = None if None in ends else ends
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
