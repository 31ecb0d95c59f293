import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tickle_core.dictionaries import meaning


def names_of(count):
    return [f"concept {number}" for number in range(count)]


def sparse_strengths(n, m, rng):
    """Mostly zeros, and few enough other values that they tie as well."""
    return (rng.integers(0, 6, (n, m)) * (rng.random((n, m)) < 0.4)).astype(np.float32)


def one_hot(labels, classes):
    return labels[:, None] == np.arange(classes)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(30, 80), st.floats(0.2, 0.7))
def test_auc_is_that_of_scikit_learn(seed, n, share):
    rng = np.random.default_rng(seed)
    strengths = sparse_strengths(n, 6, rng)
    strengths[:2] = [[1], [0]]  # no latent is silent
    membership = rng.random((n, 4)) < share  # concepts overlap ...
    membership[:10] = [[True], [False]] * 5  # ... and none is too rare
    table = meaning.match(strengths, membership, names_of(4), 19, seed=0)
    expected = np.array([[roc_auc_score(c, z) for c in membership.T] for z in strengths.T])
    np.testing.assert_allclose(table.auc, expected.max(1), rtol=0, atol=1e-12)
    chosen = [int(name.removeprefix("concept ")) for name in table.best]
    np.testing.assert_allclose(expected[range(6), chosen], expected.max(1), rtol=0, atol=1e-12)


def test_every_single_auc_is_that_of_scikit_learn_at_the_most_images():
    rng = np.random.default_rng(0)
    n = meaning.MOST_IMAGES
    strengths = np.stack([np.arange(n), rng.permutation(n), sparse_strengths(n, 1, rng)[:, 0]], 1)
    # The upper half has the largest sum of ranks that there is.
    for members in (np.arange(n) >= n // 2, np.arange(n) % 2 == 1, rng.random(n) < 0.01):
        table = meaning.match(strengths.astype(np.float32), members[:, None], ["it"], 19, seed=0)
        expected = [roc_auc_score(members, z) for z in strengths.T]
        np.testing.assert_allclose(table.auc, expected, rtol=0, atol=1e-12)


def test_names_the_class_that_a_latent_stands_for():
    labels = np.random.default_rng(0).permutation(np.arange(500) % 5)
    indicators = one_hot(labels, 5)
    table = meaning.match(indicators.astype(np.float32), indicators, list("abcde"), 50, seed=0)
    assert table.best.tolist() == list("abcde")
    assert (table.auc == 1).all()
    assert (table.auc_null < 0.7).all()
    assert table.latent.tolist() == [0, 1, 2, 3, 4]


def test_names_a_concept_that_overlaps_with_others():
    rng = np.random.default_rng(0)
    striped, red = rng.random((2, 400)) < 0.5
    membership = np.stack([striped, red, striped & red, striped | red], 1)
    strengths = np.stack([striped & red, striped | red, red], 1) + rng.random((400, 3)) / 2
    names = ["striped", "red", "both", "either"]
    table = meaning.match(strengths.astype(np.float32), membership, names, 50, seed=0)
    assert table.best.tolist() == ["both", "either", "red"]


def test_latents_that_know_nothing_tell_as_often_as_chance():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 300)
    m = 3000
    table = meaning.match(sparse_strengths(300, m, rng), one_hot(labels, 10), names_of(10), 99, 0)
    spread = np.sqrt(0.05 * 0.95 / m)
    # Ties make it rarer still, so that it is held on both sides but not tightly below.
    assert 0.03 < (table.auc > table.auc_null).mean() < meaning.CHANCE + 4 * spread
    # The best of ten is above a half by luck alone, and its null with it.
    assert 0.5 < table.auc.median() < table.auc_null.median()


def test_the_null_grows_with_the_number_of_concepts():
    rng = np.random.default_rng(0)
    strengths = rng.random((400, 50), dtype=np.float32)
    labels = rng.integers(0, 20, 400)
    few, many = (
        meaning.match(strengths, one_hot(labels, 20)[:, :c], names_of(c), 40, 0) for c in (2, 20)
    )
    assert (few.auc_null > 0.5).all()
    assert many.auc_null.mean() > few.auc_null.mean() + 0.02


