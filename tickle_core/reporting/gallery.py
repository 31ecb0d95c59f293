"""The gallery: strong latents of each layer and the held-out images on which they fire most.

Latents are ordered by energy, the sum of their squared activations over all held-out tokens. Those
that fire on more than half of the tokens come first in that order and say least: they encode what
most tokens share. They are counted, and left out of the gallery.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tickle_core.dictionaries.telling import DENSE, strongest
from tickle_core.reporting import embedding
from tickle_core.reporting.findings import Findings

CHANCE_DRAWS = 2000

# (alias, image ids (n,), latents (n,)) -> each latent's activation at every position of its image,
# (n, positions).
HeatMaps = Callable[[str, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Thumb:
    """One top image of a latent.

    Attributes
    ----------
    mark
        (x, y, width, height), in pixels of the image, of the patch that fires; None where the
        strongest token is no patch.
    token
        What it is then: class or register; else empty.
    heat
        Data URI of the latent's activation over the patches, to be laid over the image; None
        where there are no patches to tell apart.
    """

    image_id: int
    class_name: str
    value: float
    mark: tuple[float, float, float, float] | None
    token: str
    heat: str | None


@dataclass(frozen=True)
class Latent:
    """A latent with its top images.

    Attributes
    ----------
    classes
        How the shown images spread over classes, most frequent first.
    top_class, purity
        The most frequent class among all top images that were kept, and its share of them.
    best_class, auc, auc_null
        The class whose images the latent ranks highest, how well it does so, and what its best
        class reaches under shuffled labels (95 % quantile); auc is None where there is no class
        to try.
    """

    number: int
    density: float
    energy_share: float
    thumbs: list[Thumb]
    classes: list[tuple[str, int]]
    top_class: str
    purity: float
    best_class: str
    auc: float | None
    auc_null: float | None


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
        In the order of params.yaml.
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


def gallery(findings: Findings, heat_maps: HeatMaps) -> Gallery:
    """The strongest latents of every layer, as many as params.yaml asks for."""
    section = findings.settings.report
    ranked = {alias: strongest(table, section.latents) for alias, table in findings.latents.items()}
    tops = {
        alias: top_images(findings.top_images[alias], ranked[alias], section.images_per_latent)
        for alias in findings.layers
    }
    size = findings.images.images.shape[1:3]
    class_of = findings.images.table["class_name"].to_numpy()
    layers = []
    for alias, table in findings.latents.items():
        layer = findings.card["layers"][findings.settings.layers[alias]]
        energy = table["mean_square"] / (table["mean_square"].sum() or 1)
        is_dense = table["density"] > DENSE
        top = tops[alias].assign(heat=heat_overlays(alias, tops[alias], layer, heat_maps))
        latents = [
            _latent(table.loc[row], energy[row], top, class_of, layer, size)
            for row in ranked[alias].index
        ]
        layers.append(LayerGallery(alias, latents, int(is_dense.sum()), energy[is_dense].sum()))
    labels = findings.images.table["label"].to_numpy()[findings.held_out]
    return Gallery(
        layers=layers,
        chance_agreement=chance_agreement(
            labels, section.images_per_latent, findings.settings.seed
        ),
    )


def top_images(table: pd.DataFrame, latents: pd.DataFrame, count: int) -> pd.DataFrame:
    """The first `count` ranks of the given latents, in the order of rank."""
    rows = table[table["latent"].isin(latents["latent"]) & (table["rank"] < count)]
    return rows.sort_values(["latent", "rank"])


def heat_overlays(
    alias: str, tops: pd.DataFrame, layer: dict[str, Any], heat_maps: HeatMaps
) -> list[str | None]:
    """Data URI of the heat map of each row of `tops`, relative to the latent's strongest image."""
    grid = layer["grid"]
    # A single patch is the whole image, and its value is written below it.
    if grid is None or grid[0] * grid[1] == 1 or tops.empty:
        return [None] * len(tops)
    maps = heat_maps(alias, tops["image_id"].to_numpy(), tops["latent"].to_numpy())
    patches = maps[:, len(layer["prefix"]) :].reshape(-1, *grid)
    peaks = tops.groupby("latent")["value"].transform("max")
    return [embedding.overlay(each / peak) for each, peak in zip(patches, peaks, strict=True)]


def thumb(
    image_id: int,
    class_of: np.ndarray,
    value: float,
    position: int,
    layer: dict[str, Any],
    size: tuple[int, int],
    heat: str | None = None,
) -> Thumb:
    """An image with its strongest position among a layer's tokens; -1 stands for none.

    Parameters
    ----------
    class_of
        Class name of each image of the set.
    layer
        Its entry of the model's card.
    size
        (height, width) of the images.
    """
    prefix = layer["prefix"]
    token = prefix[position] if 0 <= position < len(prefix) else ""
    patch = mark(position - len(prefix), layer["grid"], size)
    return Thumb(image_id, class_of[image_id], value, patch, token, heat)


def mark(
    position: int, grid: tuple[int, int] | None, size: tuple[int, int]
) -> tuple[float, float, float, float] | None:
    """The rectangle (x, y, width, height) of a grid cell in an image of `size` (height, width)."""
    if grid is None or position < 0:
        return None
    row, column = divmod(position, grid[1])
    height, width = size[0] / grid[0], size[1] / grid[1]
    return column * width, row * height, width, height


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
    counts = Counter(thumb.class_name for thumb in thumbs)
    told = pd.notna(row["auc"])
    return Latent(
        number=int(row["latent"]),
        density=row["density"],
        energy_share=energy_share,
        thumbs=thumbs,
        classes=counts.most_common(),
        top_class=row["top_class"],
        purity=row["purity"],
        best_class=row["best_class"],
        auc=row["auc"] if told else None,
        auc_null=row["auc_null"] if told else None,
    )
