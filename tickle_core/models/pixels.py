"""A network as a function of pixels in [0, 1], for gradients in them."""

from collections.abc import Callable

import numpy as np
import torch

from tickle_core import arrays
from tickle_core.datasets.image_set import ImageSet
from tickle_core.models.classifier import Classifier
from tickle_core.models.folding import EXAMPLES, fold


def pixels(images: np.ndarray, device: torch.device) -> torch.Tensor:
    """Images (n, H, W, C) uint8 as (n, C, H, W) in [0, 1], channels_last in memory."""
    return torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float().div_(255)


def of_pixels(classifier: Classifier, images: ImageSet) -> Callable[[torch.Tensor], torch.Tensor]:
    """The network with its normalisation inside: (n, C, H, W) in [0, 1] -> logits (n, classes).

    Batch norm is folded into convolutions, and weights take no gradient, so that a backward pass
    costs what the pixels' gradient does.
    """
    device, preprocessing = classifier.device, classifier.card["preprocessing"]
    example = classifier.preprocess(arrays.read_rows(images.images, 0, EXAMPLES))
    network = fold(classifier.network, example, []).requires_grad_(False)
    mean, std = (
        torch.tensor(preprocessing[key], device=device).view(1, -1, 1, 1) for key in ("mean", "std")
    )

    def logits(points: torch.Tensor) -> torch.Tensor:
        return network(((points - mean) / std).contiguous(memory_format=torch.channels_last))

    return logits
