"""From stored images to what a network takes."""

import numpy as np
import torch

from tickle_core import arrays
from tickle_core.datasets.image_set import ImageSet

STATISTICS_BYTES = 4 * 2**20  # of pixels, which are widened to 64 bits


def preprocess(
    images: np.ndarray, preprocessing: dict[str, list[float]], device: torch.device
) -> torch.Tensor:
    """Scale uint8 images (N, H, W, C) to [0, 1] and normalise per channel -> (N, C, H, W)."""
    x = torch.from_numpy(images).to(device).permute(0, 3, 1, 2)
    mean = torch.tensor(preprocessing["mean"], device=device).view(1, -1, 1, 1)
    std = torch.tensor(preprocessing["std"], device=device).view(1, -1, 1, 1)
    x = x.float().div_(255).sub_(mean).div_(std)
    return x.contiguous(memory_format=torch.channels_last)


def channel_statistics(images: ImageSet, ids: np.ndarray) -> dict[str, list[float]]:
    """Mean and standard deviation per channel of the given images, pixels scaled to [0, 1]."""
    count = 0
    total, squares = np.zeros(images.channels), np.zeros(images.channels)
    for place in arrays.blocks(images.images, STATISTICS_BYTES):
        wanted = ids[np.searchsorted(ids, place.start) : np.searchsorted(ids, place.stop)]
        block = arrays.read_rows(images.images, place.start, place.stop)[wanted - place.start]
        pixels = block.reshape(-1, block.shape[-1]).astype(np.uint64)
        count += len(pixels)
        total = total + pixels.sum(0)
        squares = squares + (pixels * pixels).sum(0)
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 1.0))
    return {"mean": (mean / 255).tolist(), "std": (std / 255).tolist()}
