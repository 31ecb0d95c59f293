"""Writing one layer's activation store, shard by shard: a kill costs the shard under way."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr

from tickle_core import arrays
from tickle_core.activations.store import FILL, STORED_AS
from tickle_core.shards import ShardWriter


@dataclass(frozen=True)
class Layout:
    """What decides a store's arrays.

    Attributes
    ----------
    positions, channels, classes
        Sizes of the token and logit axes.
    prefix
        What the positions before the grid's are: "class" or "register" tokens, or none.
    grid
        [height, width] of the other positions, or None.
    dtype
        float16, bfloat16 or float32.
    shard_rows
        Images per shard.
    """

    positions: int
    channels: int
    classes: int
    prefix: list[str]
    grid: list[int] | None
    dtype: str
    shard_rows: int


def rows_per_shard(row_bytes: int, batch_size: int, shard_mib: int) -> int:
    """Images per shard: whole batches, a power of two of them, near `shard_mib` MiB.

    Whole batches, because then every image is always computed in the same batch, whichever other
    layers or shards a pass has to fill: the last bits of a convolution depend on the batch.
    """
    batches = 1
    while 2 * batches * batch_size * row_bytes <= shard_mib * 2**20:
        batches *= 2
    return batches * batch_size


def create_store(
    path: Path, layout: Layout, image_ids: np.ndarray, labels: np.ndarray, is_test: np.ndarray
) -> None:
    """Lay out an empty store, with its image columns; it appears complete or not at all."""
    making = path.with_name(f"{path.name}.making-{os.getpid()}")
    count = len(image_ids)
    arrays.create(
        making / "tokens",
        (count, layout.positions, layout.channels),
        STORED_AS[layout.dtype],
        layout.shard_rows,
        FILL[layout.dtype],
        {"dtype": layout.dtype, "grid": layout.grid, "prefix": layout.prefix},
    )
    for name, width in (("pooled", layout.channels), ("logits", layout.classes)):
        arrays.create(making / name, (count, width), "float32", layout.shard_rows, float("nan"))
    for name, column in (("image_ids", image_ids), ("labels", labels), ("is_test", is_test)):
        array = arrays.create(making / name, column.shape, column.dtype.name, max(1, count), 0)
        arrays.write_shard(array, 0, column)
    making.rename(path)


class StoreWriter:
    """Takes consecutive rows and writes the shards that are not there yet.

    A shard counts as done when its tokens are on disk; its logits and pooled rows go first.
    """

    def __init__(self, path: Path):
        self._arrays = tuple(
            zarr.open_array(path / name, mode="r+") for name in ("pooled", "logits", "tokens")
        )
        self._tokens = self._arrays[-1]
        self._done = {
            shard
            for shard in range(arrays.shard_count(self._tokens))
            if arrays.shard_path(self._tokens, shard).is_file()
        }
        self._open: tuple[ShardWriter, ...] = ()

    def lacks(self, row: int) -> bool:
        """Whether the shard of this row is still to be written."""
        return row // arrays.rows_per_shard(self._tokens) not in self._done

    def add(self, start: int, pooled: np.ndarray, logits: np.ndarray, tokens: np.ndarray) -> None:
        """Take the rows from `start` on; they lie within one shard and follow the last ones."""
        shard, offset = divmod(start, arrays.rows_per_shard(self._tokens))
        if offset == 0:
            self._open = tuple(ShardWriter(array, shard) for array in self._arrays)
        for writer, rows in zip(self._open, (pooled, logits, tokens), strict=True):
            writer.append(rows)
        if self._open[-1].rows_left == 0:
            self._done.add(shard)
