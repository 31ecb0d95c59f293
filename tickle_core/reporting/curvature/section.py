"""The section on curvature: shortest paths through the data against straight lines."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tickle_core.reporting.context import Context
from tickle_core.reporting.curvature import figures
from tickle_core.reporting.curvature.found import read
from tickle_core.reporting.kit.section import Section
from tickle_core.reporting.kit.tables import Column, Table, estimate, estimate_of, known

MOST_STEPS = 16  # of a path that is shown: two rows
SIDES = {"most": "Most bent", "least": "Least bent"}


@dataclass(frozen=True)
class Strip:
    """A path: the images along it, (id, class), and by how much it is longer."""

    side: str
    kappa: float
    images: list[tuple[int, str]]
    steps: int


def section(context: Context) -> Section:
    """Kappa of each layer, corrected; of classes; and paths to look at."""
    found = read(context)
    shown = strips(context, found.paths[context.headline_layer])
    drawn = {
        "curvature_layers": figures.layer_figure(found.metrics),
        "curvature_neighbours": figures.count_figure(found.by_count),
    }
    if len(found.classes[context.headline_layer]):
        drawn["curvature_classes"] = figures.class_figure(found.classes, context.class_names)
    return Section(
        name="curvature",
        title="Curvature",
        summary=_summary(found.metrics[context.headline_layer]),
        settings=context.params.curvature.model_dump(),
        figures=drawn,
        tables={
            "curvature": layer_table(found.metrics),
            "curvature_classes": class_table(found.classes, context.class_names),
            "curvature_neighbours": count_table(found.by_count),
        },
        image_ids={image for strip in shown for image, _ in strip.images},
        facts={
            "strips": shown,
            "sides": SIDES,
            "least_images": found.metrics[context.headline_layer]["least_images"],
        },
    )


def strips(context: Context, paths: pd.DataFrame) -> list[Strip]:
    """The paths that are shown; long ones without some of their images."""
    class_of = context.images.table["class_name"].to_numpy()
    found = []
    for side in SIDES:
        for _, path in paths[paths["side"] == side].groupby("rank", sort=True):
            ids = path.sort_values("step")["image_id"].to_numpy()
            places = np.unique(np.linspace(0, len(ids) - 1, min(len(ids), MOST_STEPS)).round())
            images = [(int(image), class_of[image]) for image in ids[places.astype(int)]]
            found.append(Strip(side, float(path["kappa"].iloc[0]), images, len(ids)))
    return found


def layer_table(layers: dict[str, Any]) -> Table:
    """One row per layer."""
    columns = (
        Column("layer", "Layer"),
        Column("kappa", "Longer by", 3, interval=True),
        Column("gaussian", "Flat Gaussian", 3, interval=True),
        Column("cube", "Flat cube", 3, interval=True),
        Column("by_gaussian", "Beyond the Gaussian", 3, interval=True),
        Column("untrained_gaussian", "Untrained network", 3, interval=True),
        Column("by_cube", "Beyond the cube", 3, interval=True),
        Column("untrained_cube", "Untrained network", 3, interval=True),
        Column("half", "Beyond the Gaussian, half the images", 3, interval=True),
        Column("unreachable", "Without a path", 3),
        Column("dimension", "Dimension of the cube", 0),
        Column("n", "n", 0),
    )
    rows = [
        {
            "layer": alias,
            "kappa": layer["kappa"],
            "gaussian": layer["kappa"]["null"],
            "cube": layer["cube"],
            "by_gaussian": layer["by_gaussian"],
            "untrained_gaussian": layer["by_gaussian"]["null"],
            "by_cube": layer["by_cube"],
            "untrained_cube": layer["by_cube"]["null"],
            "half": layer["half"]["by_gaussian"],
            "unreachable": layer["unreachable"]["value"],
            "dimension": layer["dimension"]["value"],
            "n": layer["kappa"]["n"],
        }
        for alias, layer in layers.items()
    ]
    return Table(columns, rows)


def class_table(classes: dict[str, pd.DataFrame], names: tuple[str, ...]) -> Table:
    """One row per layer and class."""
    columns = (
        Column("layer", "Layer"),
        Column("class", "Class"),
        Column("kappa", "Longer by", 3, interval=True),
        Column("by_gaussian", "Beyond the Gaussian", 3, interval=True),
        Column("by_cube", "Beyond the cube", 3, interval=True),
        Column("unreachable", "Without a path", 3),
        Column("n", "n", 0),
    )
    rows = [
        {
            "layer": alias,
            "class": names[each.label],
            **{name: estimate_of(each, name) for name in ("kappa", "by_gaussian", "by_cube")},
            "unreachable": float(each.unreachable),
            "n": int(each.n),
        }
        for alias, table in classes.items()
        for each in table.itertuples()
    ]
    return Table(columns, rows)


def count_table(by_count: dict[str, pd.DataFrame]) -> Table:
    """One row per layer, network and number of neighbours."""
    columns = (
        Column("layer", "Layer"),
        Column("of", "Network"),
        Column("neighbours", "Neighbours", 0),
        Column("kappa", "Longer by", 3),
        Column("by_gaussian", "Beyond the Gaussian", 3),
        Column("by_cube", "Beyond the cube", 3),
        Column("unreachable", "Without a path", 3),
    )
    numbers = ("kappa", "by_gaussian", "by_cube", "unreachable")
    rows = [
        {"layer": alias, "of": each.of, "neighbours": int(each.neighbours)}
        | {name: known(getattr(each, name)) for name in numbers}
        for alias, table in by_count.items()
        for each in table.itertuples()
    ]
    return Table(columns, rows)


def _summary(headline: dict[str, Any]) -> str:
    found = headline["by_gaussian"]
    if found["value"] is None:
        return ""
    return (
        "Shortest paths through the data are longer than through flat data, by "
        f"{estimate(found, 3)}; without training, by {estimate(found['null'], 3)}."
    )
