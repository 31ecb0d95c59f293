"""Where paths start, and paths that are no straight lines.

zero    a black image
mean    the mean colour of train images
blur    the image itself, blurred until little but its colours is left
"""

from collections.abc import Callable

import numpy as np
import torch

from tickle_core.datasets import image_set
from tickle_core.datasets.image_set import ImageSet
from tickle_core.models.classifier import Classifier
from tickle_core.models.path_integral import Path

WIDEST_BLUR = 0.2  # of the shorter side, standard deviation
COLOUR_IMAGES = 256


def black(classifier: Classifier, images: ImageSet) -> torch.Tensor:
    """A black image as the network takes it, (1, C, H, W)."""
    return classifier.preprocess(np.zeros((1, *images.images.shape[1:]), np.uint8))


def mean_colour(classifier: Classifier, images: ImageSet, seed: int) -> torch.Tensor:
    """An image of the mean colour of some train images, (1, C, H, W)."""
    ids = image_set.draw(images.table, "train", COLOUR_IMAGES, seed)
    colour = images.read(ids).mean((0, 1, 2))
    whole = np.broadcast_to(colour, (1, *images.images.shape[1:]))
    return classifier.preprocess(np.ascontiguousarray(np.rint(whole)).astype(np.uint8))


def blurrer(images: torch.Tensor) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """How to blur images (n, C, H, W) with Gaussians; beyond its border an image is mirrored.

    Returns
    -------
    Callable
        Images (k,) and standard deviations in pixels (s,) -> (k, s, C, H, W).
    """
    height, width = images.shape[2:]
    # Twice the image, mirrored, is periodic: a product of spectra blurs it without a seam.
    mirrored = torch.cat([images, images.flip(2)], 2)
    mirrored = torch.cat([mirrored, mirrored.flip(3)], 3)
    spectrum = torch.fft.rfft2(mirrored)
    device = images.device
    down = torch.fft.fftfreq(2 * height, device=device)[:, None]
    along = torch.fft.rfftfreq(2 * width, device=device)[None]
    squared = down**2 + along**2

    def blur(which: torch.Tensor, deviations: torch.Tensor) -> torch.Tensor:
        kept = torch.exp(-2 * torch.pi**2 * deviations.view(-1, 1, 1) ** 2 * squared)
        blurred = spectrum[which].unsqueeze(1) * kept[None, :, None]
        return torch.fft.irfft2(blurred, s=(2 * height, 2 * width))[..., :height, :width]

    return blur


def widest(images: torch.Tensor) -> float:
    """Standard deviation of the widest blur, in pixels."""
    return WIDEST_BLUR * min(images.shape[2:])


def blurring(images: torch.Tensor) -> Path:
    """From each image at its widest blur to the image itself, ever sharper."""
    blur, deviation = blurrer(images), widest(images)

    def points(which: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        return blur(which, deviation * (1 - at).to(images.dtype))

    return points


def blurred(images: torch.Tensor) -> torch.Tensor:
    """Each image at its widest blur, (n, C, H, W)."""
    deviation = torch.tensor([widest(images)], device=images.device)
    return blurrer(images)(torch.arange(len(images), device=images.device), deviation).squeeze(1)
