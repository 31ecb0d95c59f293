"""The section on concept flow: where concepts can be read, and where predictions depend on them."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tickle_core.reporting.context import Context
from tickle_core.reporting.flow import figures
from tickle_core.reporting.flow.found import read
from tickle_core.reporting.kit.section import Section
from tickle_core.reporting.kit.tables import Column, Table, flag_linear_tails, known, number

LEADING = 3  # concepts named for an example, per layer


@dataclass(frozen=True)
class Example:
    """An image, and the concepts that it has most of in each layer: (concept, score)."""

    image_id: int
    class_name: str
    leading: dict[str, list[tuple[str, float]]]


def section(context: Context) -> Section:
    """Concepts by layers, groups of images and single images through the layers."""
    found, aliases = read(context), list(context.layers)
    layers = _in_order(found.layers, aliases)
    shown = examples(context, found.images)
    drawn = {"flow_map": figures.map_figure(layers)}
    groups = figures.group_figure(found.groups, aliases)
    if groups:
        drawn["flow_groups"] = groups
    return Section(
        name="flow",
        title="Concept flow",
        summary=_summary(found.metrics["first"]),
        settings=context.params.flow.model_dump(),
        figures=drawn,
        tables={
            "flow": flag_linear_tails(layer_table(layers), context.linear_tails),
            "flow_groups": group_table(found.groups),
            "flow_images": image_table(context, found.images),
        },
        image_ids={each.image_id for each in shown},
        facts={"examples": shown, "linear_tails": context.linear_tails},
    )


def _in_order(layers: pd.DataFrame, aliases: list[str]) -> pd.DataFrame:
    """Rows by concept and depth, with shares of the classes that were looked at."""
    place = layers["layer"].map({alias: number for number, alias in enumerate(aliases)})
    ordered = layers.assign(place=place).sort_values(["concept", "place"])
    return ordered.assign(
        tcav_share=ordered["significant"] / ordered["tested"].where(ordered["tested"] > 0),
        localised_share=ordered["localised"] / ordered["targets"].where(ordered["targets"] > 0),
    )


def examples(context: Context, images: pd.DataFrame) -> list[Example]:
    """The single images, in the order of their ids."""
    class_of = context.images.table["class_name"].to_numpy()
    return [
        Example(
            int(image),
            class_of[image],
            {
                alias: [
                    (row.concept, float(row.value))
                    for row in rows[rows["layer"] == alias].nlargest(LEADING, "value").itertuples()
                ]
                for alias in context.layers
            },
        )
        for image, rows in images.groupby("image_id", sort=True)
    ]


def layer_table(layers: pd.DataFrame) -> Table:
    """One row per concept and layer."""
    columns = (
        Column("concept", "Concept"),
        Column("layer", "Layer"),
        Column("accuracy", "Held-out accuracy", 3, interval=True),
        Column("untrained", "Untrained network", 3),
        Column("p_readable", "p, corrected", 4),
        Column("significant", "Significant classes", 0),
        Column("tested", "of", 0),
        Column("localised", "Classes whose logit runs along it", 0),
        Column("targets", "of", 0),
        Column("consistency", "Sign consistency", 2),
        Column("consistency_null", "Random sets", 2),
        Column("effect", "Effect of projecting out", 2, interval=True),
        Column("effect_null", "Other directions", 2, interval=True),
        Column("p_causal", "p, corrected", 4),
    )
    rows = [
        {
            **{key: known(each[key]) for key in NUMBERS},
            "concept": each["concept"],
            "layer": each["layer"],
            "accuracy": {
                "value": each["accuracy"],
                "interval": [each["accuracy_low"], each["accuracy_high"]],
            },
            "effect": {
                "value": each["effect"],
                "interval": None
                if pd.isna(each["effect_low"])
                else [each["effect_low"], each["effect_high"]],
            },
            "effect_null": {
                "value": (each["effect_null_low"] + each["effect_null_high"]) / 2,
                "range": [each["effect_null_low"], each["effect_null_high"]],
            },
            **{key: int(each[key]) for key in ("significant", "tested", "localised", "targets")},
        }
        for each in layers.to_dict("records")
    ]
    return Table(columns, rows)


NUMBERS = ("untrained", "p_readable", "consistency", "consistency_null", "p_causal")


def group_table(groups: pd.DataFrame) -> Table:
    """One row per concept, group of images and layer."""
    columns = (
        Column("concept", "Concept"),
        Column("group", "Images of"),
        Column("layer", "Layer"),
        Column("score", "Mean score", 2, interval=True),
        Column("n", "n", 0),
    )
    rows = [
        {
            "concept": each.concept,
            "group": each.group,
            "layer": each.layer,
            "score": {
                "value": float(each.value),
                "interval": None if pd.isna(each.low) else [each.low, each.high],
            },
            "n": int(each.n),
        }
        for each in groups.itertuples()
    ]
    return Table(columns, rows)


def image_table(context: Context, images: pd.DataFrame) -> Table:
    """One row per image, concept and layer."""
    class_of = context.images.table["class_name"].to_numpy()
    columns = (
        Column("image", "Image", 0),
        Column("class", "Class"),
        Column("concept", "Concept"),
        Column("layer", "Layer"),
        Column("score", "Score", 2),
    )
    rows = [
        {
            "image": int(each.image_id),
            "class": class_of[each.image_id],
            "concept": each.concept,
            "layer": each.layer,
            "score": float(each.value),
        }
        for each in images.itertuples()
    ]
    return Table(columns, rows)


def _summary(first: dict[str, Any]) -> str:
    def named(what: str) -> int:
        return sum(each[what] is not None for each in first.values())

    return (
        f"Of {number(len(first))} concepts, {number(named('readable'))} can be read from some "
        f"layer, {number(named('learnt'))} better there than without training; taking them away "
        f"changes predictions more than other directions do for {number(named('causal'))}."
    )
