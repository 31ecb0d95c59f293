"""Pairs of images that the network takes for the same class, and pairs that it does not.

The classes are those that the network predicts, of any network on any images. No image is in two
pairs of a kind, so that pairs are independent of each other. Both kinds are made of the same
images.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["within", "between"]
KINDS: tuple[Kind, ...] = ("within", "between")


@dataclass(frozen=True)
class Pairs:
    """n pairs of points of a cloud.

    Attributes
    ----------
    ends
        (n, 2) numbers of points.
    classes
        (n, 2) what the network predicts of them.
    """

    ends: np.ndarray
    classes: np.ndarray

    def __len__(self) -> int:
        return len(self.ends)


def draw(predicted: np.ndarray, classes: int, wanted: int, seed: int) -> dict[Kind, Pairs]:
    """Pairs of the classes that are predicted most.

    Parameters
    ----------
    predicted
        (n,) class of each point.
    classes
        How many, at most.
    wanted
        Pairs in all: where a class has few, others give more.

    Returns
    -------
    dict
        Between classes there are as many as within, fewer where one class has most of them.
    """
    rng = np.random.default_rng(seed)
    names, sizes = np.unique(predicted, return_counts=True)
    chosen = names[np.argsort(-sizes, kind="stable")][:classes]
    most = _most(np.sort(sizes)[::-1][:classes] // 2, wanted)
    firsts, seconds = [], []
    for name in chosen:
        members = rng.permutation(np.flatnonzero(predicted == name))
        own = min(most, len(members) // 2)
        firsts.append(members[:own])
        seconds.append(members[own : 2 * own])
    within = np.column_stack([np.concatenate(firsts), np.concatenate(seconds)])
    # Half a turn around: pairs of a class lie together, so the partner is of another.
    other = np.column_stack([within[:, 0], np.roll(within[:, 1], len(within) // 2)])
    apart = predicted[other[:, 0]] != predicted[other[:, 1]]
    ends = {"within": within, "between": other[apart]}
    return {kind: Pairs(ends[kind], predicted[ends[kind]]) for kind in KINDS}


def _most(possible: np.ndarray, wanted: int) -> int:
    """The least number of pairs of each class, at most, with which there are as many as wanted."""
    for most in range(1, int(possible.max())):
        if np.minimum(possible, most).sum() >= wanted:
            return most
    return int(possible.max())
