"""Which images paths lead between."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tickle_core.models import classes


@dataclass(frozen=True)
class Pairs:
    """Pairs of images (p,): no image is in two of them.

    Attributes
    ----------
    ends
        (p, 2) places among the images that were drawn from.
    classes
        (p, 2) the model's classes of either.
    """

    ends: np.ndarray
    classes: np.ndarray

    def __len__(self) -> int:
        """How many there are."""
        return len(self.ends)


def of_names(names: Sequence[Sequence[str]], class_names: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of classes by their names.

    Raises
    ------
    TickleError
        If one is no class of the model.
    """
    return [
        (
            classes.place_of(one, class_names, "path.classes"),
            classes.place_of(other, class_names, "path.classes"),
        )
        for one, other in names
    ]


def confused(flips: pd.DataFrame, predicted: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of classes that attacks confuse, the most frequent first.

    Without any, the most frequent classes in turn.

    Parameters
    ----------
    flips
        own, became, count.
    predicted
        (n,) of the images that can be drawn.
    """
    if len(flips):
        order = flips.sort_values(["count", "own", "became"], ascending=[False, True, True])
        return [(int(one), int(other)) for one, other in order[["own", "became"]].to_numpy()]
    counts = np.bincount(predicted)
    found = [each for each in np.argsort(-counts, kind="stable").tolist() if counts[each]]
    return list(zip(found, found[1:] + found[:1], strict=True)) if len(found) > 1 else []


def draw(
    wanted: list[tuple[int, int]], predicted: np.ndarray, usable: np.ndarray, most: int, seed: int
) -> Pairs:
    """Pairs of images of each pair of classes in turn, until there are enough or none is left.

    Parameters
    ----------
    predicted, usable
        (n,) of the images, and which may be drawn.
    """
    order = np.random.default_rng(seed).permutation(len(predicted))
    left = {
        each: [i for i in order.tolist() if usable[i] and predicted[i] == each]
        for each in {each for pair in wanted for each in pair}
    }
    ends: list[tuple[int, int]] = []
    labels: list[tuple[int, int]] = []
    while len(ends) < most:
        before = len(ends)
        for one, other in wanted:
            if len(ends) < most and left[one] and left[other]:
                ends.append((left[one].pop(), left[other].pop()))
                labels.append((one, other))
        if len(ends) == before:
            break
    return Pairs(np.array(ends, np.int64).reshape(-1, 2), np.array(labels, np.int64).reshape(-1, 2))
