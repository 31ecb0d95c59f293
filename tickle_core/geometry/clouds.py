"""Points of a layer: one vector of each held-out image, copies left out, and their neighbours.

image    the image's pooled vector
token    one of its patches, drawn at random: several of the same image would not be independent
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from tickle_core import arrays
from tickle_core.activations.picking import tokens_at
from tickle_core.activations.store import ActivationStore
from tickle_core.geometry.neighbours import Neighbours, distinct

Unit = Literal["image", "token"]
UNITS: tuple[Unit, ...] = ("image", "token")


@dataclass(frozen=True)
class Cloud:
    """Points of n images that are no copies of each other.

    Attributes
    ----------
    points
        (n, d), as the store has them.
    images
        (n,) the image that each comes from: its place among the store's held-out ones, ascending.
    neighbours
        Of the points.
    copies
        How many more were looked at, and are copies.
    """

    points: np.ndarray
    images: np.ndarray
    neighbours: Neighbours
    copies: int


def write(store: ActivationStore, rows: np.ndarray, count: int, seed: int, folder: Path) -> None:
    """Find the neighbours of both units and keep them below a folder that exists.

    Leaves `<unit>.parquet`, of each point `row` (of the store), `position` (of its token, -1 for
    pooled vectors) and `copy_of` (its own number if it is no copy), and `<unit>.zarr`, which holds
    `indices` and `distances` of those that are none.

    Parameters
    ----------
    rows
        (N,) ascending rows of the store, held out.
    count
        Neighbours kept of each point.
    """
    patches = np.arange(len(store.prefix), store.tokens.shape[1])
    drawn = np.random.default_rng(seed).choice(patches, len(rows))
    for unit, positions in {"image": np.full(len(rows), -1), "token": drawn}.items():
        first, found = distinct(_points(store, rows, positions), count)
        table = pd.DataFrame({"row": rows, "position": positions, "copy_of": first})
        table.to_parquet(folder / f"{unit}.parquet", index=False)
        for name, values in {"indices": found.indices, "distances": found.distances}.items():
            path = folder / f"{unit}.zarr" / name
            array = arrays.create(path, values.shape, values.dtype.name, len(values), 0)
            arrays.write_shard(array, 0, values)


def read(store: ActivationStore, folder: Path, unit: Unit) -> Cloud:
    """What `write` left of one unit.

    Raises
    ------
    TickleError
        If a file is missing or damaged.
    """
    table = pd.read_parquet(folder / f"{unit}.parquet")
    kept = table[table["copy_of"] == table.index]
    rows = kept["row"].to_numpy()
    indices, distances = (
        arrays.read_rows(arrays.open_complete(folder / f"{unit}.zarr" / name), 0, len(rows))
        for name in ("indices", "distances")
    )
    points = _points(store, rows, kept["position"].to_numpy())
    images = np.searchsorted(store.test_rows, rows)
    return Cloud(points, images, Neighbours(indices, distances), len(table) - len(kept))


def _points(store: ActivationStore, rows: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Vectors (n, d) float32 of one unit, in the order of their ascending rows."""
    if positions[0] < 0:
        return np.concatenate([values for _, values in store.column_blocks("pooled", rows)])
    return tokens_at(store, rows, positions)
