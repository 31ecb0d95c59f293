"""Tables of the section on circuits."""

from typing import Any

import pandas as pd

from tickle_core.reporting.kit.tables import Column, Table

# What patching replaces, in the order of tables and figures.
PATCHED = {
    "layer": "whole layer",
    "positions": "positions",
    "channels": "channels",
    "latents": "latents",
    "direction": "one direction",
}


# Other rules than the chosen parts', in the order of the table.
RIVALS = {
    "random": "random units, chosen likewise",
    "basis": "a random basis, as much replaced",
    "stranger": "chosen for other classes",
    "matched": "random parts, as much replaced",
    "best_case": "chosen for each pair itself",
}


def patching_table(layers: dict[str, Any]) -> Table:
    """One row per layer, kind of patching and rule."""
    columns = (
        Column("layer", "Layer"),
        Column("kind", "Patched"),
        Column("rule", "which"),
        Column("patched", "parts", 0),
        Column("of", "of", 0),
        Column("influence", "Influence", 3, interval=True),
        Column("beyond", "The chosen ones beyond it", 3, interval=True),
        Column("replaced", "Replaced share", 3, interval=True),
        Column("flipped", "Predictions flipped", 3, interval=True),
        Column("n", "Images", 0),
    )
    rows = []
    for alias, layer in layers.items():
        for kind, title in PATCHED.items():
            found = layer["kinds"][kind]
            keys = ("patched", "of", "influence", "replaced", "flipped")
            row = {"layer": alias, "kind": title, "rule": "chosen on other images"}
            rows.append(row | {key: found[key] for key in keys} | {"n": layer["judging"]})
            for rule, name in RIVALS.items():
                if rule in found["rivals"]:
                    rows.append({"layer": alias, "kind": title, "rule": name})
                    rows[-1] |= found["rivals"][rule]
    return Table(columns, rows)


def influence_table(cells: pd.DataFrame) -> Table:
    """One row per kind of patching, donor class and target class, of one layer."""
    columns = (
        Column("kind", "Patched"),
        Column("donor", "Donor class"),
        Column("target", "Target class"),
        Column("influence", "Influence", 3),
        Column("flipped", "Predictions flipped", 3),
        Column("replaced", "Replaced share", 3),
        Column("pairs", "Pairs", 0),
    )
    rows = cells.astype(object).where(cells.notna(), None).to_dict("records")
    return Table(columns, [row | {"kind": PATCHED[row["kind"]]} for row in rows])


def tracing_table(layers: dict[str, Any], sites: dict[str, int]) -> Table:
    """One row per layer, of so many sites."""
    columns = (
        Column("layer", "Layer"),
        Column("sites", "Sites", 0),
        Column("joined", "Positions of a site"),
        Column("peak", "Best site of each pair", 3, interval=True),
        Column("peak_null", "null", 3, interval=True),
        Column("rank_correlation", "Screen, ranks", 3, interval=True),
        Column("rank_correlation_null", "change, ranks", 3, interval=True),
        Column("pairs", "Pairs", 0),
    )
    rows = []
    for alias, layer in layers.items():
        row = {"layer": alias, "sites": sites[alias], "pairs": layer["pairs"]}
        row["joined"] = " × ".join(str(side) for side in layer["joined"])
        for key in ("peak", "rank_correlation"):
            row |= {key: layer[key], f"{key}_null": layer[key] and layer[key]["null"]}
        rows.append(row)
    return Table(columns, rows)
