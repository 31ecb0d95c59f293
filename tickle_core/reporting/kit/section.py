"""What a section of the report consists of, and all that the page knows of an analysis."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from tickle_core.reporting.kit.tables import Table


@dataclass(frozen=True)
class LatentColumn:
    """What an analysis says of single latents: a line beside each in their gallery.

    Attributes
    ----------
    title
        Of the line.
    meaning
        Sentences that explain it, for "How to read it".
    cells
        By layer, then by latent: what the line says, and what follows it in a fainter ink.
    """

    title: str
    meaning: str
    cells: Mapping[str, Mapping[int, tuple[str, str]]]


@dataclass(frozen=True)
class LatentPictures:
    """A picture that an analysis has of some latents.

    Attributes
    ----------
    meaning
        What they are: "The framed picture on the left was <meaning>", a link to the section.
    title
        Of each, before the latent's number.
    keys
        By layer, then by latent: key among the section's `pictures`.
    """

    meaning: str
    title: str
    keys: Mapping[str, Mapping[int, str]]


@dataclass(frozen=True)
class Dictionary:
    """The latents of a dictionary, which the gallery shows.

    Attributes
    ----------
    latents
        By layer: latent, density, mean_square.
    top_images
        By layer: latent, rank, image_id, position, value.
    activations
        By layer and (latent, rank) of the strongest latents: the activation at each position of
        that top image, (positions,).
    """

    latents: Mapping[str, pd.DataFrame]
    top_images: Mapping[str, pd.DataFrame]
    activations: Mapping[str, Mapping[tuple[int, int], Any]]


@dataclass(frozen=True)
class Section:
    """An analysis on the page.

    Its template is `reporting/<name>/section.html.jinja`, which sees `section`, `figures` and
    `tables` (of all sections), `images` (embedded), `context` and the macros as `show`. A script
    for the page may stand beside it as `section.js`.

    Attributes
    ----------
    name
        Of its folder, and of the anchor.
    title
        Its heading.
    summary
        What was found, in one sentence of plain words.
    settings
        Its block of params.yaml.
    figures, tables
        By file name; written to reports/figures and reports/tables. The template places those
        that the page shows.
    curves
        By file name; written to reports/plots for `dvc plots`, which draws them beside those of
        other revisions. Columns: layer, line, and those that dvc.yaml names as x and y.
    image_ids
        Images of the set that it shows: the template refers to them as `image-<id>`.
    pictures
        Further images as data URIs: the template refers to them as `picture-<key>`.
    latents
        A dictionary whose latents are to be shown in the gallery.
    latent_columns, latent_pictures
        What it says and shows of single latents there.
    facts
        Further values for the template.
    """

    name: str
    title: str
    summary: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    curves: dict[str, pd.DataFrame] = field(default_factory=dict)
    image_ids: Collection[int] = ()
    pictures: dict[str, str] = field(default_factory=dict)
    latents: Dictionary | None = None
    latent_columns: tuple[LatentColumn, ...] = ()
    latent_pictures: LatentPictures | None = None
    facts: dict[str, Any] = field(default_factory=dict)
