"""Random units: the null of pictures of units.

A picture can excite a random direction more than natural images do, too. So pictures are made for
random directions as for any unit; only what units have beyond them is theirs. The directions are
drawn with the covariance of the layer's patches, or of the logits, so that most of them lie where
activations vary. Their length does not matter: what is ascended is counted in standard deviations
over natural images, of the random units as of the others.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch

from tickle_core.activations.store import ActivationStore
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.maximization.families import NULLS
from tickle_core.maximization.objectives import Objective, Sources

PATCHES = 2**13  # of natural images, of which the covariance is taken


def units(objectives: Sequence[Objective]) -> list[Objective]:
    """Random units for `objectives`: of each kind as many as the largest family needs."""
    families = Counter(each.family for each in objectives)
    needed = {null: 0 for null in NULLS.values()}
    for family, null in NULLS.items():
        needed[null] = max(needed[null], families[family])
    # Neurons are all at one position, where a layer has several.
    positions = [each.position for each in objectives if each.family == "neuron"]
    return [
        Objective(null, unit, positions[0] if null == "point" else None)
        for null, count in needed.items()
        for unit in range(count)
    ]


def sources(
    store: ActivationStore, sae: SparseAutoencoder, objectives: Sequence[Objective], seed: int
) -> Sources:
    """What `objectives`, the random ones among them, are read with."""
    counts = Counter(each.family for each in objectives)
    patches = natural_patches(store, seed)
    logits = np.concatenate([rows for _, rows in store.column_blocks("logits", store.test_rows)])
    rng = np.random.default_rng([seed, 5])
    return Sources(
        patches=torch.from_numpy(patches),
        sae=sae,
        directions=directions(patches, max(counts["direction"], counts["point"]), rng),
        mixtures=directions(logits, counts["mixture"], rng),
    )


def natural_patches(store: ActivationStore, seed: int) -> np.ndarray:
    """Up to `PATCHES` patches of random test images, (n, d) float32. Memory: a block of tokens."""
    rng = np.random.default_rng([seed, 3])
    first, positions = len(store.prefix), store.tokens.shape[1]
    rows, each = store.test_rows, positions - first
    chosen = np.sort(rng.choice(len(rows) * each, min(PATCHES, len(rows) * each), replace=False))
    found = []
    for block, tokens in store.token_blocks(np.unique(rows[chosen // each])):
        place = np.searchsorted(rows, block)
        image, patch = np.divmod(chosen, each)
        here = np.isin(image, place)
        found.append(tokens[np.searchsorted(place, image[here]), first + patch[here]])
    return np.concatenate(found).astype(np.float32)


def directions(values: np.ndarray, count: int, rng: np.random.Generator) -> torch.Tensor:
    """Normal random vectors with the covariance of the rows of `values` (n, d): (count, d)."""
    # In 64 bits, so that the order of summation does not show in 32.
    centred = values - values.mean(0, dtype=np.float64)
    drawn = rng.standard_normal((count, len(values))) @ centred / np.sqrt(len(values))
    return torch.from_numpy(drawn).float()
