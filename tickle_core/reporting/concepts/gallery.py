"""The held-out images that have most of each concept, with maps of where."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tickle_core.reporting.context import Context
from tickle_core.reporting.kit import embedding
from tickle_core.reporting.kit.thumbs import Thumb, thumb


@dataclass(frozen=True)
class Shown:
    """A concept's strongest images.

    Attributes
    ----------
    members
        How many of them belong to it; None where no image of the set does.
    thumbs
        With heat where the pointwise vector's map is above its mean.
    """

    concept: str
    members: int | None
    thumbs: list[Thumb]


def gallery(context: Context, maps: pd.DataFrame, sources: dict[str, str]) -> list[Shown]:
    """Of the headline layer; `sources` says where each concept's images come from."""
    layer = context.layer_card(context.headline_layer)
    class_of = context.images.table["class_name"].to_numpy()
    shown = []
    for concept, rows in maps.groupby("concept", sort=True):
        rows = rows.sort_values("rank")
        natural = sources[concept] in ("classes", "synsets", "pixels")
        shown.append(
            Shown(
                concept,
                int(rows["member"].sum()) if natural else None,
                _thumbs(context, rows, layer, class_of),
            )
        )
    return shown


def _thumbs(
    context: Context, rows: pd.DataFrame, layer: dict[str, Any], class_of: np.ndarray
) -> list[Thumb]:
    heats = np.stack(rows["pointwise"].tolist())
    most = heats.max()
    found = []
    for row, values in zip(rows.itertuples(), heats, strict=True):
        heat = None
        if layer["grid"] and len(values) > 1 and most > 0:
            heat = embedding.overlay((values / most).reshape(layer["grid"]))
        found.append(thumb(row.image_id, class_of, row.score, -1, layer, context.images.size, heat))
    return found
