"""Held-out images to rank units by or to judge them on, each with another one as its donor."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from tickle_core.activations.store import ActivationStore
from tickle_core.models.accuracy import batch_size
from tickle_core.models.splicing import Splice

MOST_TOKENS = 2**15  # of a batch: each takes a few numbers per unit that is looked at


@dataclass(frozen=True)
class Images:
    """Images of a store.

    Attributes
    ----------
    ids
        (n,) ascending, of the image set.
    tokens
        (n, positions, d), as they are stored.
    donors
        (n,) which of the n images each takes its activations from when it is resampled.
    """

    ids: np.ndarray
    tokens: np.ndarray
    donors: np.ndarray


@dataclass(frozen=True)
class ImageBatch:
    """A few images: their places among the n, and their tokens and their donors', (b, P, d)."""

    places: slice
    ids: np.ndarray
    tokens: torch.Tensor
    donors: torch.Tensor


def read_images(store: ActivationStore, rows: np.ndarray, seed: int) -> Images:
    """Read images and deal donors among them. Memory: their stored tokens.

    Parameters
    ----------
    rows
        (n,) ascending rows of the store, at least two.
    """
    tokens = np.concatenate([block for _, block in store.token_blocks(rows)])
    return Images(store.image_ids[rows], tokens, derangement(len(rows), seed))


def derangement(n: int, seed: int) -> np.ndarray:
    """A random permutation of n >= 2 that leaves nothing in its place: one cycle through all.

    A donor is thereby a random other image, whatever the order in which the images come; in a
    data set that is sorted by class, the next but so many would always be of the same few classes.
    """
    order = np.random.default_rng(seed).permutation(n)
    donors = np.empty(n, np.int64)
    donors[order] = np.roll(order, 1)
    return donors


def batches(images: Images, splice: Splice) -> Iterator[ImageBatch]:
    """Images with their donors as float32 on the network's device, a batch at a time."""
    n, positions, _ = images.tokens.shape
    size = max(1, min(batch_size(splice.images), MOST_TOKENS // positions))
    device = splice.classifier.device
    for start in range(0, n, size):
        places = slice(start, min(start + size, n))
        own, donors = (
            torch.from_numpy(images.tokens[each]).to(device).float()
            for each in (places, images.donors[places])
        )
        yield ImageBatch(places, images.ids[places], own, donors)
