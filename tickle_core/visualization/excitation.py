"""What images excite in a network: at a layer, at layers before it, and the logits."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from tickle_core.datasets.image_set import ImageSet
from tickle_core.models.accuracy import batch_size
from tickle_core.models.classifier import Classifier
from tickle_core.models.tokens import to_tokens

# By module path, activations (n, channels) pooled over patches, float64.
Pooled = dict[str, np.ndarray]


@dataclass(frozen=True)
class Excited:
    """What some images excite: tokens (n, positions, d) of a layer, logits (n, classes), and
    pooled activations at the layers before.
    """

    tokens: torch.Tensor
    logits: torch.Tensor
    before: Pooled


@torch.inference_mode()
def excite(
    classifier: Classifier, module: str, before: Sequence[str], images: np.ndarray
) -> Excited:
    """Send uint8 images (n, H, W, C) through the network, as the image set's go.

    One pass of the whole network, whether or not it can be cut at the layer.
    """
    found: dict[str, torch.Tensor] = {}

    def keep(path: str, _module: Any, _inputs: Any, output: torch.Tensor) -> None:
        layer = classifier.card["layers"][path]
        tokens = to_tokens(output, layer["layout"])
        # New memory in both cases: the network may overwrite its own.
        if path in before:
            found[path] = tokens[:, len(layer["prefix"]) :].float().mean(1)
        else:
            found[path] = tokens.float().clone()

    handles = [
        classifier.network.get_submodule(path).register_forward_hook(partial(keep, path))
        for path in (module, *before)
    ]
    try:
        logits = classifier.network(classifier.preprocess(images)).float()
    finally:
        for handle in handles:
            handle.remove()
    pooled = {path: found[path].cpu().double().numpy() for path in before}
    return Excited(found[module], logits, pooled)


def natural_excitations(
    classifier: Classifier, module: str, before: Sequence[str], images: ImageSet, ids: np.ndarray
) -> Pooled:
    """What images of the set excite at the layers before, row i being image ids[i].

    Memory: a batch of images, and the result, which is `len(ids)` times the layers' channels.
    """
    step = batch_size(images)
    parts = [
        excite(classifier, module, before, images.read(ids[start : start + step])).before
        for start in range(0, len(ids), step)
    ]
    return {path: np.concatenate([part[path] for part in parts]) for path in before}
