"""The gallery: strong latents of each layer and the held-out images on which they fire most.

Latents are ordered by energy, the sum of their squared activations over all held-out tokens. Those
that fire on more than half of the tokens come first in that order and say least: they encode what
most tokens share. They are counted, and left out of the gallery.
"""

import base64
import io
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from tickle_core.datasets.image_set import ImageSet
from tickle_core.reporting.findings import Findings

DENSE = 0.5  # share of tokens above which a latent is left out
CHANCE_DRAWS = 2000

# Sides in pixels of the embedded images. Up to LOSSLESS_SIDE they are embedded as they are, as a
# pixel of theirs counts; photographs are compressed.
LOSSLESS_SIDE = 64
LARGEST_SIDE = 112
SMALLEST_SIDE = 48
MOST_PIXELS = 4_000_000  # of all of them together: a page of a few MB
READ_AT_ONCE = 256


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
    """

    image_id: int
    class_name: str
    value: float
    mark: tuple[float, float, float, float] | None
    token: str


@dataclass(frozen=True)
class Latent:
    """A latent with its top images, and how these spread over classes, most frequent first."""

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
    def leading_classes(self) -> list[str]:
        """The classes that some shown latent fires for most, in alphabetical order."""
        latents = [latent for layer in self.layers for latent in layer.latents]
        return sorted({latent.classes[0][0] for latent in latents if latent.classes})


def gallery(findings: Findings) -> Gallery:
    """The strongest latents of every layer, as many as params.yaml asks for."""
    section = findings.settings.report
    ranked = {alias: strongest(table, section.latents) for alias, table in findings.latents.items()}
    tops = {
        alias: top_images(findings.top_images[alias], ranked[alias], section.images_per_latent)
        for alias in findings.layers
    }
    ids = np.unique(np.concatenate([top["image_id"] for top in tops.values()]).astype(np.int64))
    height, width = embedded_size(findings.images.images.shape[1:3], len(ids))
    class_of = findings.images.table["class_name"].to_numpy()
    layers = []
    for alias, table in findings.latents.items():
        layer = findings.card["layers"][findings.settings.layers[alias]]
        energy = table["mean_square"] / (table["mean_square"].sum() or 1)
        is_dense = table["density"] > DENSE
        latents = [
            _latent(table.loc[row], energy[row], tops[alias], class_of, layer, (height, width))
            for row in ranked[alias].index
        ]
        layers.append(LayerGallery(alias, latents, int(is_dense.sum()), energy[is_dense].sum()))
    labels = findings.images.table["label"].to_numpy()[findings.held_out]
    return Gallery(
        layers=layers,
        images=embed(findings.images, ids, (height, width)),
        size=(width, height),
        crisp=_is_small(findings.images.images.shape[1:3]),
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


def embedded_size(size: tuple[int, int], count: int) -> tuple[int, int]:
    """(height, width) at which `count` images of a size are embedded."""
    if _is_small(size):
        return size
    affordable = (MOST_PIXELS / max(1, count)) ** 0.5
    side = min(max(SMALLEST_SIDE, affordable), LARGEST_SIDE, max(size))
    return tuple(max(1, round(side * length / max(size))) for length in size)


def embed(images: ImageSet, ids: np.ndarray, size: tuple[int, int]) -> dict[int, str]:
    """Data URI of each image, at `size` (height, width): PNG if it is small, else JPEG."""
    uris = {}
    for start in range(0, len(ids), READ_AT_ONCE):
        block = ids[start : start + READ_AT_ONCE]
        for image_id, pixels in zip(block.tolist(), images.read(block), strict=True):
            uris[image_id] = _data_uri(pixels, size)
    return uris


def _is_small(size: tuple[int, int]) -> bool:
    return max(size) <= LOSSLESS_SIDE


def _data_uri(pixels: np.ndarray, size: tuple[int, int]) -> str:
    # Pillow takes a grey image without its channel axis.
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    file = io.BytesIO()
    if _is_small(pixels.shape[:2]):
        kind = "png"
        image.save(file, "PNG", optimize=True)
    else:
        kind = "jpeg"
        small = image.resize((size[1], size[0]), Image.Resampling.BOX)
        small.save(file, "JPEG", quality=85, subsampling=0)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


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
        )
        for top in tops[tops["latent"] == row["latent"]].itertuples()
    ]
    counts = Counter(thumb.class_name for thumb in thumbs)
    return Latent(int(row["latent"]), row["density"], energy_share, thumbs, counts.most_common())
