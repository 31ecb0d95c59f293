"""The gallery: strong latents of each layer and the held-out images on which they fire most.

Latents are ordered by energy, the sum of their squared activations over all held-out tokens. Those
that fire on more than half of the tokens come first in that order and say least: they encode what
most tokens share. They are counted, and left out of the gallery.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tickle_core.dictionaries.limits import DENSE, strongest
from tickle_core.reporting.context import Context
from tickle_core.reporting.kit import embedding
from tickle_core.reporting.kit.section import Dictionary
from tickle_core.reporting.kit.thumbs import Thumb, thumb

CHANCE_DRAWS = 2000


@dataclass(frozen=True)
class Latent:
    """A latent with its top images; `classes` says how these spread, most frequent first."""

    number: int
    density: float
    energy_share: float
    thumbs: list[Thumb]
    classes: list[tuple[str, int]]


@dataclass(frozen=True)
class LayerGallery:
    """The shown latents of a layer, and what was left out of the ranking as dense."""

    alias: str
    latents: list[Latent]
    dense: int
    dense_energy_share: float


@dataclass(frozen=True)
class Gallery:
    """All layers, and what agreement there would be by chance.

    Attributes
    ----------
    layers
        By depth.
    chance_agreement
        In 95 % of draws of as many held-out images as a latent shows, the most frequent class
        comes at most this often.
    """

    layers: list[LayerGallery]
    chance_agreement: int

    @property
    def thumbs(self) -> list[Thumb]:
        """All of them."""
        return [t for layer in self.layers for latent in layer.latents for t in latent.thumbs]

    @property
    def image_ids(self) -> set[int]:
        """Of the images that it shows."""
        return {thumb.image_id for thumb in self.thumbs}

    @property
    def has_heat(self) -> bool:
        """Whether some image has a heat map."""
        return any(thumb.heat for thumb in self.thumbs)

    @property
    def leading_classes(self) -> list[str]:
        """The classes that some shown latent fires for most, in alphabetical order."""
        latents = [latent for layer in self.layers for latent in layer.latents]
        return sorted({latent.classes[0][0] for latent in latents if latent.classes})


def gallery(context: Context, found: Dictionary) -> Gallery:
    """The strongest latents of every layer, as many as params.yaml asks for."""
    section = context.params.report
    size = context.images.size
    class_of = context.images.table["class_name"].to_numpy()
    layers = []
    for alias, table in found.latents.items():
        layer = context.layer_card(alias)
        energy = table["mean_square"] / (table["mean_square"].sum() or 1)
        is_dense = table["density"] > DENSE
        ranked = strongest(table, section.latents)
        tops = top_images(found.top_images[alias], ranked, section.images_per_latent)
        tops = tops.assign(heat=heat_overlays(tops, layer, found.activations[alias]))
        latents = [
            _latent(table.loc[row], energy[row], tops, class_of, layer, size)
            for row in ranked.index
        ]
        layers.append(LayerGallery(alias, latents, int(is_dense.sum()), energy[is_dense].sum()))
    labels = context.images.table["label"].to_numpy()[context.held_out]
    chance = chance_agreement(labels, section.images_per_latent, context.params.seed)
    return Gallery(layers, chance)


def top_images(table: pd.DataFrame, latents: pd.DataFrame, count: int) -> pd.DataFrame:
    """The first `count` ranks of the given latents, in the order of rank."""
    rows = table[table["latent"].isin(latents["latent"]) & (table["rank"] < count)]
    return rows.sort_values(["latent", "rank"])


def heat_overlays(
    tops: pd.DataFrame, layer: dict[str, Any], activations: Mapping[tuple[int, int], np.ndarray]
) -> list[str | None]:
    """Data URI of the heat map of each row of `tops`, relative to the latent's strongest image."""
    grid = layer["grid"]
    # A single patch is the whole image, and its value is written below it.
    if grid is None or grid[0] * grid[1] == 1:
        return [None] * len(tops)
    peaks = tops.groupby("latent")["value"].transform("max")
    pairs = zip(tops["latent"].tolist(), tops["rank"].tolist(), strict=True)
    patches = [activations[pair][len(layer["prefix"]) :].reshape(grid) for pair in pairs]
    return [embedding.overlay(each / peak) for each, peak in zip(patches, peaks, strict=True)]


def chance_agreement(labels: np.ndarray, count: int, seed: int) -> int:
    """How often the most frequent class comes in 95 % of random draws of `count` images."""
    rng = np.random.default_rng(seed)
    _, sizes = np.unique(labels, return_counts=True)
    drawn = rng.multivariate_hypergeometric(sizes, min(count, len(labels)), CHANCE_DRAWS)
    return int(np.quantile(drawn.max(axis=1), 0.95, method="higher"))


def _latent(
    row: pd.Series,
    energy_share: float,
    tops: pd.DataFrame,
    class_of: np.ndarray,
    layer: dict[str, Any],
    size: tuple[int, int],
) -> Latent:
    thumbs = [
        thumb(top.image_id, class_of, top.value, top.position, layer, size, top.heat)
        for top in tops[tops["latent"] == row["latent"]].itertuples()
    ]
    classes = Counter(thumb.class_name for thumb in thumbs).most_common()
    return Latent(int(row["latent"]), row["density"], energy_share, thumbs, classes)
