"""Single tokens of a store."""

import numpy as np

from tickle_core.activations.store import ActivationStore


def tokens_at(store: ActivationStore, rows: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """The token at one position of each row, (n, d) float32; a block of the store at a time.

    Parameters
    ----------
    rows, positions
        (n,) ascending rows, and a place among the tokens of each.
    """
    found = []
    for block, tokens in store.token_blocks(rows):
        own = positions[np.searchsorted(rows, block)]
        found.append(tokens[np.arange(len(block)), own])
    return np.concatenate(found).astype(np.float32)
