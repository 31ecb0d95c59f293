"""Which images each fit of a concept vector is made from.

A run draws the concept's images anew, with repeats (a bootstrap of the set), and in the same way as
many random partners from outside it. Partners are even over the strata they come from (classes, or
kinds of texture), or have the very strata of the concept's images where these must not give it
away.
"""

from dataclasses import dataclass

import numpy as np

from tickle_core.datasets.concept_sets.sets import ConceptSet, Items


@dataclass(frozen=True)
class Draws:
    """Items of runs: (runs, n) each."""

    concept: np.ndarray
    others: np.ndarray

    @property
    def both(self) -> tuple[np.ndarray, np.ndarray]:
        """The concept's, and their partners."""
        return self.concept, self.others


def concept_runs(
    each: ConceptSet, items: Items, most: int, runs: int, rng: np.random.Generator
) -> Draws:
    """Runs of one concept, of at most `most` train images, which are drawn once."""
    members, outside = (items.split(part, False) for part in (each.members, each.outside))
    strata = items.stratum
    size = min(most, len(members), len(outside))
    concept = rng.choice(even(members, strata, size, rng), (runs, size))
    if each.matched:
        return Draws(concept, like(outside, strata, strata[concept], rng))
    return Draws(concept, _any(outside, strata, concept.shape, rng))


def random_runs(
    each: ConceptSet,
    pool: np.ndarray,
    items: Items,
    most: int,
    sets: int,
    runs: int,
    rng: np.random.Generator,
) -> Draws:
    """Random sets in the place of a concept: `runs` of each of `sets` sets, in turn.

    Each has as many members as the concept, drawn evenly from a pool of items, and its partners
    come from what is left of that.
    """
    train = items.split(pool, False)
    members = min(len(items.split(each.members, False)), len(train) // 2)
    size = min(most, members, len(train) - members)
    concept, others = [], []
    for _ in range(sets):
        drawn = even(train, items.stratum, members, rng)
        chosen = even(drawn, items.stratum, size, rng)
        concept.append(rng.choice(chosen, (runs, size)))
        rest = train[~np.isin(train, drawn)]
        others.append(_any(rest, items.stratum, (runs, size), rng))
    return Draws(np.concatenate(concept), np.concatenate(others))


def _any(
    items: np.ndarray, strata: np.ndarray, shape: tuple[int, ...], rng: np.random.Generator
) -> np.ndarray:
    """Draw items (runs, n), the strata taking turns in a random order; they may come up again."""
    runs, count = shape
    there = np.unique(strata[items])
    order = rng.random((runs, len(there))).argsort(1)
    return like(items, strata, there[order[:, np.arange(count) % len(there)]], rng)


def even(items: np.ndarray, strata: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw items without repeats, the strata taking turns: their numbers differ by one at most.

    (Until a stratum has no more to give.)
    """
    shuffled = rng.permutation(items)
    order = np.argsort(strata[shuffled], kind="stable")
    _, starts, counts = np.unique(strata[shuffled][order], return_index=True, return_counts=True)
    turn = np.arange(len(shuffled)) - np.repeat(starts, counts)
    # Within a turn the strata come in random order: not always the same ones come first.
    places = np.lexsort([rng.random(len(shuffled)), turn])
    return shuffled[order][places[:count]]


def like(
    items: np.ndarray, strata: np.ndarray, wanted: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw an item of each of the given strata (any shape); it may come up again."""
    ordered = items[np.argsort(strata[items], kind="stable")]
    there, starts, counts = np.unique(strata[ordered], return_index=True, return_counts=True)
    place = np.searchsorted(there, wanted)
    return ordered[starts[place] + (rng.random(wanted.shape) * counts[place]).astype(np.int64)]
