"""The whole procedure: it finds what is planted, and keeps its level where nothing is."""

import numpy as np
import pytest
from scipy.stats import binom

from tests.concepts.conftest import CLASSES, concept, make_items, settings
from tickle_core.concepts import procedure, readability
from tickle_core.concepts.procedure import Procedure
from tickle_core.concepts.tcav import Target

WIDTH = 12
TRIALS = 200


def make_acts(items, rng):
    """Classes with means of their own, in a space whose axes differ."""
    means = rng.normal(size=(CLASSES, WIDTH))
    noise = rng.normal(size=(len(items.stratum), WIDTH)) * np.linspace(0.5, 2, WIDTH)
    return (means[items.stratum] + noise).astype(np.float32)


def make_slopes(rng, per_class=30):
    """Gradients with a direction of each class, and images that differ."""
    common = rng.normal(size=(CLASSES, WIDTH))
    slopes = np.repeat(common, per_class, 0) + 2 * rng.normal(size=(CLASSES * per_class, WIDTH))
    return slopes.astype(np.float32), np.repeat(np.arange(CLASSES), per_class)


def targets():
    return [Target(f"class {c}", (c,), np.arange(1), np.zeros(1, int)) for c in range(CLASSES)]


def test_a_planted_concept_scores_one_and_is_significant():
    rng = np.random.default_rng(0)
    items = make_items()
    acts = make_acts(items, rng)
    members = rng.choice(items.natural, 200, replace=False)
    direction = np.zeros(WIDTH)
    direction[3] = 1
    acts[members] += (4 * direction).astype(np.float32)
    slopes, of_target = make_slopes(rng)
    slopes[of_target == 2] += (12 * direction).astype(np.float32)
    each = concept(items, members)
    steps = Procedure(items, acts, slopes, of_target, settings(), seed=0)
    judged = steps.judge(each, [0])
    tested = procedure.test([each], [judged], targets())
    assert judged.readable
    assert judged.scores.score[0, 2] > 0.99
    assert tested.significant[0, 2]
    assert tested.adjusted[0, 2] < 1e-3
    assert judged.vectors.mean.mean(0) @ direction > 0.9
    assert min(judged.aucs.values()) > 0.9


@pytest.mark.slow
def test_random_concepts_are_significant_as_seldom_as_the_level_says():
    """Gate and correction included, over all pairs of a family."""
    items = make_items(300, 200)
    few = settings(images=30, partners=20, random_sets=40)
    claimed = 0
    for trial in range(TRIALS):
        rng = np.random.default_rng(trial)
        acts = make_acts(items, rng)
        steps = Procedure(items, acts, *make_slopes(rng, 12), few, seed=trial)
        sets = [
            concept(items, rng.choice(items.natural, 200, replace=False), f"c{place}")
            for place in range(3)
        ]
        judged = [steps.judge(each, [place]) for place, each in enumerate(sets)]
        # Without the gate too: it could only hide what the test claims.
        tested = procedure.test(sets, judged, targets())
        claimed += (tested.adjusted <= readability.LEVEL).any()
    assert claimed <= binom.ppf(0.975, TRIALS, readability.LEVEL)


def test_the_p_values_of_random_concepts_are_not_too_small():
    items = make_items(300, 200)
    few = settings(images=30, partners=20, random_sets=40)
    p = []
    for trial in range(40):
        rng = np.random.default_rng(1000 + trial)
        acts = make_acts(items, rng)
        steps = Procedure(items, acts, *make_slopes(rng, 12), few, seed=trial)
        each = concept(items, rng.choice(items.natural, 200, replace=False))
        p.append(procedure.test([each], [steps.judge(each, [0])], targets()).p)
    assert np.mean(np.array(p) <= 0.05) < 0.08
    assert 0.3 < np.median(p) < 0.8


def test_random_sets_are_read_by_chance_and_a_concept_is_not():
    rng = np.random.default_rng(1)
    items = make_items()
    acts = make_acts(items, rng)
    members = np.flatnonzero(np.isin(items.stratum, [0, 1]))
    each = concept(items, members, labels=(0, 1))
    judged = Procedure(items, acts, *make_slopes(rng), settings(), 0).judge(each, [0])
    found = readability.estimate(judged.right, judged.accuracy, judged.null.accuracies)
    assert found["value"] > 0.85 and found["p"] < 0.01
    assert found["interval"][0] <= found["value"] <= found["interval"][1]
    assert found["null"]["value"] == pytest.approx(0.5, abs=0.03)
    assert found["n"] == 80


def test_a_set_that_is_read_worse_than_random_ones_does_not_pass():
    assert readability.p_value(0.3, np.linspace(0.45, 0.55, 50)) == 1
    assert readability.p_value(0.9, np.linspace(0.45, 0.55, 50)) < 1e-6


def test_pairs_whose_class_is_part_of_the_concept_do_not_count():
    rng = np.random.default_rng(2)
    items = make_items()
    steps = Procedure(items, make_acts(items, rng), *make_slopes(rng), settings(), 0)
    each = concept(items, np.flatnonzero(items.stratum == 1), labels=(1,))
    tested = procedure.test([each], [steps.judge(each, [0])], targets())
    assert tested.member.tolist() == [[False, True, False, False]]
    assert tested.share == tested.significant[0, [0, 2, 3]].mean()


@pytest.mark.parametrize("kind", ["classes", "pixels", "folder"])
def test_arbitrary_concepts_are_of_the_same_kind_and_size(kind):
    rng = np.random.default_rng(3)
    items = make_items()
    if kind == "classes":
        each = concept(items, np.flatnonzero(np.isin(items.stratum, [0, 3])), labels=(0, 3))
    else:
        members = rng.choice(items.natural, 120, replace=False)
        each = concept(items, members, matched=kind == "pixels")
    other = procedure.arbitrary(each, items, rng)
    assert len(np.intersect1d(other.members, other.outside)) == 0
    if kind == "classes":
        assert len(other.labels) == 2
        assert len(other.members) == len(each.members)
    if kind == "pixels":
        for test in (False, True):
            own, drawn = (
                np.bincount(items.stratum[items.split(part.members, test)], minlength=CLASSES)
                for part in (each, other)
            )
            assert (drawn <= own).all() and drawn.sum() > 0.6 * own.sum()
    if kind == "folder":
        assert np.isin(other.members, each.outside).all()


def test_the_seed_decides_all():
    rng = np.random.default_rng(4)
    items = make_items()
    acts, slopes = make_acts(items, rng), make_slopes(rng)
    each = concept(items, np.flatnonzero(items.stratum == 1), labels=(1,))
    one, same, other = (
        Procedure(items, acts, *slopes, settings(), seed).judge(each, [0]) for seed in (0, 0, 1)
    )
    assert np.array_equal(one.vectors.logistic, same.vectors.logistic)
    assert np.array_equal(one.null.vectors, same.null.vectors)
    assert not np.array_equal(one.vectors.logistic, other.vectors.logistic)
