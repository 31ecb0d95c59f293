"""Patches of held-out images, a few of each, as points to be clustered."""

from dataclasses import dataclass

import numpy as np

from tickle_core.activations.store import ActivationStore


@dataclass(frozen=True)
class Patches:
    """n patches.

    Attributes
    ----------
    points
        (n, d) float32.
    images
        (n,) place of their image among the held-out ones, ascending.
    positions
        (n,) among the layer's tokens.
    """

    points: np.ndarray
    images: np.ndarray
    positions: np.ndarray


def draw(store: ActivationStore, rows: np.ndarray, of_each: int, seed: int) -> Patches:
    """`of_each` random patches of each image, or all where there are fewer.

    Memory: what is drawn, and a block of the store.

    Parameters
    ----------
    rows
        Ascending rows of the store, held out.
    """
    rng = np.random.default_rng(seed)
    prefix = len(store.prefix)
    count = min(of_each, store.tokens.shape[1] - prefix)
    points, positions = [], []
    for block, tokens in store.token_blocks(rows):
        chosen = rng.random((len(block), tokens.shape[1] - prefix)).argsort(1)[:, :count] + prefix
        points.append(np.take_along_axis(tokens, chosen[:, :, None], 1).astype(np.float32))
        positions.append(chosen)
    images = np.searchsorted(store.test_rows, rows).repeat(count)
    return Patches(
        np.concatenate(points).reshape(-1, tokens.shape[2]),
        images,
        np.concatenate(positions).ravel(),
    )
