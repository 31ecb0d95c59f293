"""The whole procedure for a family of concepts: vectors, gate, TCAV, test, correction.

It is run for the concepts, and for families of arbitrary ones: groups of as many classes, random
parts of classes, mixtures of textures. What share of pairs is significant there says what the test
tells: that a set of images is not a random one, or that it is this concept.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tickle_core import statistics
from tickle_core.concepts import draws, readability, tcav, vectors
from tickle_core.concepts.readability import LEVEL, Judges
from tickle_core.concepts.tcav import Scores, Target
from tickle_core.concepts.vectors import Vectors
from tickle_core.datasets.concept_sets.sets import ConceptSet, Items
from tickle_core.params.concepts import Concepts

RANDOM_RUNS = 10  # of each random set


@dataclass(frozen=True)
class Null:
    """Random sets in a concept's place.

    Attributes
    ----------
    vectors
        (sets, d), the mean logistic vector of each, of unit length.
    accuracies
        (sets,).
    scores
        Of the sets, (sets, targets).
    """

    vectors: np.ndarray
    accuracies: np.ndarray
    scores: Scores


@dataclass(frozen=True)
class Judged:
    """What the procedure finds of one concept.

    Attributes
    ----------
    vectors
        Of all runs.
    accuracy, right, aucs
        What `readability.accuracies` and `readability.aucs` give.
    scores
        (1, targets).
    null
        What it is held against.
    """

    vectors: Vectors
    accuracy: np.ndarray
    right: np.ndarray
    aucs: dict[str, float]
    scores: Scores
    null: Null

    @property
    def readable(self) -> bool:
        """Whether it passes the gate: read better than random sets are."""
        return readability.p_value(float(self.right.mean()), self.null.accuracies) <= LEVEL


@dataclass(frozen=True)
class Tested:
    """P-values of a family, (concepts, targets) each.

    Attributes
    ----------
    p, adjusted
        As they are, and after Holm's correction for all pairs of the family.
    member
        Whether the target's classes are among those that the concept consists of: there the
        result follows from what the concept is.
    significant
        Adjusted p at most LEVEL, of concepts that pass the gate.
    """

    p: np.ndarray
    adjusted: np.ndarray
    member: np.ndarray
    significant: np.ndarray

    @property
    def share(self) -> float:
        """Of the pairs that are not members, those that are significant."""
        others = ~self.member
        return float(self.significant[others].mean()) if others.any() else float("nan")


class Procedure:
    """Everything that is the same for all concepts of a layer.

    Parameters
    ----------
    acts
        (items, d), pooled.
    slopes, of_target
        What `tcav.gradients` returns.
    """

    def __init__(
        self,
        items: Items,
        acts: np.ndarray,
        slopes: np.ndarray,
        of_target: np.ndarray,
        section: Concepts,
        seed: int,
    ):
        self.items, self.acts, self.section, self.seed = items, acts, section, seed
        self._slopes, self._of_target = slopes, of_target
        self._nulls: dict[tuple[bytes, int], Null] = {}

    def judge(self, each: ConceptSet, seeds: Sequence[int]) -> Judged:
        """Run the procedure on one concept; `seeds` set its draws apart from others'."""
        rng = np.random.default_rng([self.seed, *seeds])
        found, accuracy, right, judges = self.read(each, rng)
        return Judged(
            found,
            accuracy,
            right,
            readability.aucs(found, self.acts, judges),
            self._scores(found, self.section.partners),
            self._null(each),
        )

    def read(
        self, each: ConceptSet, rng: np.random.Generator
    ) -> tuple[Vectors, np.ndarray, np.ndarray, Judges]:
        """Its vectors, what `readability.accuracies` says of them, and on what."""
        most, runs = self.section.images, self.section.partners
        drawn = draws.concept_runs(each, self.items, most, runs, rng)
        found = vectors.fit(self.acts, drawn.concept, drawn.others, self.section.strength)
        judges = readability.judges(self.items, each, most, rng)
        return found, *readability.accuracies(found, self.acts, judges), judges

    def _scores(self, found: Vectors, runs: int) -> Scores:
        own = found.logistic, found.lengths
        return tcav.scores(self._slopes, self._of_target, *own, runs)

    def _null(self, each: ConceptSet) -> Null:
        """Sets of as many images as a concept, from where its images and partners come from."""
        pool, members = _pool(each), len(self.items.split(each.members, False))
        key = pool.tobytes(), members
        if key not in self._nulls:
            rng = np.random.default_rng([self.seed, members, len(pool)])
            sets, most = self.section.random_sets, self.section.images
            runs = draws.random_runs(each, pool, self.items, most, sets, RANDOM_RUNS, rng)
            found = vectors.fit(self.acts, runs.concept, runs.others, self.section.strength)
            accuracies = []
            for place in range(sets):
                own = slice(place * RANDOM_RUNS, (place + 1) * RANDOM_RUNS)
                part = Vectors(*(getattr(found, f.name)[own] for f in dataclasses.fields(Vectors)))
                judged = readability.random_judges(pool, self.items, most, rng)
                accuracies.append(readability.accuracies(part, self.acts, judged)[0].mean())
            means = found.logistic.reshape(sets, RANDOM_RUNS, -1).mean(1)
            self._nulls[key] = Null(
                vectors.unit(means),
                np.array(accuracies),
                self._scores(found, RANDOM_RUNS),
            )
        return self._nulls[key]


def test(sets: Sequence[ConceptSet], judged: Sequence[Judged], targets: Sequence[Target]) -> Tested:
    """Test a family of concepts against random sets, corrected for all of its pairs."""
    p = np.stack(
        [
            statistics.single_case(each.scores.steadiness[0], each.null.scores.steadiness)
            for each in judged
        ]
    )
    adjusted = statistics.holm(p)
    member = np.array(
        [[bool({*each.labels} & {*target.labels}) for target in targets] for each in sets]
    )
    readable = np.array([each.readable for each in judged])
    return Tested(p, adjusted, member, (adjusted <= LEVEL) & readable[:, None])


def _pool(each: ConceptSet) -> np.ndarray:
    """Where random sets in a concept's place come from; a folder's images are like no others."""
    return each.outside if each.source == "folder" else np.union1d(each.members, each.outside)


def arbitrary(each: ConceptSet, items: Items, rng: np.random.Generator) -> ConceptSet:
    """A set of the same kind and size that is no concept.

    As many classes; of rules on pixels, a random part of each class; of textures a mixture; of
    folders random images.
    """
    if each.labels:
        classes = np.unique(items.stratum[items.natural])
        drawn = rng.choice(classes, len(each.labels), replace=False)
        members = np.flatnonzero(np.isin(items.stratum, drawn))
        outside = np.setdiff1d(items.natural, members)
        labels = tuple(drawn.tolist())
        return dataclasses.replace(each, members=members, outside=outside, labels=labels)
    pool = _pool(each)
    parts = []
    for side in (False, True):
        there, own = items.split(pool, side), items.split(each.members, side)
        if each.matched:
            parts.append(draws.like(there, items.stratum, items.stratum[own], rng))
        else:
            parts.append(draws.even(there, items.stratum, len(own), rng))
    members = np.sort(np.concatenate(parts))
    return dataclasses.replace(each, members=members, outside=np.setdiff1d(pool, members))
