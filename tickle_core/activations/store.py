"""The activation store of one layer: what is on disk, and how it is read.

    <alias>.zarr/
        tokens     (N, positions, channels)  float16, float32, or bfloat16 as its 16 bits
        pooled     (N, channels) float32     mean over patches, taken before rounding
        logits     (N, classes) float32      the network's output for the same images
        image_ids  (N,) int64                rows of the image set, ascending
        labels     (N,) int64
        is_test    (N,) bool

All arrays have one row per image and are sharded by images. The attributes hold the dtype of the
activations; the prefix, which names the positions that are no patches of the image (the class and
register tokens of a vision transformer, which come first); and the grid [height, width] that the
patches fill row by row, or null.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from tickle_core import arrays, hashing
from tickle_core.errors import TickleError

STORED_AS = {"float16": "float16", "bfloat16": "uint16", "float32": "float32"}
# Unwritten rows must not look like activations: NaN, in bfloat16 by its bits.
FILL = {"float16": float("nan"), "bfloat16": 0x7FC0, "float32": float("nan")}
READ_BYTES = 32 * 2**20


@dataclass(frozen=True)
class ActivationStore:
    """A complete store, open for reading; row i of every array belongs to the same image."""

    path: Path
    attributes: dict[str, Any]
    tokens: zarr.Array
    image_ids: np.ndarray
    labels: np.ndarray
    is_test: np.ndarray

    @property
    def grid(self) -> list[int] | None:
        """[height, width] of the patches, or None where they form no grid."""
        return self.attributes["grid"]

    @property
    def prefix(self) -> list[str]:
        """What the first positions are that are no patches: "class", "register"."""
        return self.attributes["prefix"]

    @property
    def token_kinds(self) -> tuple[list[str], np.ndarray]:
        """The kinds of token (those of the prefix, then "patch"), and which each position is."""
        names = [*dict.fromkeys(self.prefix), "patch"]
        patches = self.tokens.shape[1] - len(self.prefix)
        return names, np.array([names.index(each) for each in [*self.prefix, *["patch"] * patches]])

    @property
    def train_rows(self) -> np.ndarray:
        """Rows of the train split, ascending."""
        return np.flatnonzero(~self.is_test)

    @property
    def test_rows(self) -> np.ndarray:
        """Rows of the test split, ascending."""
        return np.flatnonzero(self.is_test)

    def pooled(self) -> np.ndarray:
        """Mean over positions of every image, (N, channels) float32."""
        return _read_all(arrays.open_complete(self.path / "pooled"))

    def logits(self) -> np.ndarray:
        """The network's logits for every image, (N, classes) float32."""
        return _read_all(arrays.open_complete(self.path / "logits"))

    def predictions(self, rows: np.ndarray) -> np.ndarray:
        """The class that the network predicts for each of the given ascending rows, (n,) int64."""
        found = [logits.argmax(1) for _, logits in self.column_blocks("logits", rows)]
        return np.concatenate(found) if found else np.empty(0, np.int64)

    def column_blocks(self, name: str, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Read `pooled` or `logits` of the given ascending rows, a bounded block at a time.

        Yields
        ------
        tuple
            Row numbers (b,) and their values (b, width), about 32 MiB at most.
        """
        array = arrays.open_complete(self.path / name)
        yield from _blocks(array, rows)

    def content(self) -> list[str]:
        """Hashes that tell what the store holds.

        They are of the columns and the attributes: pooled activations and logits come from the
        same pass as the tokens, and are a small part of them.
        """
        parts = [self.path / name for name in ("image_ids", "is_test", "logits", "pooled")]
        files = sorted(file for part in parts for file in part.iterdir())
        return [hashing.of_file(file) for file in [*files, self.path / "tokens" / "zarr.json"]]

    def decode(self, stored: np.ndarray) -> np.ndarray:
        """Stored tokens as floats: float16 and float32 unchanged, bfloat16 widened to float32."""
        if self.attributes["dtype"] != "bfloat16":
            return stored
        return (stored.astype(np.uint32) << 16).view(np.float32)

    def token_blocks(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Read the tokens of the given rows in order, a bounded block at a time.

        Parameters
        ----------
        rows
            (n,) ascending row numbers.

        Yields
        ------
        tuple
            Row numbers (b,) and their tokens (b, positions, channels), about 32 MiB at most.
        """
        for block, stored in _blocks(self.tokens, rows):
            yield block, self.decode(stored)


def open_store(path: Path) -> ActivationStore:
    """Open a published store.

    Raises
    ------
    TickleError
        If it is missing or damaged; the missing or damaged piece is named.
    """
    tokens = arrays.open_complete(path / "tokens")
    columns = {
        name: _read_all(arrays.open_complete(path / name))
        for name in ("image_ids", "labels", "is_test")
    }
    for name in ("pooled", "logits"):
        arrays.open_complete(path / name)
    attributes = dict(tokens.attrs)
    if attributes.get("dtype") not in STORED_AS or "grid" not in attributes:
        raise TickleError(f"{path / 'tokens' / 'zarr.json'} is no activation store's")
    return ActivationStore(path, attributes, tokens, **columns)


def _blocks(array: zarr.Array, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for place in arrays.blocks(array, READ_BYTES):
        wanted = rows[np.searchsorted(rows, place.start) : np.searchsorted(rows, place.stop)]
        if len(wanted):
            block = arrays.read_rows(array, place.start, place.stop)
            yield wanted, block if len(wanted) == len(block) else block[wanted - place.start]


def _read_all(array: zarr.Array) -> np.ndarray:
    return arrays.read_rows(array, 0, array.shape[0])
