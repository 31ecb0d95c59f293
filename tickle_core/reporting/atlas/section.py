"""The section on the atlas: what the patches of a layer are like, in clusters on a grid."""

from dataclasses import dataclass
from typing import Any

from tickle_core.reporting.atlas import figures
from tickle_core.reporting.atlas.found import Found, read
from tickle_core.reporting.context import Context
from tickle_core.reporting.kit import embedding
from tickle_core.reporting.kit.section import Section
from tickle_core.reporting.kit.tables import Column, Table, estimate, number
from tickle_core.reporting.kit.thumbs import mark

AROUND = 3.0  # sides of a patch that are shown around its middle: what the layer sees is larger
LEAST_SIDE = 0.25  # of the image that is shown


@dataclass(frozen=True)
class Patch:
    """A real patch: its image, and the part (x, y, width, height) of it that is shown."""

    image_id: int
    class_name: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Cell:
    """A cluster on the grid.

    Attributes
    ----------
    picture
        Key of its picture, if there is one.
    """

    row: int
    column: int
    share: float
    class_name: str
    class_share: float
    steady: float
    picture: str | None
    patches: list[Patch]


def section(context: Context) -> Section:
    """The clusters of each layer."""
    found = read(context)
    pictures: dict[str, str] = {}
    cells = {alias: _cells(context, found, alias, pictures) for alias in context.layers}
    return Section(
        name="atlas",
        title="Atlas",
        summary=_summary(found.metrics[context.headline_layer]),
        settings=context.params.atlas.model_dump(),
        figures={
            "atlas_purity": figures.purity_figure(found.metrics),
            "atlas_stability": figures.stability_figure(found.stability),
        },
        tables={
            "atlas": layer_table(found.metrics),
            "atlas_cells": cell_table(found, context.class_names),
        },
        image_ids={
            patch.image_id for own in cells.values() for cell in own for patch in cell.patches
        },
        pictures=pictures,
        facts={
            "cells": cells,
            "columns": {
                alias: 1 + max(cell.column for cell in own) for alias, own in cells.items()
            },
        },
    )


def _cells(context: Context, found: Found, alias: str, pictures: dict[str, str]) -> list[Cell]:
    """Cells in the order of the grid; their pictures are added to `pictures`."""
    layer, size = context.layer_card(alias), context.images.size
    class_of = context.images.table["class_name"].to_numpy()
    shown = embedding.embedded_size(size, len(found.cells[alias]))
    cells = []
    for each in found.cells[alias].sort_values(["row", "column"]).itertuples():
        patches = found.patches[alias]
        own = patches[patches["cell"] == each.cell].sort_values("rank")
        path = context.data / "atlas" / alias / f"{each.cell:03}.png"
        key = None
        if path.is_file():
            key = f"atlas-{alias}-{each.cell}"
            pictures[key] = embedding.data_uri(embedding.read(path), shown)
        cells.append(
            Cell(
                int(each.row),
                int(each.column),
                float(each.share),
                context.class_names[each.label],
                float(each.class_share),
                float(each.steady),
                key,
                [
                    Patch(int(p.image_id), class_of[p.image_id], box(p.position, layer, size))
                    for p in own.itertuples()
                ],
            )
        )
    return cells


def box(
    position: int, layer: dict[str, Any], size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """What is shown of an image (height, width) for a position among the layer's tokens."""
    height, width = size
    found = mark(position - len(layer["prefix"]), layer["grid"], size)
    if found is None:
        return 0.0, 0.0, float(width), float(height)
    x, y, patch_width, patch_height = found
    side = min(max(AROUND * patch_width, AROUND * patch_height, LEAST_SIDE * width), width, height)
    left = min(max(0.0, x + patch_width / 2 - side / 2), width - side)
    top = min(max(0.0, y + patch_height / 2 - side / 2), height - side)
    return left, top, side, side


def layer_table(layers: dict[str, Any]) -> Table:
    """One row per layer."""
    columns = (
        Column("layer", "Layer"),
        Column("clusters", "Clusters", 0),
        Column("purity", "Purity", 3, interval=True),
        Column("shuffled", "Shuffled classes", 3, interval=True),
        Column("majority", "Most frequent class", 3),
        Column("untrained", "Untrained network", 3, interval=True),
        Column("half", "Half the images", 3, interval=True),
        Column("raw", "As counted", 3),
        Column("ami", "AMI", 3),
        Column("ami_untrained", "Untrained network", 3),
        Column("stability", "Stability", 3, interval=True),
        Column("flat", "Gaussian", 3, interval=True),
        Column("noise", "Noise", 3, interval=True),
        Column("n", "n", 0),
    )
    rows = [
        {
            "layer": alias,
            "clusters": layer["clusters"]["value"],
            "purity": layer["purity"],
            "shuffled": layer["purity"]["null"],
            "majority": layer["majority"]["value"],
            "untrained": layer["purity"]["untrained"],
            "half": layer["half"],
            "raw": layer["raw"]["value"],
            "ami": layer["ami"]["value"],
            "ami_untrained": layer["ami"]["untrained"]["value"],
            "stability": layer["stability"],
            "flat": layer["stability"]["null"],
            "noise": layer["noise"],
            "n": layer["purity"]["n"],
        }
        for alias, layer in layers.items()
    ]
    return Table(columns, rows)


def cell_table(found: Found, names: tuple[str, ...]) -> Table:
    """One row per layer and cluster."""
    columns = (
        Column("layer", "Layer"),
        Column("cell", "Cluster", 0),
        Column("share", "Share of the patches", 4),
        Column("class", "Most frequent class"),
        Column("class_share", "Its share", 3),
        Column("steady", "Steady", 3),
    )
    rows = [
        {
            "layer": alias,
            "cell": int(each.cell),
            "share": float(each.share),
            "class": names[each.label],
            "class_share": float(each.class_share),
            "steady": float(each.steady),
        }
        for alias, table in found.cells.items()
        for each in table.itertuples()
    ]
    return Table(columns, rows)


def _summary(headline: dict[str, Any]) -> str:
    clusters, purity = headline["clusters"]["value"], headline["purity"]
    return (
        f"In {number(clusters)} clusters, {estimate(purity, 3)} of the patches lie with their "
        f"image’s class; without training {estimate(purity['untrained'], 3)}, by chance "
        f"{estimate({'value': purity['null']['value']}, 3)}."
    )
