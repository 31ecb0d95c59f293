"""Tables of the section on dimension."""

from typing import Any

import pandas as pd

from tickle_core.reporting.kit.tables import Column, Table, estimate_of, known, number

UNITS = {"image": "pooled images", "token": "tokens"}
ESTIMATORS = {
    "two_nn": "two nearest neighbours",
    "mle": "maximum likelihood",
    "local_pca": "local PCA",
    "participation": "participation ratio",
}
OF_SETS = {"pca": "PCA", "participation": "Participation", "two_nn": "TwoNN", "mle": "MLE"}


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
            half, quarter = [*reversed(layer[unit]["by_n"]), None, None][:2]
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


def local_table(layers: dict[str, Any]) -> Table:
    """A row per layer, unit and estimator."""
    columns = (
        Column("layer", "Layer"),
        Column("unit", "Unit"),
        Column("estimator", "Estimator"),
        Column("dimension", "Dimension", 1, interval=True),
        Column("untrained", "Untrained network", 1, interval=True),
        Column("gaussian", "Matched Gaussian", 1, interval=True),
        Column("half", "Half the images", 1, interval=True),
        Column("copies", "Copies", 0),
        Column("n", "n", 0),
    )
    rows = [
        {
            "layer": alias,
            "unit": words,
            "estimator": title,
            "dimension": layer[unit][name],
            "untrained": layer[unit][name]["null"],
            "gaussian": layer[unit][name].get("gaussian"),
            "half": layer[unit][name].get("half"),
            "copies": layer[unit]["copies"],
            "n": layer[unit][name]["n"],
        }
        for alias, layer in layers.items()
        for unit, words in UNITS.items()
        for name, title in ESTIMATORS.items()
    ]
    return Table(columns, rows)


def set_table(sets: dict[str, pd.DataFrame], any_set: dict[str, pd.DataFrame]) -> Table:
    """One row per layer and class or concept, and one for images of any kind."""
    columns = (
        Column("layer", "Layer"),
        Column("kind", "Kind"),
        Column("name", "Images of"),
        *(Column(name, title, 1, interval=True) for name, title in OF_SETS.items()),
        Column("n", "n", 0),
    )
    rows: list[dict[str, Any]] = []
    for alias, table in sets.items():
        for (kind, name), own in table.groupby(["kind", "name"], sort=False):
            numbers = {
                each.estimator: estimate_of(each, why=_why(each)) for each in own.itertuples()
            }
            n = int(own["n"].max())
            rows.append({"layer": alias, "kind": kind, "name": name, "n": n, **numbers})
        if len(any_set[alias]):
            drawn = {name: of_any(any_set[alias], name) for name in OF_SETS}
            rows.append({"layer": alias, "kind": "any", "name": "any kind", **drawn})
    return Table(columns, rows)


def _why(row: Any) -> str:
    low, high = known(row.low), known(row.high)
    if low is None or high is None:
        return f"too few: {row.n}"
    return f"{row.n} images tell only {number(low)} to {number(high)}"


def of_any(draws: pd.DataFrame, estimator: str) -> dict[str, Any] | None:
    """Mean and range of draws of any kind; None where one of them has no value."""
    values = draws.loc[draws["estimator"] == estimator, "value"]
    if not len(values) or values.isna().any():
        return None
    return {"value": float(values.mean()), "range": [float(values.min()), float(values.max())]}
