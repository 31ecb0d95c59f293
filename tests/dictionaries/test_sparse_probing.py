"""k-sparse probing: planted features are found, on train images only, and nothing else is."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from tickle_core.dictionaries import sparse_probing
from tickle_core.dictionaries.image_features import LATENTS, random_names
from tickle_core.dictionaries.sparse_probing import COUNTS, Labels, choose_classes, per_image
from tickle_core.statistics import ratio_intervals

CLASSES, UNITS = 4, 60


def images(n, seed, strength=0.0, units=UNITS):
    """Features of n images, of which the first ones know a class each."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % CLASSES
    features = rng.standard_normal((n, units)) + 0.0
    features[:, :CLASSES] += strength * np.eye(CLASSES)[labels]
    return features.astype(np.float32), labels


def labels_of(train, test):
    return Labels(train, test, np.arange(CLASSES))


def every_kind(learnt, other):
    names = (*random_names(), "components", "channels")
    return {LATENTS: learnt, **dict.fromkeys(names, other)}


def test_one_feature_holds_its_class_and_random_ones_need_many():
    (train, of_train), (test, of_test) = images(2000, 0, 5.0), images(1000, 1, 5.0)
    turn = np.linalg.qr(np.random.default_rng(2).standard_normal((UNITS, UNITS)))[0]
    metrics, curve = sparse_probing.probe(
        every_kind(train, train @ turn),
        every_kind(test, test @ turn),
        labels_of(of_train, of_test),
        0,
    )
    assert metrics["classes"] == CLASSES
    assert metrics["k1"]["value"] > 0.99
    assert metrics["k1"]["null"]["value"] < 0.95
    assert metrics["beyond"]["k1"]["interval"][0] > 0.05
    # All of a basis is as good as another.
    last = curve[curve["k"] == 50].groupby("features")["auc"].mean()
    assert last["components"] == pytest.approx(last[LATENTS], abs=0.02)
    for key in ("k1", "k10"):
        low, high = metrics["rivals"]["shuffled"][key]["range"]
        assert 0.35 < low <= high < 0.65
        assert metrics[key]["interval"][1] <= 1 and metrics[key]["n"] == 1000


def test_where_there_is_nothing_to_find_any_k_is_at_chance():
    (train, of_train), (test, of_test) = images(400, 0, units=2000), images(2000, 1, units=2000)
    rows = per_image(train, test, labels_of(of_train, of_test))
    assert tuple(rows) == COUNTS
    for values in rows.values():
        # Features are chosen among two thousand: on the images that chose them they would tell.
        assert abs(values.mean() - 0.5) < 0.05
    cheating = per_image(train, train, labels_of(of_train, of_train))
    assert cheating[100].mean() > 0.9


def test_the_score_is_the_auc_of_fishers_discriminant_of_the_best_features():
    (train, of_train), (test, of_test) = images(600, 0, 1.0), images(300, 1, 1.0)
    rows = per_image(train, test, labels_of(of_train, of_test))
    aucs = []
    for label in range(CLASSES):
        member = of_train == label
        scaled, of_scaled = ((each - train.mean(0)) / train.std(0) for each in (train, test))
        apart = scaled[member].mean(0) - scaled[~member].mean(0)
        best = np.argsort(-np.abs(apart))[:10]
        fisher = LinearDiscriminantAnalysis(solver="lsqr").fit(scaled[:, best], member)
        scores = fisher.decision_function(of_scaled[:, best])
        aucs.append(roc_auc_score(of_test == label, scores))
    # The ridge is all that differs.
    assert rows[10].mean() == pytest.approx(np.mean(aucs), abs=2e-3)


def test_placements_average_to_the_auc_with_ties_too():
    rng = np.random.default_rng(0)
    scores, member = rng.integers(0, 5, 200).astype(float), rng.random(200) < 0.2
    found = sparse_probing._placements(scores, member)
    assert found.mean() == pytest.approx(roc_auc_score(member, scores))


def test_intervals_over_images_hold_the_true_auc():
    """Scores of two normals one standard deviation apart: the AUC is 0.76."""
    rng = np.random.default_rng(0)
    runs, n = 400, 200
    member = np.arange(n) < 20
    scores = rng.standard_normal((runs, n)) + member
    values = np.stack([sparse_probing._placements(each, member) for each in scores], axis=1)
    low, high = ratio_intervals(values, np.ones(n), 0)
    held = np.sum((low <= 0.7602) & (high >= 0.7602))
    assert held / runs > 0.93 - 2.6 * (0.93 * 0.07 / runs) ** 0.5


def test_units_that_never_vary_and_scales_change_nothing():
    (train, of_train), (test, of_test) = images(300, 0, 1.0), images(200, 1, 1.0)
    expected = per_image(train, test, labels_of(of_train, of_test))
    scale = np.exp(np.random.default_rng(0).uniform(-3, 3, UNITS)).astype(np.float32)
    train, test = (np.pad(each * scale + 1, ((0, 0), (0, 2))) for each in (train, test))
    found = per_image(train, test, labels_of(of_train, of_test))
    for k, values in expected.items():
        assert found[k].mean() == pytest.approx(values.mean(), abs=5e-3)


def test_classes_with_few_images_on_a_side_are_left_out():
    train = np.repeat([0, 1, 2, 3], [50, 60, 4, 50])
    test = np.repeat([0, 1, 2, 4], [10, 10, 10, 10])
    assert choose_classes(train, test).tolist() == [0, 1]
    many = np.repeat(np.arange(30), 40 + np.arange(30))
    assert choose_classes(many, many).tolist() == list(range(20, 30))
    features, labels = images(40, 0)
    none = Labels(labels, labels + CLASSES, choose_classes(labels, labels + CLASSES))
    metrics, curve = sparse_probing.probe(
        every_kind(features, features), every_kind(features, features), none, 0
    )
    assert list(metrics) == ["why"] and len(curve) == 0


def test_counts_beyond_the_features_are_left_out():
    features, labels = images(200, 0, 1.0, units=7)
    assert tuple(per_image(features, features, labels_of(labels, labels))) == (1, 2, 5)