def test_the_null_does_not_depend_on_what_a_latent_stands_for():
    """A planted latent and the same values in another order are held against the same null."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 400)
    planted = (labels == 1) + rng.random(400)
    strengths = np.stack([planted, rng.permutation(planted)], 1).astype(np.float32)
    table = meaning.match(strengths, one_hot(labels, 4), names_of(4), 400, seed=0)
    assert abs(table.auc_null[0] - table.auc_null[1]) < 0.02
    assert table.auc[0] > 0.9 > 0.6 > table.auc[1]


def test_blocks_of_latents_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    strengths = sparse_strengths(200, 37, rng)
    strengths[:, [3, 20]] = 0
    membership = rng.random((200, 6)) < 0.3
    expected = meaning.match(strengths, membership, names_of(6), 30, seed=0)
    monkeypatch.setattr(meaning, "BLOCK_BYTES", 40 * 200 * 5)
    pd.testing.assert_frame_equal(
        meaning.match(strengths, membership, names_of(6), 30, seed=0), expected
    )


def test_units_and_monotone_maps_change_nothing():
    rng = np.random.default_rng(0)
    strengths = sparse_strengths(200, 8, rng)
    membership = rng.random((200, 3)) < 0.3
    expected = meaning.match(strengths, membership, names_of(3), 30, seed=0)
    result = meaning.match(7 * strengths**2 + 1, membership, names_of(3), 30, seed=0)
    pd.testing.assert_frame_equal(result, expected)


def test_a_silent_latent_has_no_concept():
    rng = np.random.default_rng(0)
    strengths = sparse_strengths(100, 3, rng)
    strengths[:, 1] = 0
    table = meaning.match(strengths, rng.random((100, 2)) < 0.5, names_of(2), 30, seed=0)
    assert table.best[1] == ""
    assert table.auc.isna().tolist() == table.auc_null.isna().tolist() == [False, True, False]


def test_rare_and_nearly_universal_concepts_are_not_looked_for():
    n, few = 60, meaning.LEAST_IMAGES
    first = np.arange(n) < few
    strengths = first[:, None].astype(np.float32)
    rarer = np.arange(n) < few - 1
    looked_for = meaning.match(strengths, np.stack([rarer, first], 1), ["rarer", "it"], 30, 0)
    assert looked_for.best.tolist() == ["it"]
    left_out = meaning.match(strengths, np.stack([rarer, ~rarer], 1), ["rarer", "rest"], 30, 0)
    assert left_out.best.tolist() == [""]


def test_the_same_seed_gives_the_same_table():
    rng = np.random.default_rng(0)
    strengths, membership = sparse_strengths(100, 20, rng), rng.random((100, 3)) < 0.5
    first, again, other = (
        meaning.match(strengths, membership, names_of(3), 30, seed=seed) for seed in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(first, again)
    assert first.auc.equals(other.auc)
    assert not first.auc_null.equals(other.auc_null)


def test_refuses_more_images_than_sums_are_exact_for_and_too_few_shuffles():
    n = meaning.MOST_IMAGES + 1
    with pytest.raises(ValueError, match="images"):
        meaning.match(np.zeros((n, 1), np.float32), np.zeros((n, 1), bool), ["it"], 30, 0)
    with pytest.raises(ValueError, match="18 shuffles"):
        meaning.match(np.zeros((9, 1), np.float32), np.zeros((9, 1), bool), ["it"], 18, 0)


def test_purity_is_the_share_of_the_most_frequent_class():
    class_of_image = np.array(["cat", "dog", "ant", "dog", "cat", "dog"])
    top_images = pd.DataFrame(
        [(4, 0, 1), (4, 1, 0), (4, 2, 3), (4, 3, 2), (9, 0, 1), (9, 1, 0), (2, 0, 2)],
        columns=["latent", "rank", "image_id"],
    )
    table = meaning.purity(top_images, class_of_image)
    # Latent 9 has a dog and a cat: the alphabetically first is named.
    assert table.latent.tolist() == [2, 4, 9]
    assert table.top_class.tolist() == ["ant", "dog", "cat"]
    assert table.purity.tolist() == [1.0, 0.5, 0.5]


def test_purity_without_top_images_is_an_empty_table():
    none = pd.DataFrame({"latent": [], "rank": [], "image_id": []}, dtype=np.int64)
    table = meaning.purity(none, np.array(["cat"]))
    assert table.columns.tolist() == ["latent", "top_class", "purity"]
    assert len(table) == 0
