"""Sums over the tokens of each image: what every estimate is made of, since tokens of one image
are not independent.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import torch

from tickle_core import statistics

Name = TypeVar("Name")


class PerImage:
    """Values per image, by owner and quantity, filled block by block."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, str], list[np.ndarray]] = {}

    def add(self, owner: str, **columns: torch.Tensor) -> None:
        """Append a block of images: (b,) or (b, d) each."""
        for name, values in columns.items():
            part = values.double().cpu().numpy()
            self._parts.setdefault((owner, name), []).append(part)

    def columns(self) -> dict[tuple[str, str], np.ndarray]:
        """All that was added, in its order: (n,) or (n, d) each."""
        return {key: np.concatenate(parts) for key, parts in self._parts.items()}


def around_their_mean(squares: np.ndarray, sums: np.ndarray, positions: int) -> np.ndarray:
    """Squared distances of each image's tokens from the mean of all tokens, summed: (n,).

    Parameters
    ----------
    squares
        (n,), the same from a point that is near it.
    sums
        (n, d), sums of the tokens' distances from that point.
    positions
        Tokens per image.
    """
    mean = sums.sum(0) / (len(sums) * positions)
    return squares + positions * (mean @ mean) - 2 * sums @ mean


def ratios(
    above: Mapping[Name, np.ndarray], below: np.ndarray, seed: int
) -> dict[Name, dict[str, Any]]:
    """`statistics.ratio_estimate` of each, on the same resampled images and as fast as of one."""
    if not above:
        return {}
    low, high = statistics.ratio_intervals(np.stack(list(above.values()), axis=1), below, seed)
    found: dict[Name, dict[str, Any]] = {}
    for (name, values), *ends in zip(above.items(), low.tolist(), high.tolist(), strict=True):
        n, active = len(values), int(np.count_nonzero(values))
        estimate = {"value": float(values.sum() / below.sum()), "interval": ends, "n": n}
        if not np.isfinite(ends).all():
            few = min(n, active) < statistics.LEAST_ROWS
            why = f"too few: {active} of {n} are not 0" if few else "all alike"
            estimate |= {"interval": None, "why": why}
        found[name] = estimate
    return found
