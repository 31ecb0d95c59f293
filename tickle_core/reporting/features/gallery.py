"""Pictures of what units want, beside the natural images that excite them most and least."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from tickle_core.errors import TickleError
from tickle_core.reporting.context import Context
from tickle_core.reporting.features.found import Found
from tickle_core.reporting.kit import embedding
from tickle_core.reporting.kit.tables import known
from tickle_core.reporting.kit.thumbs import Thumb, mark, thumb

# Families of units in the order of the page, and what their units are called.
FAMILIES = {
    "latent": "latents",
    "channel": "channels",
    "direction": "random directions",
    "neuron": "neurons",
    "point": "random directions at one position",
    "layer": "whole layer",
    "logit": "classes",
    "mixture": "random mixtures of classes",
}
SHOWN_DIRECTIONS = 4  # of the random ones, for comparison; other random units are not shown
PER_ROW = 8  # pictures and natural images of a unit
LEAST = 2  # of them natural images that excite it least
FEWEST_BEST = 2


@dataclass(frozen=True)
class Picture:
    """A picture of what a unit wants.

    Attributes
    ----------
    key
        Names it among the embedded pictures.
    relative
        Its score, where the mean of noise (natural images with random phases) is 0 and the best
        natural image 1; None where these are not apart.
    mark
        As of `Thumb`.
    angle
        To the unit's best natural images, in degrees, at the layers before; None where there are
        none.
    other_road
        Whether that is more than natural images have.
    fires
        Of a latent: whether it is active on the picture; else None.
    """

    key: str
    score: float
    relative: float | None
    mark: tuple[float, float, float, float] | None
    angle: float | None
    other_road: bool
    fires: bool | None


@dataclass(frozen=True)
class Unit:
    """A unit with its pictures and natural images, strongest first and weakest first."""

    number: int
    title: str
    pictures: list[Picture]
    most: list[Thumb]
    least: list[Thumb]
    natural_best: float
    natural_high: float | None
    natural_median: float
    noise_mean: float
    noise_max: float
    angle_natural: float | None


@dataclass(frozen=True)
class PictureGallery:
    """Pictures of all layers.

    Attributes
    ----------
    layers
        By alias, then by family: units. Without classes, which are no layer's.
    classes
        Units of the family of logits, as the headline layer has them.
    pictures
        Data URI by key.
    """

    layers: dict[str, dict[str, list[Unit]]]
    classes: list[Unit]
    pictures: dict[str, str]

    @property
    def image_ids(self) -> set[int]:
        """Of the natural images that it shows."""
        families = [units for layer in self.layers.values() for units in layer.values()]
        units = [unit for family in [*families, self.classes] for unit in family]
        return {each.image_id for unit in units for each in [*unit.most, *unit.least]}

    @property
    def of_latents(self) -> dict[str, dict[int, str]]:
        """By layer, then by latent: the key of its first picture."""
        return {
            alias: {unit.number: unit.pictures[0].key for unit in families.get("latent", [])}
            for alias, families in self.layers.items()
        }


def gallery(context: Context, found: Found) -> PictureGallery:
    """The units that were pictured, in the order in which they were chosen, and some random ones.

    Raises
    ------
    TickleError
        If a picture is missing; it is named.
    """
    layers, files = {}, {}
    for alias, table in found.pictures.items():
        unseen = (table["family"] == "direction") & ~table["unit"].isin(range(SHOWN_DIRECTIONS))
        table = table[~unseen & ~table["family"].isin(["point", "mixture"])]
        if alias != context.headline_layer:
            table = table[table["family"] != "logit"]
        layers[alias] = {
            family: list(_units(context, found.natural[alias], alias, rows))
            for family, rows in table.groupby("family", sort=False)
        }
        folder = context.data / "features" / alias / "pictures"
        for row in table.itertuples():
            files[_key(alias, row)] = folder / Path(row.file).name
    classes = layers[context.headline_layer].pop("logit", [])
    ordered = {
        alias: {family: families[family] for family in FAMILIES if family in families}
        for alias, families in layers.items()
    }
    pictures = _embed(files, context.images.size)
    return PictureGallery(ordered, classes, pictures)


def relative(score: float, noise: float, natural: float) -> float | None:
    """A score on a scale where noise is 0 and the best natural image 1."""
    return (score - noise) / (natural - noise) if natural > noise else None


def _units(
    context: Context, natural: pd.DataFrame, alias: str, pictures: pd.DataFrame
) -> Iterator[Unit]:
    """The units of one family of one layer."""
    layer = context.layer_card(alias)
    class_of = context.images.table["class_name"].to_numpy()
    size = context.images.size
    natural = natural[natural["family"] == pictures["family"].iloc[0]].sort_values("rank")
    for unit, rows in pictures.groupby("unit", sort=False):
        first = rows.iloc[0]
        best = max(FEWEST_BEST, PER_ROW - LEAST - len(rows))
        most, least = (
            [
                thumb(each.image_id, class_of, each.score, each.position, layer, size)
                for each in natural[(natural["unit"] == unit) & (natural["side"] == side)]
                .head(count)
                .itertuples()
            ]
            for side, count in (("most", best), ("least", LEAST))
        )
        yield Unit(
            int(unit),
            _title(first, layer),
            [_picture(alias, row, layer, size) for row in rows.itertuples()],
            most,
            least,
            natural_best=float(first["natural_best"]),
            natural_high=known(first["natural_high"]),
            natural_median=float(first["natural_median"]),
            noise_mean=float(first["noise_mean"]),
            noise_max=float(first["noise_max"]),
            angle_natural=known(first["angle_natural"]),
        )


def _picture(alias: str, row: Any, layer: dict[str, Any], size: tuple[int, int]) -> Picture:
    return Picture(
        key=_key(alias, row),
        score=float(row.score),
        relative=relative(row.score, row.noise_mean, row.natural_best),
        mark=mark(row.position - len(layer["prefix"]), layer["grid"], size),
        angle=known(row.angle),
        other_road=not pd.isna(row.other_road) and bool(row.other_road),
        fires=None if pd.isna(row.fires) else bool(row.fires),
    )


def _title(row: pd.Series, layer: dict[str, Any]) -> str:
    """What the page calls a unit."""
    if row["family"] == "layer":
        return "Layer"
    if row["family"] == "logit":
        return row["name"]
    if row["family"] == "neuron":
        place = row["position"] - len(layer["prefix"])
        grid = layer["grid"]
        where = f"row {place // grid[1]}, column {place % grid[1]}" if grid else f"token {place}"
        return f"Channel {row['unit']} at {where}"
    kind = "Random direction" if row["family"] == "direction" else row["family"].capitalize()
    return f"{kind} {row['unit']}"


def _key(alias: str, row: Any) -> str:
    return f"{alias}-{row.family}-{row.unit}-{row.copy}"


def _embed(files: dict[str, Path], size: tuple[int, int]) -> dict[str, str]:
    """Data URI of each PNG file, of images of `size` (height, width)."""
    embedded = embedding.embedded_size(size, len(files))
    uris = {}
    for key, path in files.items():
        try:
            pixels = np.asarray(Image.open(path))
        except FileNotFoundError:
            raise TickleError(f"{path} is missing: run `dvc repro`") from None
        uris[key] = embedding.data_uri(np.atleast_3d(pixels), embedded)
    return uris
