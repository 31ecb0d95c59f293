"""Which images each fit is made from."""

import numpy as np
import pytest

from tests.concepts.conftest import concept, make_items
from tickle_core.concepts import draws


@pytest.fixture
def items():
    return make_items()


def test_runs_draw_the_concept_anew_and_its_partners_evenly_from_outside(items):
    members = np.flatnonzero(np.isin(items.stratum, [0, 1]))
    each = concept(items, members, labels=(0, 1))
    runs = draws.concept_runs(each, items, 40, 30, np.random.default_rng(0))
    assert runs.concept.shape == runs.others.shape == (30, 40)
    assert np.isin(runs.concept, members).all()
    assert not items.is_test[runs.concept].any() and not items.is_test[runs.others].any()
    # One set of forty images, of which a run repeats some.
    assert len(np.unique(runs.concept)) == 40
    assert all(len(np.unique(run)) < 40 for run in runs.concept)
    for run in runs.others:
        assert np.bincount(items.stratum[run], minlength=4).tolist() == [0, 0, 20, 20]


def test_matched_partners_have_the_classes_of_the_concept_s_images(items):
    rng = np.random.default_rng(1)
    members = rng.choice(np.flatnonzero(items.stratum != 3), 90, replace=False)
    each = concept(items, members, matched=True)
    runs = draws.concept_runs(each, items, 40, 10, rng)
    for own, other in zip(runs.concept, runs.others, strict=True):
        assert np.array_equal(items.stratum[own], items.stratum[other])
    assert not np.isin(runs.others, members).any()


def test_random_sets_and_their_partners_share_nothing(items):
    each = concept(items, np.arange(0, 600, 2))
    runs = draws.random_runs(each, items.natural, items, 30, 5, 4, np.random.default_rng(2))
    assert len(runs.concept) == 20
    assert not items.is_test[runs.concept].any()
    for place in range(5):
        own, other = (
            np.unique(part[4 * place : 4 * place + 4]) for part in (runs.concept, runs.others)
        )
        assert len(own) <= 30
        assert len(np.intersect1d(own, other)) == 0


def test_drawing_evenly_takes_turns_until_a_stratum_is_used_up():
    strata = np.array([0] * 10 + [1] * 3 + [2] * 10)
    drawn = draws.even(np.arange(23), strata, 15, np.random.default_rng(0))
    assert len(np.unique(drawn)) == 15
    assert np.bincount(strata[drawn]).tolist() == [6, 3, 6]


def test_a_small_concept_makes_small_sets(items):
    each = concept(items, np.flatnonzero(items.stratum == 0)[:12], labels=(0,))
    runs = draws.concept_runs(each, items, 40, 3, np.random.default_rng(0))
    assert runs.concept.shape == runs.others.shape == (3, 12)
