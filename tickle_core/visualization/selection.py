"""Which units of a layer are worth a picture."""

import numpy as np
import pandas as pd

from tickle_core.activations.store import ActivationStore
from tickle_core.dictionaries import limits
from tickle_core.maximization.objectives import Objective
from tickle_core.params.features import Features


def select(store: ActivationStore, latents: pd.DataFrame, section: Features) -> list[Objective]:
    """The objectives that a section of params asks for, or as many as there are.

    Channels by the variance of their pooled activations over test images; neurons are the same
    channels at the central position (none where a layer has one position: they would be the
    channels again); the layer; the strongest latents; the classes that the model predicts most on
    test images.

    Parameters
    ----------
    latents
        The table that the stage `sae` writes.
    """
    channels = _varying_channels(store)
    neurons = channels[: section.neurons] if store.tokens.shape[1] > 1 else channels[:0]
    strongest = limits.strongest(latents, section.latents)["latent"]
    center = central_position(store)
    return [
        *(Objective("channel", unit) for unit in channels[: section.channels].tolist()),
        *(Objective("neuron", unit, center) for unit in neurons.tolist()),
        Objective("layer", 0),
        *(Objective("latent", unit) for unit in strongest.tolist()),
        *(Objective("logit", unit) for unit in _predicted(store)[: section.logits].tolist()),
    ]


def central_position(store: ActivationStore) -> int:
    """The position among the layer's tokens of the patch at the centre."""
    prefix = len(store.prefix)
    if store.grid is None:
        return prefix + (store.tokens.shape[1] - prefix) // 2
    height, width = store.grid
    return prefix + height // 2 * width + width // 2


def _varying_channels(store: ActivationStore) -> np.ndarray:
    """Channels that vary between test images, by falling variance."""
    n, sums, squares, origin = 0, 0.0, 0.0, None
    for _, block in store.column_blocks("pooled", store.test_rows):
        origin = block[0] if origin is None else origin  # near the mean: no digits are lost
        centred = block.astype(np.float64) - origin
        n += len(block)
        sums = sums + centred.sum(0)
        squares = squares + np.square(centred).sum(0)
    variance = np.asarray(squares / n - (sums / n) ** 2)
    order = np.argsort(-variance, kind="stable")
    return order[variance[order] > 0]


def _predicted(store: ActivationStore) -> np.ndarray:
    """Classes that are predicted on test images, the most frequent first."""
    counts = np.sum(
        [
            np.bincount(block.argmax(1), minlength=block.shape[1])
            for _, block in store.column_blocks("logits", store.test_rows)
        ],
        axis=0,
    )
    order = np.argsort(-counts, kind="stable")
    return order[counts[order] > 0]
