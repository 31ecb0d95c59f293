"""Row-sharded Zarr v3 arrays whose damage is noticed: the base of image sets and activation stores.

Plain Zarr forgives too much: a missing shard reads as the fill value, a write that is not aligned
to shards loses rows when two writers meet, and a flipped bit goes unseen. Here a shard is written
whole and once, every inner chunk carries a checksum, and opening an array compares the shard files
with the shape.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import LocalStore

from tickle_core.errors import TickleError

CHUNK_BYTES = 2 * 2**20
# Level 1 takes post-ReLU float16 to about 0.6 of its size; shuffling the bytes makes it worse, and
# faster codecs give most of the saving back.
ZSTD_LEVEL = 1


def create(
    path: Path,
    shape: tuple[int, ...],
    dtype: str,
    shard_rows: int,
    fill_value: Any,
    attributes: dict[str, Any] | None = None,
) -> zarr.Array:
    """Create an array that is sharded along its first axis.

    Parameters
    ----------
    shape
        (rows, ...); every other axis is stored whole.
    shard_rows
        Rows per shard file. The inner chunk is the largest power-of-two part of a shard that
        stays near 2 MiB, so that a single row can be read without the whole shard.
    fill_value
        What unwritten rows read as: NaN where the type has one.
    """
    row_bytes = int(np.prod(shape[1:])) * np.dtype(dtype).itemsize
    chunk_rows = shard_rows
    while chunk_rows % 2 == 0 and chunk_rows * row_bytes > CHUNK_BYTES:
        chunk_rows //= 2
    return zarr.create_array(
        path,
        shape=shape,
        dtype=dtype,
        chunks=(chunk_rows, *shape[1:]),
        shards=(shard_rows, *shape[1:]),
        compressors=[ZstdCodec(level=ZSTD_LEVEL), Crc32cCodec()],
        fill_value=fill_value,
        attributes=dict(sorted((attributes or {}).items())),
        # One flat folder of shard files: c.0.0, c.1.0, ...
        chunk_key_encoding={"name": "default", "separator": "."},
        # A shard that happens to equal the fill value is still a shard that was written.
        config={"write_empty_chunks": True},
    )


def rows_per_shard(array: zarr.Array) -> int:
    """How many rows a whole shard holds."""
    return (array.shards or array.chunks)[0]


def shard_count(array: zarr.Array) -> int:
    """Number of shards along the first axis."""
    return -(-array.shape[0] // rows_per_shard(array))


def shard_path(array: zarr.Array, shard: int) -> Path:
    """The file that holds a shard."""
    name = ".".join(["c", str(shard), *["0"] * (array.ndim - 1)])
    assert isinstance(array.store, LocalStore)
    return array.store.root / array.path / name


def shard_rows(array: zarr.Array, shard: int) -> slice:
    """The rows that a shard holds; the last one may be short."""
    size = rows_per_shard(array)
    return slice(shard * size, min((shard + 1) * size, array.shape[0]))


def write_shard(array: zarr.Array, shard: int, rows: np.ndarray) -> None:
    """Write one whole shard; the file appears under its name only when complete.

    Raises
    ------
    ValueError
        If `rows` is not exactly the shard's content.
    """
    place = shard_rows(array, shard)
    if rows.shape != (place.stop - place.start, *array.shape[1:]):
        raise ValueError(f"shard {shard} holds {place}, not rows of shape {rows.shape}")
    array[place] = rows


def open_complete(path: Path) -> zarr.Array:
    """Open an array for reading.

    Raises
    ------
    TickleError
        If it is missing, unreadable, or lacks a shard (which is named).
    """
    try:
        array = zarr.open_array(path, mode="r")
    except FileNotFoundError:
        raise TickleError(f"{path} is missing: `dvc repro` or `dvc checkout` brings it") from None
    except Exception as error:  # zarr raises many kinds on metadata that it cannot read
        raise TickleError(f"{path / 'zarr.json'} is damaged ({error}); {_REMEDY}") from None
    for shard in range(shard_count(array)):
        file = shard_path(array, shard)
        # Zarr takes an empty file for an unwritten shard.
        if not file.is_file() or file.stat().st_size == 0:
            raise TickleError(f"{file} is missing or empty; {_REMEDY}")
    return array


def read_rows(array: zarr.Array, start: int, stop: int) -> np.ndarray:
    """Rows start to stop, shape (stop - start, ...).

    Raises
    ------
    TickleError
        If a shard is damaged (checksum, truncation); it is named.
    """
    try:
        return np.asarray(array[start:stop])
    except Exception as error:  # a damaged shard surfaces as whatever its codec raises
        size = rows_per_shard(array)
        for shard in range(start // size, -(-stop // size)):
            try:
                array[shard_rows(array, shard)]
            except Exception:
                raise TickleError(
                    f"{shard_path(array, shard)} is damaged ({error}); {_REMEDY}"
                ) from None
        raise


def blocks(array: zarr.Array, most_bytes: int) -> Iterator[slice]:
    """Consecutive row ranges that follow chunk borders and stay near `most_bytes` each."""
    row_bytes = int(np.prod(array.shape[1:])) * array.dtype.itemsize
    chunks = max(1, most_bytes // (row_bytes * array.chunks[0]))
    step = chunks * array.chunks[0]
    for start in range(0, array.shape[0], step):
        yield slice(start, min(start + step, array.shape[0]))


_REMEDY = "delete the output that it belongs to and run `dvc checkout` or `dvc repro`"
