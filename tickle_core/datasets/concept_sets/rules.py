"""Rules on pixels: how dark, symmetric or elongated an image is."""

from collections.abc import Callable

import numpy as np

SHARE = 0.2  # of the images of each class, those that follow a rule most, are its concept


def strength(rule: str, images: np.ndarray) -> np.ndarray:
    """How much each image follows a rule, (n,): only the order means something.

    Parameters
    ----------
    images
        uint8 (n, H, W, C).
    """
    return RULES[rule](images.mean(3, dtype=np.float64))


def _dark(grey: np.ndarray) -> np.ndarray:
    return -grey.mean((1, 2))


def _symmetric(grey: np.ndarray) -> np.ndarray:
    """Correlation of the image with its mirror image, left and right."""
    around = grey - grey.mean((1, 2), keepdims=True)
    return _ratio((around * around[:, :, ::-1]).sum((1, 2)), (around**2).sum((1, 2)))


def _elongated(grey: np.ndarray) -> np.ndarray:
    """Ratio of the axes of what differs from the border, by its second moments."""
    border = np.concatenate([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], axis=1)
    weight = np.abs(grey - np.median(border, axis=1)[:, None, None])
    total = weight.sum((1, 2))
    axes = [np.arange(side, dtype=np.float64) for side in grey.shape[1:]]
    sums = weight.sum(2), weight.sum(1)
    centre = [_ratio(part @ axis, total) for part, axis in zip(sums, axes, strict=True)]
    rows, columns = (axis - middle[:, None] for axis, middle in zip(axes, centre, strict=True))
    down = _ratio((sums[0] * rows**2).sum(1), total)
    along = _ratio((sums[1] * columns**2).sum(1), total)
    both = _ratio(np.einsum("nhw,nh,nw->n", weight, rows, columns), total)
    middle, apart = (down + along) / 2, np.hypot((down - along) / 2, both)
    return _ratio(middle + apart, np.maximum(middle - apart, 1e-6 * (middle + apart)))


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Zero where nothing varies."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


RULES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "dark": _dark,
    "symmetric": _symmetric,
    "elongated": _elongated,
}
