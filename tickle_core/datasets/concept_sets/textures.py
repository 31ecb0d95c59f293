"""Procedural textures at any size, in grey or colour: concepts that exist for any image set."""

from collections.abc import Callable
from typing import get_args

import numpy as np

from tickle_core.datasets.concept_sets.definition import Texture

KINDS: tuple[str, ...] = get_args(Texture)
# Of the shorter side; at least SMALLEST pixels, so that a period is seen.
WAVELENGTHS = (0.12, 0.3)
SMALLEST = 4.0
LEAST_CONTRAST = 96  # of the two colours, in the channel where they differ most


def draw(kind: str, count: int, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw textures of one kind, each turned, scaled, shifted and coloured at random.

    Parameters
    ----------
    shape
        (height, width, channels).

    Returns
    -------
    uint8 (count, height, width, channels)
    """
    height, width, channels = shape
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    images = np.empty((count, *shape), np.uint8)
    for place in range(count):
        angle = rng.uniform(0, np.pi)
        wave = max(SMALLEST, min(height, width) * rng.uniform(*WAVELENGTHS))
        shift = rng.uniform(0, 1, 2)
        along = (columns * np.cos(angle) + rows * np.sin(angle)) / wave + shift[0]
        across = (rows * np.cos(angle) - columns * np.sin(angle)) / wave + shift[1]
        share = PATTERNS[kind](along, across, rng)[..., None]
        one, other = _colours(channels, rng)
        images[place] = np.rint(one + (other - one) * share)
    return images


def _colours(channels: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    while True:
        one, other = rng.uniform(0, 255, (2, channels))
        if np.abs(one - other).max() >= LEAST_CONTRAST:
            return one, other


def _striped(along: np.ndarray, across: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return along % 1 < 0.5


def _dotted(along: np.ndarray, across: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    radius = rng.uniform(0.25, 0.38)
    return np.hypot(along % 1 - 0.5, across % 1 - 0.5) < radius


def _checkered(along: np.ndarray, across: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (along % 1 < 0.5) ^ (across % 1 < 0.5)


def _zigzag(along: np.ndarray, across: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    triangle = np.abs(across / rng.uniform(1, 1.6) % 1 - 0.5)
    return (along + 2 * triangle) % 1 < 0.5


def _gradient(along: np.ndarray, across: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (along - along.min()) / np.ptp(along)


def _noise(along: np.ndarray, across: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(0, 1, along.shape)


PATTERNS: dict[str, Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]] = {
    "striped": _striped,
    "dotted": _dotted,
    "checkered": _checkered,
    "zigzag": _zigzag,
    "gradient": _gradient,
    "noise": _noise,
}
