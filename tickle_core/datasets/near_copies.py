"""Images that are nearly the same: another JPEG quality, another size, a flip.

Two images are near copies if, of small grey versions of them, both the whole and what is left
without the coarse shapes correlate by `ALIKE` or more, one of them flipped or not. (Of 500
photographs of ImageNet, copies at JPEG quality 30, half the size, or flipped reach 0.95 and more;
among different photographs the highest are 0.87 and 0.45.)
"""

from collections.abc import Sequence

import numpy as np
import zarr
from PIL import Image
from scipy.fft import dctn
from scipy.spatial import cKDTree

from tickle_core import arrays

SIDE = 32  # pixels of the small versions: 1 KiB per image in memory
COARSE = 8  # frequencies a side that are coarse shapes
SEARCHED = 6  # frequencies a side by which candidates are found
ALIKE = 0.95
CANDIDATES = 8  # of each image, nearest first: what keeps the search from growing with the square
BLOCK = 1024  # images, or pairs
BLOCK_BYTES = 64 * 2**20  # of images that are read at once


def pairs(images: zarr.Array, contents: Sequence[str]) -> np.ndarray:
    """Near copies that are no exact copies: (n, 2) ids, ascending in each row and down the rows.

    Parameters
    ----------
    images
        uint8 (n, H, W, C).
    contents
        Their content hashes.

    Notes
    -----
    The sum of squares bounds any part of it, so candidates within the distance that `ALIKE` allows
    are found by a few coarse frequencies, in a tree. Of an image with many near copies the nearest
    are found, from which the others are reached in steps.
    """
    small = _small(images)
    coarse, flipped = _coarse(small), _coarse(small[:, :, ::-1])
    tree = cKDTree(coarse)
    reach = np.sqrt(2 * (1 - ALIKE))
    found = []
    for points in (coarse, flipped):
        _, near = tree.query(points, CANDIDATES, distance_upper_bound=reach)
        rows, places = np.nonzero(near < len(small))  # the tree's word for none is n
        found.append(np.stack([rows, near[rows, places]], 1))
    candidates = np.unique(np.sort(np.concatenate(found), 1), axis=0)
    content = np.asarray(contents)
    candidates = candidates[content[candidates[:, 0]] != content[candidates[:, 1]]]
    kept = [
        part[_alike(small[part[:, 0]], small[part[:, 1]])]
        for part in np.split(candidates, range(BLOCK, len(candidates), BLOCK))
    ]
    return np.concatenate(kept)


def _small(images: zarr.Array) -> np.ndarray:
    """Grey versions: (n, SIDE, SIDE) uint8."""
    small = np.empty((images.shape[0], SIDE, SIDE), np.uint8)
    for block in arrays.blocks(images, BLOCK_BYTES):
        rows = arrays.read_rows(images, block.start, block.stop)
        for place, pixels in enumerate(rows, block.start):
            grey = Image.fromarray(pixels.mean(2).astype(np.uint8))
            small[place] = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BOX))
    return small


def _frequencies(small: np.ndarray) -> np.ndarray:
    """DCT of small versions without their mean, of unit norm: (n, SIDE, SIDE)."""
    found = dctn(small.astype(np.float32), axes=(1, 2), norm="ortho")
    found[:, 0, 0] = 0
    return found / np.maximum(np.linalg.norm(found, axis=(1, 2), keepdims=True), 1e-6)


def _coarse(small: np.ndarray) -> np.ndarray:
    parts = np.split(small, range(BLOCK, len(small), BLOCK))
    return np.concatenate(
        [_frequencies(part)[:, :SEARCHED, :SEARCHED].reshape(len(part), -1) for part in parts]
    )


def _alike(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Which pairs of small versions are near copies, (n,) bool."""
    one = _frequencies(first)
    both = [_frequencies(other) for other in (second, second[:, :, ::-1])]
    whole = np.max([(one * other).sum((1, 2)) for other in both], 0)
    fine = np.max([_fine_correlation(one, other) for other in both], 0)
    return (whole >= ALIKE) & (fine >= ALIKE)


def _fine_correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    fine = np.ones((SIDE, SIDE), bool)
    fine[:COARSE, :COARSE] = False
    one, other = one[:, fine], other[:, fine]
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return (one * other).sum(1) / np.maximum(norms, 1e-6)
