"""Tables of the section on linear probes."""

from typing import Any

import pandas as pd

from tickle_core.reporting.kit.tables import Column, Table, number

CONFUSED_PAIRS = 5


def layer_table(layers: dict[str, Any]) -> Table:
    """One row per layer and kind of token."""
    columns = (
        Column("layer", "Layer"),
        Column("kind", "Tokens"),
        Column("accuracy", "Accuracy", 3, interval=True),
        Column("majority", "Majority class", 3),
        Column("shuffled", "Shuffled labels", 3, interval=True),
        Column("untrained", "Untrained network", 3, interval=True),
        Column("beyond", "Beyond it", 3, interval=True),
        Column("control", "Control tasks", 3, interval=True),
        Column("draws", "Their draws"),
        Column("selectivity", "Selectivity", 3, interval=True),
        Column("selectivity_null", "Its null", 3, interval=True),
        Column("best_position", "Best position", 3, interval=True),
        Column("n", "n", 0),
    )
    rows = [
        {
            "layer": alias,
            "kind": kind,
            "accuracy": probe["accuracy"],
            "majority": probe["majority"]["value"],
            "shuffled": probe["accuracy"].get("null"),
            "untrained": probe["untrained"]["accuracy"],
            "beyond": probe["untrained"]["beyond"],
            "control": probe["control"],
            "draws": _draws(probe["control"]),
            "selectivity": probe["selectivity"],
            "selectivity_null": probe["selectivity"].get("null"),
            "best_position": layer["position"]["best"] if kind == "patch" else None,
            "n": probe["accuracy"]["n"],
        }
        for alias, layer in layers.items()
        for kind, probe in by_kind(layer)
    ]
    return Table(columns, rows)


def class_table(classes: pd.DataFrame, names: tuple[str, ...]) -> Table:
    """One row per class, of one layer."""
    columns = (
        Column("class", "Class"),
        Column("accuracy", "Accuracy", 3, interval=True),
        Column("n", "n", 0),
    )
    rows = [
        {
            "class": names[each.label],
            "accuracy": {"value": each.value, "interval": [each.low, each.high]}
            if each.n
            else None,
            "n": int(each.n),
        }
        for each in classes.itertuples()
    ]
    return Table(columns, rows)


def confused_table(confusion: pd.DataFrame, classes: pd.DataFrame, names: tuple[str, ...]) -> Table:
    """The classes that are most often taken for another one, of one layer."""
    columns = (
        Column("true", "True class"),
        Column("predicted", "Read as"),
        Column("images", "Images", 0),
        Column("n", "of", 0),
    )
    errors = confusion[confusion["true"] != confusion["predicted"]]
    worst = errors.sort_values("images", ascending=False, kind="stable")[:CONFUSED_PAIRS]
    totals = classes.set_index("label")["n"]
    rows = [
        {
            "true": names[each.true],
            "predicted": names[each.predicted],
            "images": int(each.images),
            "n": int(totals[each.true]),
        }
        for each in worst.itertuples()
    ]
    return Table(columns, rows)


def by_kind(layer: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The pooled probes of a layer, that of patches first."""
    return sorted(layer["pooled"].items(), key=lambda item: item[0] != "patch")


def _draws(control: dict[str, Any]) -> str:
    """How many control tasks there were, and from where to where their accuracies lie."""
    if control["value"] is None:
        return ""
    low, high = (number(end, 3) for end in control["range"])
    return f"{control['draws']}: {low} to {high}".replace(" ", "\N{NO-BREAK SPACE}")


def of_patches(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table that are about patches."""
    return table[table["kind"] == "patch"]
