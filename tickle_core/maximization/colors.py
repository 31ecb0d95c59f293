"""Which colours an image set mixes: the square root of the covariance of its pixels."""

import numpy as np
import torch

from tickle_core.datasets.image_set import ImageSet

SAMPLE_PIXELS = 2**24  # at most, of all images together
FEWEST_IMAGES, MOST_IMAGES = 16, 4096
BLOCK_PIXELS = 2**20  # widened to 64 bits at once


def color_root(images: ImageSet, seed: int) -> torch.Tensor | None:
    """The matrix M with M M^T proportional to the covariance of the set's colours.

    Its columns are the principal colours in the order of falling variance, each as long as its
    standard deviation relative to the first's: the largest column has norm 1 (Olah et al. 2017).
    Independent numbers that M mixes have the colour correlations of the image set.

    Parameters
    ----------
    seed
        Of the sample of images. Memory: a block of pixels and one of the set's chunks.

    Returns
    -------
    torch.Tensor or None
        (channels, channels) float32; None for grey images, or where no pixel differs.
    """
    count, height, width, channels = images.images.shape
    if channels == 1:
        return None
    wanted = np.clip(SAMPLE_PIXELS // (height * width), FEWEST_IMAGES, MOST_IMAGES)
    rng = np.random.default_rng(seed)
    ids = np.sort(rng.choice(count, min(count, int(wanted)), replace=False))
    step = max(1, BLOCK_PIXELS // (height * width))
    # Sums of integers: exact, in any order.
    n, total, products = 0, np.zeros(channels), np.zeros((channels, channels))
    for begin in range(0, len(ids), step):
        pixels = images.read(ids[begin : begin + step]).reshape(-1, channels).astype(np.float64)
        n += len(pixels)
        total += pixels.sum(0)
        products += pixels.T @ pixels
    covariance = products / n - np.outer(total / n, total / n)
    variances, colors = np.linalg.eigh(covariance)
    variances, colors = np.maximum(variances[::-1], 0), colors[:, ::-1]
    if variances[0] == 0:
        return None
    # Of the two directions of an axis, the one whose largest part is positive.
    largest = np.take_along_axis(colors, np.abs(colors).argmax(0)[None], axis=0)
    return torch.from_numpy(colors * np.sign(largest) * np.sqrt(variances / variances[0])).float()
