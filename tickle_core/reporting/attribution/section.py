"""The section on attribution: maps, whether they add up, whether they are right."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tickle_core.reporting.attribution import figures
from tickle_core.reporting.attribution.found import Found, read
from tickle_core.reporting.attribution.words import UNTRAINED, in_order, title
from tickle_core.reporting.context import Context
from tickle_core.reporting.kit import embedding
from tickle_core.reporting.kit.section import Section
from tickle_core.reporting.kit.tables import Column, Table, number

MOST_MAPS = 16  # beside an image: two rows


@dataclass(frozen=True)
class Shown:
    """An image with the maps of several methods: title, data URI."""

    image_id: int
    class_name: str
    predicted: str
    maps: list[tuple[str, str]]


def section(context: Context) -> Section:
    """Maps of every method beside random order and a network that learnt nothing."""
    found = read(context)
    methods = found.metrics["methods"]
    order = in_order(methods, context.layers)
    shown = gallery(context, found, order)
    return Section(
        name="attribution",
        title="Attribution",
        summary=_summary(methods, order),
        settings=context.params.attribution.model_dump(),
        figures={
            "attribution_scores": figures.score_figure(methods, order),
            "attribution_curves": figures.curve_figure(found.curves, order),
            "attribution_randomised": figures.randomised_figure(
                found.randomised, found.metrics["randomised"]
            ),
        },
        tables={
            "attribution": method_table(methods, [*order, UNTRAINED], found.images),
            "attribution_randomised": randomised_table(found.randomised),
        },
        curves={"attribution": curves(found.curves, order)},
        image_ids={each.image_id for each in shown},
        facts={
            "images": methods[order[0]]["insertion"]["n"],
            "gallery": shown,
            "chain": "chain" in methods,
            "chained": methods["chain"]["insertion"]["n"] if "chain" in methods else 0,
        },
    )


def curves(found: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Probability against the share of cells, as rows of layer (the kind), line, share, value."""
    kept = found[found["method"].isin(order)]
    lines = kept["method"].map(title)
    return kept.assign(line=lines, layer=kept["kind"])[["layer", "line", "share", "value"]]


def gallery(context: Context, found: Found, order: list[str]) -> list[Shown]:
    """The images that are shown, each with its maps."""
    class_of = context.images.table["class_name"].to_numpy()
    names = context.card["class_names"]
    predicted = found.images.drop_duplicates("image_id").set_index("image_id")["predicted"]
    shown = []
    for image, rows in found.maps.groupby("image_id", sort=True):
        by_method = rows.set_index("method")
        uris = [
            (
                title(method),
                embedding.signed_overlay(
                    by_method.at[method, "values"].reshape(by_method.at[method, "height"], -1)
                ),
            )
            for method in [*order, UNTRAINED]
            if method in by_method.index
        ]
        label = names[int(predicted[image])]
        shown.append(Shown(int(image), class_of[image], label, uris[:MOST_MAPS]))
    return shown


def method_table(methods: dict[str, Any], order: list[str], images: pd.DataFrame) -> Table:
    """One row per method."""
    columns = (
        Column("method", "Method"),
        Column("insertion", "Insertion", 3, interval=True),
        Column("deletion", "Deletion", 3, interval=True),
        Column("random", "Beyond random order", 3, interval=True),
        Column("untrained", "Beyond an untrained network", 3, interval=True),
        Column("residual", "Median residual", 4, interval=True),
        Column("converged", "Within the tolerance", 2, interval=True),
        Column("steps", "Median steps", 0),
        Column("n", "n", 0),
    )
    steps = images.groupby("method")["steps"].median()
    rows = []
    for method in order:
        found = methods[method]
        rows.append(
            {
                "method": "untrained network" if method == UNTRAINED else title(method),
                "insertion": found["insertion"],
                "deletion": found["deletion"],
                "random": found["beyond"]["random"],
                "untrained": found["beyond"].get("untrained"),
                "residual": found.get("residual"),
                "converged": found.get("converged"),
                "steps": None if pd.isna(steps[method]) else int(steps[method]),
                "n": found["insertion"]["n"],
            }
        )
    return Table(columns, rows)


def randomised_table(changed: pd.DataFrame) -> Table:
    """One row per method and part of the network."""
    columns = (
        Column("method", "Method"),
        Column("part", "Untrained down to"),
        Column("alike", "Rank correlation", 3, interval=True),
        Column("n", "n", 0),
    )
    rows = [
        {
            "method": title(each.method),
            "part": each.part,
            "alike": {
                "value": float(each.value),
                "interval": None if pd.isna(each.low) else [each.low, each.high],
            },
            "n": int(each.n),
        }
        for each in changed.sort_values(["method", "order"]).itertuples()
    ]
    return Table(columns, rows)


def _summary(methods: dict[str, Any], order: list[str]) -> str:
    gaps = {method: methods[method]["beyond"]["random"] for method in order}
    best = max(gaps, key=lambda method: gaps[method]["value"])
    beaten = [
        title(method)
        for method, gap in gaps.items()
        if gap["interval"] is None or gap["interval"][0] <= 0
    ]
    sentence = (
        f"Of {number(len(order))} kinds of attribution, {title(best)} ranks the cells of an image "
        "best by deletion and insertion"
    )
    if not beaten:
        return f"{sentence}; all do better than a random order."
    verb = "does" if len(beaten) == 1 else "do"
    return f"{sentence}; {' and '.join(beaten)} {verb} no better than a random order."
