"""The section on connectedness: ways between images of a class, and what they cross."""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tickle_core.reporting.connectedness import figures
from tickle_core.reporting.connectedness.found import read
from tickle_core.reporting.connectedness.words import NUMBERS, SIDES, WAYS
from tickle_core.reporting.context import Context
from tickle_core.reporting.kit.section import Section
from tickle_core.reporting.kit.tables import Column, Table, estimate, flag_linear_tails

CLASS_NUMBERS = {"barrier": ("Barrier, median", 3), "lost": ("Points outside, median", 2)}


@dataclass(frozen=True)
class Strip:
    """A way between two images.

    Attributes
    ----------
    way
        In words.
    barrier
        Highest loss above that of the ends.
    points
        Along it: the nearest real image, its class, and exp(-loss), the probability of the class
        of the nearer end.
    """

    way: str
    barrier: float
    points: list[tuple[int, str, float]]


def section(context: Context) -> Section:
    """Barriers of each way in each layer, and some ways to look at."""
    found = read(context)
    headline = found.metrics[context.headline_layer]
    shown = strips(context, found.strips[context.headline_layer])
    ids = {
        image for side in shown.values() for pair in side for s in pair for image, *_ in s.points
    }
    return Section(
        name="connectedness",
        title="Connectedness",
        summary=_summary(headline),
        settings=context.params.connectedness.model_dump(),
        figures={
            "connectedness_ways": figures.number_figure(headline),
            "connectedness_profiles": figures.profile_figure(found.points[context.headline_layer]),
        },
        tables={
            "connectedness": flag_linear_tails(number_table(found.metrics), context.linear_tails),
            "connectedness_graph": graph_table(found.metrics),
            "connectedness_classes": class_table(found.pairs, context.card["class_names"]),
        },
        image_ids=ids,
        facts={"strips": shown, "headline": headline, "linear_tails": context.linear_tails},
    )


def strips(context: Context, table: pd.DataFrame) -> dict[str, list[list[Strip]]]:
    """By title, pairs of images, each with all its ways."""
    class_of = context.images.table["class_name"].to_numpy()
    found = {}
    for (kind, side), title in SIDES.items():
        own = table[(table["kind"] == kind) & (table["side"] == side)]
        found[title] = [
            [
                _strip(rows[rows["way"] == way], way, class_of)
                for way in WAYS
                if way in set(rows["way"])
            ]
            for _, rows in own.groupby("rank", sort=True)
        ]
    return {title: pairs for title, pairs in found.items() if pairs}


def _strip(rows: pd.DataFrame, way: str, class_of: Any) -> Strip:
    rows = rows.sort_values("step")
    losses = rows["loss"].astype(float)
    barrier = float(losses.max() - max(losses.iloc[0], losses.iloc[-1]))
    points = [
        (int(image), class_of[image], math.exp(-loss))
        for image, loss in zip(rows["image_id"], losses, strict=True)
    ]
    return Strip(WAYS[way], barrier, points)


def number_table(layers: dict[str, Any]) -> Table:
    """A row per layer and way, and number."""
    columns = (
        Column("layer", "Layer"),
        Column("way", "Way"),
        Column("number", "Number"),
        Column("within", "Within a class", 3, interval=True),
        Column("between", "Between classes", 3, interval=True),
        Column("untrained", "Untrained, within", 3, interval=True),
        Column("untrained_between", "Untrained, between", 3, interval=True),
        Column("n", "n", 0),
    )
    rows = [
        {
            "layer": alias,
            "way": way,
            "number": title,
            "within": layer[key][name],
            "between": layer[key][name]["null"],
            "untrained": layer[key][name]["untrained"],
            "untrained_between": layer[key][name]["untrained"]["null"],
            "n": layer[key][name]["n"],
        }
        for alias, layer in layers.items()
        for key, way in WAYS.items()
        for name, title in NUMBERS.items()
    ]
    return Table(columns, rows)


def graph_table(layers: dict[str, Any]) -> Table:
    """One row per layer: what paths along nearest neighbours pass."""
    columns = (
        Column("layer", "Layer"),
        Column("purity", "Of the same class", 3, interval=True),
        Column("shuffled", "Shuffled predictions", 3, interval=True),
        Column("untrained", "Untrained network", 3, interval=True),
        Column("unreachable", "Without a path", 3, interval=True),
        Column("n", "n", 0),
    )
    rows = [
        {
            "layer": alias,
            "purity": layer["purity"],
            "shuffled": layer["purity"].get("null"),
            "untrained": layer["purity"]["untrained"],
            "unreachable": layer["unreachable"],
            "n": layer["purity"]["n"],
        }
        for alias, layer in layers.items()
    ]
    return Table(columns, rows)


def class_table(pairs: dict[str, pd.DataFrame], names: list[str]) -> Table:
    """A row per layer, way and predicted class: medians over its pairs."""
    columns = (
        Column("layer", "Layer"),
        Column("way", "Way"),
        Column("class", "Predicted class"),
        *(Column(name, title, digits) for name, (title, digits) in CLASS_NUMBERS.items()),
        Column("n", "n", 0),
    )
    rows: list[dict[str, Any]] = []
    for alias, table in pairs.items():
        own = table[(table["of"] == "trained") & (table["kind"] == "within")]
        for (way, label), of_class in own.groupby(["way", "class_first"], sort=True):
            medians = {name: float(of_class[name].median()) for name in CLASS_NUMBERS}
            row = {"layer": alias, "way": WAYS[way], "class": names[label], "n": len(of_class)}
            rows.append(row | medians)
    return Table(columns, rows)


def _summary(headline: dict[str, Any]) -> str:
    found = headline["straight"]["barrier"]
    if found["value"] is None or found["null"]["value"] is None:
        return ""
    return (
        "On the straight line between two images of a class the loss rises by "
        f"{estimate({'value': found['value']}, 3)} nats, between classes by "
        f"{estimate(found['null'], 2)}."
    )
