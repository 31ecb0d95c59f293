"""Shuffled streams over arrays that do not fit in memory.

Chunks are visited in random order, each read whole, and their items (images, or tokens) are mixed
in a bounded pool. Random single reads would be one to two orders of magnitude slower.
"""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import zarr

from tickle_core import arrays, threads

READ_AHEAD = 4  # chunks of about 2 MiB, each read by a thread of its own
INDEX_BYTES = 16  # per item of a pool: the numbers that shuffle what is left at the end


def random_chunks(
    array: zarr.Array, rows: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read the given rows chunk by chunk, the chunks in random order.

    A few chunks are read ahead in threads while the caller works. What comes when depends on the
    generator alone.

    Parameters
    ----------
    rows
        (n,) sorted row numbers.

    Yields
    ------
    tuple
        Row numbers (b,) and their content (b, ...), at most one chunk at a time.
    """
    size = array.chunks[0]

    def read(chunk: int) -> tuple[np.ndarray, np.ndarray]:
        start = chunk * size
        wanted = rows[np.searchsorted(rows, start) : np.searchsorted(rows, start + size)]
        content = arrays.read_rows(array, start, min(start + size, array.shape[0]))
        if len(wanted) < len(content):
            content = content[wanted - start]
        return wanted, content

    order = rng.permutation(np.unique(rows // size))
    with ThreadPoolExecutor(READ_AHEAD) as readers:
        yield from threads.in_order(readers, read, order, READ_AHEAD + 1)


def mix(
    pieces: Iterator[tuple[np.ndarray, ...]],
    batch_size: int,
    pool_bytes: int,
    rng: np.random.Generator,
) -> Iterator[tuple[np.ndarray, ...]]:
    """Cut a stream of pieces into batches of shuffled items.

    Once the pool is full, every batch is a random sample of it, and the next items of the stream
    take the places of those that left. So an item stays for a random time, and two items of a
    batch come from the same piece half as often as if the pool were emptied before it is filled
    again. If everything fits, the shuffle is uniform.

    Parameters
    ----------
    pieces
        Tuples of arrays of equal length; position i of all arrays is one item.
    pool_bytes
        Bound on the pool and the numbers that shuffle it. The piece at hand and the batch that is
        served come on top. The pool holds a batch at least, whatever the bound.

    Yields
    ------
    tuple
        The same arrays, `batch_size` items each; only the very last batch may be shorter.
    """
    pool: tuple[np.ndarray, ...] = ()
    size, filled, free = 0, 0, np.empty(0, dtype=np.int64)
    for piece in pieces:
        if not pool:
            size = max(batch_size, pool_bytes // (_item_bytes(piece) + INDEX_BYTES))
            pool = tuple(np.empty((size, *column.shape[1:]), column.dtype) for column in piece)
        while len(piece[0]):
            if filled < size:
                places = np.arange(filled, min(size, filled + len(piece[0])))
                filled += len(places)
            else:
                places, free = np.split(free, [len(piece[0])])
            for held, column in zip(pool, piece, strict=True):
                held[places] = column[: len(places)]
            piece = tuple(column[len(places) :] for column in piece)
            if filled == size and not len(free):
                free = rng.choice(size, batch_size, replace=False)
                yield _take(pool, free)
    left = np.delete(np.arange(filled), free)
    rng.shuffle(left)
    for start in range(0, len(left), batch_size):
        yield _take(pool, left[start : start + batch_size])


def _item_bytes(piece: tuple[np.ndarray, ...]) -> int:
    return sum(column.dtype.itemsize * math.prod(column.shape[1:]) for column in piece)


def _take(pool: tuple[np.ndarray, ...], places: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(column.take(places, axis=0) for column in pool)
