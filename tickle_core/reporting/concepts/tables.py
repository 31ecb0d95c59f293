"""Tables of the section on concepts."""

from typing import Any

import pandas as pd

from tickle_core.reporting.kit.tables import Column, Table, known


def concept_table(layers: dict[str, Any], concepts: dict[str, pd.DataFrame]) -> Table:
    """One row per layer and concept: size, readability, kinds of vector, what it does."""
    columns = (
        Column("layer", "Layer"),
        Column("concept", "Concept"),
        Column("source", "From"),
        Column("train", "Train images", 0),
        Column("test", "Held-out images", 0),
        Column("accuracy", "Held-out accuracy", 3, interval=True),
        Column("untrained", "Untrained network", 3, interval=True),
        Column("random", "Random sets", 3, interval=True),
        Column("effect", "Effect of projecting out", 2, interval=True),
        Column("effect_null", "Other directions", 2, interval=True),
        Column("auc_logistic", "AUC: logistic", 3),
        Column("auc_mean", "mean", 3),
        Column("auc_pattern", "pattern", 3),
        Column("logistic_mean", "Cosine: logistic, mean", 2),
        Column("logistic_pattern", "logistic, pattern", 2),
        Column("steady", "Steadiness", 2),
    )
    rows = []
    for alias, layer in layers.items():
        for each in concepts[alias].to_dict("records"):
            found = layer["sets"][each["concept"]]
            rows.append(
                {
                    "layer": alias,
                    **each,
                    "accuracy": found["readable"],
                    "untrained": found["readable"]["untrained"],
                    "random": found["readable"]["null"],
                    "effect": found["effect"],
                    "effect_null": found["effect"]["null"],
                }
            )
    return Table(columns, rows)


def tcav_table(scores: dict[str, pd.DataFrame]) -> Table:
    """One row per layer, concept and class."""
    columns = (
        Column("layer", "Layer"),
        Column("concept", "Concept"),
        Column("target", "Class"),
        Column("member", "Part of it"),
        Column("score", "TCAV score", 2, interval=True),
        Column("null", "Random sets", 2, interval=True),
        Column("effect_size", "Effect size", 2),
        Column("p", "p", 4),
        Column("p_adjusted", "p, corrected", 4),
        Column("significant", "Significant"),
        Column("along", "Logit along it", 3),
        Column("along_null", "Random sets", 3, interval=True),
        Column("consistency", "Sign consistency", 2),
        Column("consistency_null", "Random sets", 2),
        Column("n", "n", 0),
    )
    rows = [
        {
            "layer": alias,
            **{name: known(each[name]) for name in NUMBERS},
            "concept": each["concept"],
            "target": each["target"],
            "member": "yes" if each["member"] else "no",
            "significant": "yes" if each["significant"] else "no",
            "score": {"value": each["score"], "range": [each["low"], each["high"]]},
            "null": {"value": each["null"], "range": [each["null_low"], each["null_high"]]},
            "along_null": {
                "value": (each["along_null_low"] + each["along_null_high"]) / 2,
                "range": [each["along_null_low"], each["along_null_high"]],
            },
            "n": int(each["n"]),
        }
        for alias, table in scores.items()
        for each in table.to_dict("records")
    ]
    return Table(columns, rows)


NUMBERS = ("effect_size", "p", "p_adjusted", "along", "consistency", "consistency_null")


def relation_table(pairs: dict[str, pd.DataFrame]) -> Table:
    """One row per layer and pair of concepts."""
    columns = (
        Column("layer", "Layer"),
        Column("one", "Concept"),
        Column("other", "and"),
        Column("shared", "Shared images", 2),
        Column("cosine", "Cosine", 2),
        Column("null", "Random sets that share as much", 2, interval=True),
    )
    rows = [
        {
            "layer": alias,
            "one": each.one,
            "other": each.other,
            "shared": float(each.shared),
            "cosine": float(each.cosine),
            "null": {"value": float(each.null), "range": [each.null_low, each.null_high]},
        }
        for alias, table in pairs.items()
        for each in table.itertuples()
    ]
    return Table(columns, rows)


def place_table(layers: dict[str, Any]) -> Table:
    """Pointing game and overlap with masks, one row per layer, concept and measure."""
    columns = (
        Column("layer", "Layer"),
        Column("concept", "Concept"),
        Column("measure", "Measure"),
        Column("pointwise", "Pointwise vector", 3, interval=True),
        Column("null", "Its null", 3, interval=True),
        Column("pooled", "Pooled vector", 3, interval=True),
        Column("beyond", "Pointwise beyond pooled", 3, interval=True),
        Column("n", "n", 0),
    )
    rows = []
    for alias, layer in layers.items():
        for concept, each in layer["sets"].items():
            if "pointing" in each:
                game = each["pointing"]
                rows.append(
                    {
                        "layer": alias,
                        "concept": concept,
                        "measure": "pointing game",
                        "pointwise": game["hits"],
                        "null": game["hits"]["null"],
                        "pooled": game["pooled"],
                        "beyond": game["beyond"],
                        "n": game["hits"]["n"],
                    }
                )
            if "overlap" in each:
                own = each["overlap"]
                rows.append(
                    {
                        "layer": alias,
                        "concept": concept,
                        "measure": "overlap with masks",
                        "pointwise": own["pointwise"],
                        "null": own["pointwise"]["null"],
                        "pooled": own["pooled"],
                        "n": own["pointwise"]["n"],
                    }
                )
    return Table(columns, rows)
