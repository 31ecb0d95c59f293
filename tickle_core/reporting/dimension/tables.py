"""Tables of the section on PCA dimension."""

from typing import Any

import numpy as np
import pandas as pd

from tickle_core.reporting.kit.tables import Column, Table, number

UNITS = {"image": "pooled images", "token": "tokens"}


def layer_table(layers: dict[str, Any]) -> Table:
    """Two rows per layer: pooled images and tokens."""
    columns = (
        Column("layer", "Layer"),
        Column("unit", "Unit"),
        Column("dimension", "Dimension", 1, interval=True),
        Column("untrained", "Untrained network", 1, interval=True),
        Column("raw", "As counted", 1),
        Column("bias", "Bias of sampling", 1, interval=True),
        Column("quarter", "Dimension at n/4", 1, interval=True),
        Column("half", "at n/2", 1, interval=True),
        Column("width", "Width", 0),
        Column("n", "n", 0),
    )
    rows = []
    for alias, layer in layers.items():
        for unit, words in UNITS.items():
            found = layer[unit]["global"]
            half, quarter = [*reversed(layer[unit].get("by_n", [])), None, None][:2]
            rows.append(
                {
                    "layer": alias,
                    "unit": words,
                    "dimension": found,
                    "untrained": found["null"],
                    "raw": found["raw"],
                    "bias": found["bias"],
                    "quarter": quarter,
                    "half": half,
                    "width": layer["width"],
                    "n": found["n"],
                }
            )
    return Table(columns, rows)


def class_table(
    classes: dict[str, pd.DataFrame], any_class: dict[str, pd.DataFrame], names: tuple[str, ...]
) -> Table:
    """One row per layer and class."""
    columns = (
        Column("layer", "Layer"),
        Column("class", "Class"),
        Column("dimension", "Dimension", 1, interval=True),
        Column("raw", "As counted", 1),
        Column("any_class", "Any class", 1, interval=True),
        Column("n", "n", 0),
    )
    rows = [
        {
            "layer": alias,
            "class": names[each.label],
            "dimension": estimate_of(each),
            "raw": each.raw,
            "any_class": estimate_of_any(any_class[alias]),
            "n": int(each.n),
        }
        for alias, table in classes.items()
        for each in table.itertuples()
    ]
    return Table(columns, rows)


def estimate_of(row: Any) -> dict[str, Any]:
    """A row of the tables by class as an estimate."""
    interval = [float(row.low), float(row.high)]
    if np.isnan(row.value):
        why = f"{row.n} images tell only {number(row.low)} to {number(row.high)}"
        return {"value": None, "interval": interval, "why": why}
    return {"value": float(row.value), "interval": interval}


def estimate_of_any(draws: pd.DataFrame) -> dict[str, Any] | None:
    """Mean and range of draws regardless of class; None where one of them has no value."""
    if not len(draws) or draws["value"].isna().any():
        return None
    values = draws["value"]
    return {"value": float(values.mean()), "range": [float(values.min()), float(values.max())]}
