"""The section on fractures: classes, concepts and latents whose points fall into parts."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tickle_core.reporting.context import Context
from tickle_core.reporting.fractures import figures
from tickle_core.reporting.fractures.found import read
from tickle_core.reporting.kit.section import Section
from tickle_core.reporting.kit.tables import Column, Table, number

KINDS = {"class": "classes", "concept": "concepts", "latent": "latents"}


@dataclass(frozen=True)
class Shown:
    """A unit with the images of its parts, (id, class), the larger part first."""

    title: str
    split: bool
    conductance: float
    flat: float
    p: float
    narrowness: float
    parts: list[list[tuple[int, str]]]


def section(context: Context) -> Section:
    """Which units come in parts, and what the parts are."""
    found = read(context)
    units = found.units[context.headline_layer]
    shown = gallery(context, units, found.fragments[context.headline_layer])
    return Section(
        name="fractures",
        title="Fractures",
        summary=_summary(found.metrics[context.headline_layer]),
        settings=context.params.fractures.model_dump(),
        figures={"fractures_cuts": figures.cut_figure(found.units)},
        tables={
            "fractures": layer_table(found.metrics),
            "fractures_units": unit_table(found.units),
        },
        image_ids={image for each in shown for part in each.parts for image, _ in part},
        facts={
            "gallery": shown,
            "least_points": found.metrics[context.headline_layer]["least_points"],
        },
    )


def gallery(context: Context, units: pd.DataFrame, fragments: pd.DataFrame) -> list[Shown]:
    """The most fractured units of a layer."""
    class_of = context.images.table["class_name"].to_numpy()
    found = []
    for unit in units.itertuples():
        own = fragments[(fragments["kind"] == unit.kind) & (fragments["name"] == unit.name)]
        if own.empty:
            continue
        parts = [
            [(int(image), class_of[image]) for image in part.sort_values("rank")["image_id"]]
            for _, part in own.groupby("part", sort=True)
        ]
        title = f"Latent {unit.name}" if unit.kind == "latent" else unit.name
        found.append(
            Shown(
                title,
                bool(unit.split),
                float(unit.conductance),
                float(unit.flat),
                float(unit.p),
                float(unit.narrowness),
                parts,
            )
        )
    return found


def layer_table(layers: dict[str, Any]) -> Table:
    """One row per layer and kind of unit."""
    columns = (
        Column("layer", "Layer"),
        Column("kind", "Kind"),
        Column("split", "In parts", 3, interval=True),
        Column("null", "Gaussians", 3, interval=True),
        Column("conductance", "Conductance, median", 3, interval=True),
        Column("flat", "Gaussians", 3, interval=True),
        Column("named", "Which"),
        Column("n", "n", 0),
    )
    rows = [
        {
            "layer": alias,
            "kind": words,
            "split": layer[kind]["split"],
            "null": layer[kind]["split"].get("null"),
            "conductance": layer[kind]["conductance"],
            "flat": layer[kind]["conductance"].get("null"),
            "named": ", ".join(layer[kind]["named"]),
            "n": layer[kind]["split"]["n"],
        }
        for alias, layer in layers.items()
        for kind, words in KINDS.items()
    ]
    return Table(columns, rows)


def unit_table(units: dict[str, pd.DataFrame]) -> Table:
    """One row per layer and unit."""
    columns = (
        Column("layer", "Layer"),
        Column("kind", "Kind"),
        Column("name", "Unit"),
        Column("conductance", "Conductance", 4),
        Column("flat", "Gaussians", 4),
        Column("narrowness", "Narrowness", 2),
        Column("p_cut", "p, cut", 4),
        Column("p_dip", "p, dip", 4),
        Column("p", "p, corrected", 4),
        Column("clusters", "HDBSCAN’s clusters", 0),
        Column("smaller", "Smaller part", 2),
        Column("in_parts", "In parts"),
        Column("n", "n", 0),
    )
    numbers = ("conductance", "flat", "narrowness", "p_cut", "p_dip", "p", "smaller")
    rows = [
        {
            "layer": alias,
            "kind": each.kind,
            "name": each.name,
            "clusters": int(each.clusters),
            "n": int(each.n),
            "in_parts": "yes" if each.split else "no",
            **{name: float(getattr(each, name)) for name in numbers},
        }
        for alias, table in units.items()
        for each in table.itertuples()
    ]
    return Table(columns, rows)


def _summary(headline: dict[str, Any]) -> str:
    parts = [
        f"{number(len(headline[kind]['named']))} of {number(headline[kind]['split']['n'])} {words}"
        for kind, words in KINDS.items()
        if headline[kind]["split"]["n"]
    ]
    if not parts:
        return ""
    *most, last = parts
    listed = f"{', '.join(most)} and {last}" if most else last
    return f"Of what was looked at, {listed} come in separate parts."
