"""Whether a concept can be read from a layer: held-out accuracy of its vectors, beside random sets.

Each run is judged on held-out images of the concept and as many from outside it. The null is the
same with random sets in the concept's place: what a classifier reads there is nothing.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tickle_core import statistics
from tickle_core.concepts import draws
from tickle_core.concepts.vectors import KINDS, Vectors
from tickle_core.datasets.concept_sets.sets import ConceptSet, Items

LEVEL = 0.05


@dataclass(frozen=True)
class Judges:
    """Held-out items (n,) of a concept, and as many (n,) of its partners."""

    concept: np.ndarray
    others: np.ndarray


def judges(items: Items, each: ConceptSet, most: int, rng: np.random.Generator) -> Judges:
    """Held-out items that a concept's vectors are judged on, at most `most` of either kind."""
    members, outside = (items.split(part, True) for part in (each.members, each.outside))
    size = min(most, len(members), len(outside))
    concept = draws.even(members, items.stratum, size, rng)
    if each.matched:
        return Judges(concept, draws.like(outside, items.stratum, items.stratum[concept], rng))
    return Judges(concept, draws.even(outside, items.stratum, size, rng))


def random_judges(pool: np.ndarray, items: Items, most: int, rng: np.random.Generator) -> Judges:
    """The same for a random set: a pool's held-out items, dealt to both sides."""
    held_out = items.split(pool, True)
    size = min(most, len(held_out) // 2)
    drawn = rng.permutation(draws.even(held_out, items.stratum, 2 * size, rng))
    return Judges(drawn[:size], drawn[size:])


def accuracies(vectors: Vectors, acts: np.ndarray, judged: Judges) -> tuple[np.ndarray, np.ndarray]:
    """What runs of the logistic vector are right on.

    Returns
    -------
    tuple
        Accuracy of each run (runs,), and share of the runs that are right on each item (2 n,).
    """
    right = [
        (acts[part] @ vectors.logistic.T > vectors.offsets) == side
        for part, side in ((judged.concept, True), (judged.others, False))
    ]
    both = np.concatenate(right)
    return both.mean(0), both.mean(1)


def aucs(vectors: Vectors, acts: np.ndarray, judged: Judges) -> dict[str, float]:
    """By kind of vector: the share of pairs of a concept's item and another one in the right
    order, a tie being half right, on average over runs.
    """
    found = {}
    for kind in KINDS:
        own, other = (acts[part] @ vectors.of(kind).T for part in (judged.concept, judged.others))
        ranks = np.sort(other, axis=0)
        below = [
            np.searchsorted(ranks[:, run], own[:, run], side).mean() / len(other)
            for run in range(own.shape[1])
            for side in ("left", "right")
        ]
        found[kind] = float(np.mean(below))
    return found


def estimate(right: np.ndarray, by_run: np.ndarray, null: np.ndarray | None) -> dict[str, Any]:
    """Accuracy of a concept as an estimate: mean over runs, interval over held-out items.

    Parameters
    ----------
    right
        (items,), share of the runs that are right on each.
    by_run
        (runs,), accuracy of each.
    null
        (sets,), accuracy of random sets, each the mean of its runs; None where it is a null
        itself.

    Returns
    -------
    dict
        JSON-ready; `by_run` says how the runs differ, `p` is that of a single case among the null.
    """
    value, n = float(right.mean()), len(right)
    interval = list(statistics.proportion_interval(float(right.sum()), n))
    found = {"value": value, "interval": interval, "n": n, "by_run": statistics.drawn(by_run)}
    if null is None:
        return found
    return found | {"null": statistics.drawn(null), "p": p_value(value, null)}


def p_value(accuracy: float, null: np.ndarray) -> float:
    """Is it read better than random sets are? That of a single case among them; 1 if worse."""
    if accuracy <= null.mean():
        return 1.0
    return float(statistics.single_case(np.array([accuracy]), null[:, None])[0])
