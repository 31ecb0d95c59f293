"""Activations of images that no store holds: textures, a user's own, changed ones."""

from pathlib import Path

import numpy as np

from tickle_core.activations.extraction import Target, capturing, forward
from tickle_core.models.classifier import Classifier

NO_STORE = Path()


def of_images(
    classifier: Classifier, module: str, images: np.ndarray, at_once: int
) -> tuple[np.ndarray, np.ndarray]:
    """What a layer makes of images.

    Parameters
    ----------
    module
        Path of the layer.
    images
        uint8 (n, H, W, C).
    at_once
        Images per forward pass.

    Returns
    -------
    tuple
        Activations pooled over patches (n, channels), and tokens (n, positions, channels), both
        float32 and as a store holds them.

    Raises
    ------
    TickleError
        If an activation is not finite.
    """
    layer = classifier.card["layers"][module]
    channels = layer["shape"][0 if layer["layout"] == "NCHW" else -1]
    positions = int(np.prod(layer["shape"])) // channels
    pooled = np.empty((len(images), channels), np.float32)
    tokens = np.empty((len(images), positions, channels), np.float32)
    target = Target(module, module, NO_STORE)
    with capturing(classifier.network, [target]) as capture:
        for start in range(0, len(images), at_once):
            place = slice(start, start + at_once)
            found = forward(classifier, capture, images[place], [target], "float32")
            pooled[place], tokens[place] = found.pooled[target], found.tokens[target]
    return pooled, tokens
