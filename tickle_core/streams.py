"""Shuffled streams over arrays that do not fit in memory.

Chunks are visited in random order, each read whole, and their items (images, or tokens) are mixed
in a bounded pool. Random single reads would be one to two orders of magnitude slower.
"""

from collections.abc import Iterator

import numpy as np
import zarr

from tickle_core import arrays

# While the pool is mixed, its content stands in memory up to three times: the pieces, their
# concatenation, and what is kept of it.
POOL_COPIES = 3


def random_chunks(
    array: zarr.Array, rows: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read the given rows chunk by chunk, the chunks in random order.

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
    for chunk in rng.permutation(np.unique(rows // size)):
        start = chunk * size
        wanted = rows[np.searchsorted(rows, start) : np.searchsorted(rows, start + size)]
        content = arrays.read_rows(array, start, min(start + size, array.shape[0]))
        yield wanted, content[wanted - start]


def mix(
    pieces: Iterator[tuple[np.ndarray, ...]],
    batch_size: int,
    pool_bytes: int,
    rng: np.random.Generator,
) -> Iterator[tuple[np.ndarray, ...]]:
    """Cut a stream of pieces into batches of shuffled items.

    The pool is filled, shuffled, and half of it served before it is filled again, so an item
    leaves together with items from all pieces that the pool held. If everything fits, the shuffle
    is uniform.

    Parameters
    ----------
    pieces
        Tuples of arrays of equal length; position i of all arrays is one item.
    pool_bytes
        Bound on the memory used here, copies included.

    Yields
    ------
    tuple
        The same arrays, `batch_size` items each; only the very last batch may be shorter.
    """
    held: list[tuple[np.ndarray, ...]] = []
    held_bytes = 0
    for piece in pieces:
        held.append(piece)
        held_bytes += sum(column.nbytes for column in piece)
        if held_bytes * POOL_COPIES < pool_bytes:
            continue
        pool, order = _shuffled(held, rng)
        served = len(order) // 2 // batch_size * batch_size
        yield from _batches(pool, order[:served], batch_size)
        held = [tuple(column[order[served:]] for column in pool)]
        held_bytes = sum(column.nbytes for column in held[0])
    if held:
        yield from _batches(*_shuffled(held, rng), batch_size)


def _shuffled(
    held: list[tuple[np.ndarray, ...]], rng: np.random.Generator
) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    pool = tuple(np.concatenate(columns) for columns in zip(*held, strict=True))
    return pool, rng.permutation(len(pool[0]))


def _batches(
    pool: tuple[np.ndarray, ...], order: np.ndarray, batch_size: int
) -> Iterator[tuple[np.ndarray, ...]]:
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        yield tuple(column[chosen] for column in pool)
