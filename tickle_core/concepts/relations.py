"""Which concepts point the same way, beyond what their shared images bring about.

Two sets that share images have vectors with a positive cosine whatever they show, and two that
share none have a negative one, since each is among the other's partners. So the cosine of A and B
stands beside that of B and random sets A' in A's place, which share as much with B as A does: as
many classes where both are groups of classes, else as many images. The same is done with A and B
exchanged.

Vectors are differences of means here, over all images of a concept and all partners at once.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from tickle_core.concepts.vectors import unit
from tickle_core.datasets.concept_sets.sets import ConceptSet, Items

DRAWS = 20  # of either kind, for each pair


def relations(
    sets: Sequence[ConceptSet], items: Items, acts: np.ndarray, seed: int
) -> pd.DataFrame:
    """The cosine of each pair of concepts.

    Returns
    -------
    pd.DataFrame
        one, other, shared (share of the smaller set's images that the other has), cosine, and
        null, null_low, null_high: mean and range of the draws.
    """
    train = np.flatnonzero(~items.is_test)
    acts, strata = acts[train].astype(np.float64), items.stratum[train]
    kept = [_Kept(each, train, strata) for each in sets]
    vectors = [unit(each.weights(each.member[None]) @ acts)[0] for each in kept]
    rng = np.random.default_rng(seed)
    rows = []
    for one, other in combinations(range(len(sets)), 2):
        draws = np.concatenate(
            [
                unit(kept[a].weights(kept[a].like(kept[b], rng)) @ acts) @ vectors[b]
                for a, b in ((one, other), (other, one))
            ]
        )
        members = [kept[place].member for place in (one, other)]
        shared = (members[0] & members[1]).sum() / min(each.sum() for each in members)
        cosine = vectors[one] @ vectors[other]
        null = draws.mean(), draws.min(), draws.max()
        rows.append((sets[one].name, sets[other].name, shared, cosine, *null))
    columns = ["one", "other", "shared", "cosine", "null", "null_low", "null_high"]
    types = {"one": str, "other": str} | dict.fromkeys(columns[2:], np.float64)
    return pd.DataFrame(rows, columns=columns).astype(types)


class _Kept:
    """A concept among the n train items: `member`, `universe` (n,) bool."""

    def __init__(self, each: ConceptSet, train: np.ndarray, strata: np.ndarray):
        self.labels = each.labels
        self.member = np.isin(train, each.members)
        self.universe = self.member | np.isin(train, each.outside)
        self._matched = each.matched
        self._strata = np.unique(strata, return_inverse=True)[1]
        self._classes = strata

    def weights(self, members: np.ndarray) -> np.ndarray:
        """Weights of all items in differences of means, (draws, n), from members (draws, n)."""
        count = self._strata.max() + 1
        found = np.zeros(members.shape)
        for row, member in zip(found, members, strict=True):
            outside = self.universe & ~member
            row[member] = 1 / member.sum()
            there = np.bincount(self._strata[outside], minlength=count)
            wanted = (
                np.bincount(self._strata[member], minlength=count).astype(float)
                if self._matched
                else (there > 0).astype(float)
            )
            wanted[there == 0] = 0
            share = wanted / wanted.sum() / np.maximum(there, 1)
            row[outside] -= share[self._strata[outside]]
        return found

    def like(self, other: "_Kept", rng: np.random.Generator) -> np.ndarray:
        """Random members (DRAWS, n) that share as much with another concept as this one does."""
        found = np.zeros((DRAWS, len(self.member)), bool)
        if self.labels and other.labels:
            classes = np.unique(self._classes[self.universe])
            own = np.intersect1d(classes, self.labels)
            within = np.intersect1d(classes, other.labels)
            beyond = np.setdiff1d(classes, other.labels)
            common = len(np.intersect1d(own, within))
            for row in found:
                drawn = [
                    *rng.choice(within, common, replace=False),
                    *rng.choice(beyond, len(own) - common, replace=False),
                ]
                row[:] = np.isin(self._classes, drawn)
            return found
        common = int((self.member & other.member).sum())
        within = np.flatnonzero(self.universe & other.member)
        beyond = np.flatnonzero(self.universe & ~other.member)
        rest = min(int(self.member.sum()) - common, len(beyond))
        for row in found:
            row[rng.choice(within, common, replace=False)] = True
            row[rng.choice(beyond, rest, replace=False)] = True
        return found
