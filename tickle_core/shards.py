"""Writing a shard chunk by chunk, as its rows come.

Zarr writes a shard in one call: the whole of it stands in memory, is copied several times on the
way, and everything else waits while it is compressed. Here each inner chunk is compressed as soon
as it is full. The file is the same to the byte
(https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/).
"""

import google_crc32c
import numpy as np
import zarr
from numcodecs.zstd import Zstd

from tickle_core import arrays

ABSENT = np.iinfo(np.uint64).max  # in the index: a chunk that lies beyond the array's end


class ShardWriter:
    """Takes the rows of one shard in order; the file gets its name when the last one came."""

    def __init__(self, array: zarr.Array, shard: int):
        place = arrays.shard_rows(array, shard)
        self._rows_left = place.stop - place.start
        self._fill_value = array.fill_value
        self._chunk = np.empty(array.chunks, array.dtype)
        self._filled = 0  # rows of the chunk
        self._chunks_written = 0
        self._index = np.full((arrays.rows_per_shard(array) // array.chunks[0], 2), ABSENT, "<u8")
        self._compressor = Zstd(level=arrays.ZSTD_LEVEL)
        self._path = arrays.shard_path(array, shard)
        self._partial = self._path.with_name(f"{self._path.name}.partial")
        self._file = self._partial.open("wb")

    @property
    def rows_left(self) -> int:
        """How many rows are still to come; with the last one the shard is on disk."""
        return self._rows_left

    def append(self, rows: np.ndarray) -> None:
        """Take the next rows, shape (n, ...).

        Raises
        ------
        ValueError
            If they are more than the shard has left.
        OSError
            If the disk is full, say; no incomplete file gets the shard's name.
        """
        if len(rows) > self._rows_left:
            raise ValueError(f"{self._path} has {self._rows_left} rows left, not {len(rows)}")
        self._rows_left -= len(rows)
        while len(rows):
            taken = rows[: len(self._chunk) - self._filled]
            rows = rows[len(taken) :]
            if len(taken) == len(self._chunk):
                self._write_chunk(np.ascontiguousarray(taken, self._chunk.dtype))
                continue
            self._chunk[self._filled : self._filled + len(taken)] = taken
            self._filled += len(taken)
            if self._filled == len(self._chunk):
                self._write_chunk(self._chunk)
                self._filled = 0
        if not self._rows_left:
            self._finish()

    def _write_chunk(self, chunk: np.ndarray) -> None:
        encoded = self._compressor.encode(chunk)
        self._index[self._chunks_written] = self._file.tell(), len(encoded) + 4
        self._chunks_written += 1
        self._file.write(encoded)
        self._file.write(_checksum(encoded))

    def _finish(self) -> None:
        if self._filled:
            self._chunk[self._filled :] = self._fill_value
            self._write_chunk(self._chunk)
        index = self._index.tobytes()
        self._file.write(index)
        self._file.write(_checksum(index))
        self._file.close()
        self._partial.replace(self._path)


def _checksum(content: bytes) -> bytes:
    return google_crc32c.value(content).to_bytes(4, "little")
