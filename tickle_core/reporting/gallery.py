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

from tickle_core.reporting import embedding
from tickle_core.reporting.findings import Findings

DENSE = 0.5  # share of tokens above which a latent is left out
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
        (x, y, width, height), in pixels of the embedded image, of the patch that fires; None
        where the strongest token is no patch.
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
    """All layers, and the images that they show.

    Attributes
    ----------
    layers
        In the order of params.yaml.
    images
        Data URI by image id; each image is embedded once, however many latents it serves.
    size
        (width, height) of the embedded images, in pixels.
    crisp
        Whether they are the images as they are, to be shown pixel by pixel.
    chance_agreement
        In 95 % of draws of as many held-out images as a latent shows, the most frequent class
        comes at most this often.
    """

    layers: list[LayerGallery]
    images: dict[int, str]
    size: tuple[int, int]
    crisp: bool
    chance_agreement: int

    @property
    def has_heat(self) -> bool:
        """Whether some image has a heat map."""
        return any(t.heat for layer in self.layers for each in layer.latents for t in each.thumbs)

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
    ids = np.unique(np.concatenate([top["image_id"] for top in tops.values()]).astype(np.int64))
    pixels = findings.images.images.shape[1:3]
    size = embedding.embedded_size(pixels, len(ids))
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
        images=embedding.embed(findings.images, ids, size),
        size=size[::-1],
        crisp=embedding.is_small(pixels),
        chance_agreement=chance_agreement(
            labels, section.images_per_latent, findings.settings.seed
        ),
    )


def strongest(latents: pd.DataFrame, count: int) -> pd.DataFrame:
    """The rows of the latents that fire, but on no more than `DENSE` of the tokens, by energy."""
    telling = latents[(latents["density"] > 0) & (latents["density"] <= DENSE)]
    order = ["mean_square", "latent"]
    return telling.sort_values(order, ascending=[False, True]).head(count)


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
    prefix = layer["prefix"]
    thumbs = [
        Thumb(
            top.image_id,
            class_of[top.image_id],
            top.value,
            mark(top.position - len(prefix), layer["grid"], size),
            prefix[top.position] if top.position < len(prefix) else "",
            top.heat,
        )
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
