"""What a layer makes of the items that sets are drawn from."""

from dataclasses import dataclass

import numpy as np

from tickle_core.activations import foreign
from tickle_core.activations.store import ActivationStore
from tickle_core.datasets.concept_sets.sets import Items
from tickle_core.datasets.image_set import ImageSet
from tickle_core.models.accuracy import batch_size
from tickle_core.models.classifier import Classifier


@dataclass(frozen=True)
class LayerItems:
    """Activations of items in one layer.

    Attributes
    ----------
    store
        Of the image set's images.
    rows
        (n,) rows of the store, of the items that are images of the image set, ascending.
    pooled
        (n + k, d) float32, the mean over patches.
    extra
        (k, positions, d) float32, tokens of the other items.
    """

    store: ActivationStore
    rows: np.ndarray
    pooled: np.ndarray
    extra: np.ndarray

    def some_patches(self, items: np.ndarray, count: int, seed: int) -> np.ndarray:
        """Random patches of each item, (m, count, d) float32, in their order.

        `count` of them, or all where there are fewer; memory holds these and a block of the store.
        """
        wanted, place = np.unique(items, return_inverse=True)
        natural = wanted[wanted < len(self.rows)]
        blocks = [tokens for _, tokens in self.store.token_blocks(self.rows[natural])]
        blocks.append(self.extra[wanted[len(natural) :] - len(self.rows)])
        rng = np.random.default_rng(seed)
        found = []
        for block in blocks:
            patches = block[:, self.patches]
            chosen = rng.random(patches.shape[:2]).argsort(1)[:, :count]
            found.append(np.take_along_axis(patches, chosen[:, :, None], axis=1))
        return np.concatenate(found).astype(np.float32)[place]

    def tokens(self, items: np.ndarray) -> np.ndarray:
        """Tokens of some items (m, positions, d) float32, in their order; memory holds these."""
        wanted, place = np.unique(items, return_inverse=True)
        n = len(self.rows)
        natural = wanted[wanted < n]
        found = np.empty((len(wanted), *self.store.tokens.shape[1:]), np.float32)
        start = 0
        for block, tokens in self.store.token_blocks(self.rows[natural]):
            found[start : start + len(block)] = tokens
            start += len(block)
        found[start:] = self.extra[wanted[wanted >= n] - n]
        return found[place]

    def mean_token(self, items: np.ndarray) -> np.ndarray:
        """Mean over natural items, position by position, (positions, d): a block at a time."""
        total = np.zeros(self.store.tokens.shape[1:])
        for _, tokens in self.store.token_blocks(self.rows[items]):
            total += tokens.sum(0, dtype=np.float64)
        return total / len(items)

    @property
    def patches(self) -> slice:
        """The positions that are patches."""
        return slice(len(self.store.prefix), None)


def read(
    items: Items, store: ActivationStore, classifier: Classifier, images: ImageSet, module: str
) -> LayerItems:
    """Read what the store has of the items, and run the network on the others.

    Parameters
    ----------
    classifier
        Whose activations the store holds.
    module
        Path of the layer.
    """
    rows = np.searchsorted(store.image_ids, items.image_ids)
    pooled, extra = foreign.of_images(classifier, module, items.extra, batch_size(images))
    natural = [values for _, values in store.column_blocks("pooled", rows)]
    return LayerItems(store, rows, np.concatenate([*natural, pooled]), extra)
