"""How alike two images look: structural similarity."""

import torch
from torch.nn import functional as F

WINDOW = 7  # pixels along a side
C1, C2 = 0.01**2, 0.03**2


def structural_similarity(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """SSIM [1]_ of images (n, C, H, W) with pixels in [0, 1], (n,): 1 for equal ones.

    Means, variances and covariance are of windows of 7 x 7 pixels that lie within the image (of
    the whole image where it is smaller); channels are averaged.

    References
    ----------
    .. [1] Wang, Bovik, Sheikh, Simoncelli (2004). Image quality assessment: from error visibility
       to structural similarity. IEEE Trans. Image Process. 13.
    """
    one, other = one.double(), other.double()
    side = min(WINDOW, *one.shape[2:])

    def mean(values: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(values, side, stride=1)

    unbiased = side**2 / max(1, side**2 - 1)
    a, b = mean(one), mean(other)
    spread = unbiased * (mean(one * one) - a * a + mean(other * other) - b * b)
    common = unbiased * (mean(one * other) - a * b)
    found = (2 * a * b + C1) * (2 * common + C2) / ((a * a + b * b + C1) * (spread + C2))
    return found.mean((1, 2, 3))
