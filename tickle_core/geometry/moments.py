"""Moments of sets of vectors, in float64: streamed, merged, and turned into spectra."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tickle_core.errors import TickleError


@dataclass(frozen=True)
class Moments:
    """Count, mean and scatter of a set of vectors: all that PCA needs to know of them."""

    n: int
    mean: np.ndarray  # (d,)
    scatter: np.ndarray  # (d, d): sum of (x - mean)(x - mean)^T


def row_moments(rows: np.ndarray) -> Moments:
    """Moments of rows of any float dtype, shape (n, d) with n >= 1.

    Raises
    ------
    ValueError
        If the rows are no floats, as bfloat16 values stored in uint16 are not.
    TickleError
        If a value is NaN or infinite.
    """
    mean, centred = _centre(rows)
    return Moments(len(rows), mean, centred.T @ centred)


def merge(parts: Sequence[Moments], counts: np.ndarray | None = None) -> Moments:
    """Moments of the union of the parts, exact up to rounding.

    The update of Chan, Golub and LeVeque (Algorithms for computing the sample variance, American
    Statistician 37, 1983), for any number of parts at once.

    Parameters
    ----------
    parts
        Moments over the same d dimensions.
    counts
        How often each part is taken, shape (len(parts),), not all zero; once if None.
    """
    if counts is None:
        counts = np.ones(len(parts), dtype=int)
    sizes = counts * [part.n for part in parts]
    # Relative to one of the means, a large common offset costs no digits.
    origin = parts[0].mean
    offsets = np.stack([part.mean - origin for part in parts])
    shift = sizes @ offsets / sizes.sum()
    between = np.sqrt(sizes)[:, None] * (offsets - shift)
    scatter = between.T @ between
    for count, part in zip(counts, parts, strict=True):
        scatter += count * part.scatter
    return Moments(int(sizes.sum()), origin + shift, scatter)


def assign_blocks(images: int, blocks: int, seed: int) -> np.ndarray:
    """A random block for each image, (images,); block sizes differ by at most one."""
    return np.random.default_rng(seed).permutation(images) % blocks


def block_moments(chunks: Iterable[tuple[np.ndarray, np.ndarray]], blocks: int) -> list[Moments]:
    """Moments of each block of a stream of vectors.

    Parameters
    ----------
    chunks
        Pairs of rows, (n, d), and their blocks, (n,), in 0 .. blocks - 1. Fastest where a chunk
        has many rows of each block that it touches.
    blocks
        Number of blocks.

    Raises
    ------
    ValueError
        If a block is out of range.
    TickleError
        If a block receives no vector, or for what `row_moments` refuses.
    """
    parts: dict[int, Moments] = {}
    for rows, ids in chunks:
        for block in np.unique(ids).tolist():
            part = row_moments(rows[ids == block])
            parts[block] = merge([parts[block], part]) if block in parts else part
    if not parts.keys() <= set(range(blocks)):
        raise ValueError(f"blocks {sorted(parts)} are not all in 0 .. {blocks - 1}")
    if len(parts) < blocks:
        raise TickleError(
            f"only {len(parts)} of {blocks} blocks received vectors: lower dimension.blocks or "
            "extract more images"
        )
    return [parts[block] for block in range(blocks)]


def covariance_eigenvalues(moments: Moments) -> np.ndarray:
    """Eigenvalues of the covariance, shape (d,), descending, none negative; needs n >= 2."""
    if moments.n < 2:
        raise ValueError(f"a covariance needs at least 2 vectors, not {moments.n}")
    return np.maximum(np.linalg.eigvalsh(moments.scatter / (moments.n - 1))[::-1], 0)


def in_own_span(rows: np.ndarray) -> np.ndarray:
    """Rows (n, d) in orthonormal coordinates of the space that they span, (n, min(n, d)) float64.

    Their mean is the origin. What lies in fewer dimensions costs no more than these.
    """
    _, centred = _centre(rows)
    n, d = rows.shape
    if n >= d:
        return centred
    squares, vectors = np.linalg.eigh(centred @ centred.T)
    return vectors * np.sqrt(np.maximum(squares, 0))


def _centre(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and centred rows, in float64."""
    if not np.issubdtype(rows.dtype, np.floating):
        raise ValueError(f"vectors are {rows.dtype}, not floats: decode them first")
    if not np.isfinite(rows).all():
        raise TickleError("a vector holds NaN or infinity: extract with a wider extract.dtype")
    # Relative to the first row, constant data are exactly zero and an offset costs no digits.
    origin = rows[0].astype(np.float64)
    offsets = rows - origin
    shift = offsets.mean(axis=0)
    return origin + shift, offsets - shift
