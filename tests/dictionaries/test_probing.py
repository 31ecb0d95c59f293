import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tickle_core import logistic
from tickle_core.dictionaries.probing import STRENGTHS, VALIDATION_SHARE, probe

CLASSES, M, D = 4, 40, 12


def images(n, seed, of_latents=0.0, of_activations=0.0):
    """Latents, labels and activations of n images; how strongly each knows the label."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, n)
    latents = rng.random((n, M)) * (rng.random((n, M)) < 0.3)
    latents[:, :CLASSES] += of_latents * np.eye(CLASSES)[labels]
    activations = rng.normal(size=(n, D))
    activations[:, :CLASSES] += of_activations * np.eye(CLASSES)[labels]
    return latents.astype(np.float32), labels, activations.astype(np.float32)


def probed(train, test, seed=0):
    return probe(*train[:2], *test[:2], train[2], test[2], seed)


@pytest.mark.parametrize("knows", ["latents", "activations"])
def test_finds_labels_where_they_are_encoded_and_only_there(knows):
    strength = {f"of_{knows}": 12.0}
    n = 600
    result = probed(images(800, 0, **strength), images(n, 1, **strength))
    found = {"latents": result["latents"], **result["rivals"]}
    other = {"latents": "activations", "activations": "latents"}[knows]
    spread = np.sqrt(1 / CLASSES * (1 - 1 / CLASSES) / n)
    assert found[knows]["value"] == 1.0
    assert found[knows]["n"] == found[other]["n"] == n
    for chance in (found[other]["value"], found["majority"]["value"]):
        assert abs(chance - 1 / CLASSES) < 4 * spread
    # Where labels lie apart a shuffled probe is right or wrong on a class as a whole.
    assert found["latents"]["null"]["value"] < 0.5


def test_is_at_chance_where_labels_are_independent():
    n = 1000
    result = probed(images(800, 0), images(n, 1))
    low, high = result["latents"]["interval"]
    assert low < 1 / CLASSES < high
    spread = np.sqrt(1 / CLASSES * (1 - 1 / CLASSES) / n)
    assert abs(result["latents"]["null"]["value"] - 1 / CLASSES) < 4 * spread


def test_equals_a_direct_scikit_learn_pipeline():
    train, test = images(600, 0, 0.7, 1.0), images(400, 1, 0.7, 1.0)
    result = probed(train, test)
    result = {"latents": result["latents"], **result["rivals"]}
    labels = train[1]
    fit_rows, validation_rows = logistic.split_rows(labels, VALIDATION_SHARE, seed=0)
    for name, x_train, x_test in (
        ("latents", train[0], test[0]),
        ("activations", train[2], test[2]),
    ):
        scaled = StandardScaler().fit_transform(x_train)
        scores = [
            LogisticRegression(C=c, max_iter=1000)
            .fit(scaled[fit_rows], labels[fit_rows])
            .score(scaled[validation_rows], labels[validation_rows])
            for c in STRENGTHS
        ]
        chosen = STRENGTHS[int(np.argmax(scores))]
        direct = make_pipeline(StandardScaler(), LogisticRegression(C=chosen, max_iter=1000))
        direct.fit(x_train, labels)
        assert 0.4 < result[name]["value"] < 0.95
        assert result[name]["value"] == direct.score(x_test, test[1])


def test_majority_is_the_train_images_most_frequent_class():
    latents, _, activations = images(100, 0)
    labels_train = np.array([1] * 60 + [0] * 40)
    labels_test = np.array([0] * 70 + [1] * 30)
    result = probed((latents, labels_train, activations), (latents, labels_test, activations))
    assert result["rivals"]["majority"]["value"] == 0.3


def test_units_and_silent_latents_change_little():
    train, test = images(400, 0, 1.0), images(300, 1, 1.0)
    expected = probed(train, test)["latents"]["value"]
    scale = np.array([1e-3, 1e3] * (M // 2), np.float32)
    train, test = ((np.pad(part[0] * scale, ((0, 0), (0, 3))), *part[1:]) for part in (train, test))
    # Rounding may carry an image that lies on a boundary across it.
    assert abs(probed(train, test)["latents"]["value"] - expected) <= 0.02


def test_is_plain_json_and_the_same_for_the_same_seed():
    parts = images(200, 0, 0.5, 0.5), images(150, 1, 0.5, 0.5)
    texts = [json.dumps(probed(*parts, seed=seed)) for seed in (3, 3, 4)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("labels", [[0] * 20, [0, 1]])
def test_there_is_no_probe_of_a_single_class(labels):
    """Nor of two images of two classes, one of which is needed to validate on."""
    latents, _, activations = images(len(labels), 0)
    part = latents, np.array(labels), activations
    found = probed(part, part)
    assert found["latents"]["value"] is None and "single class" in found["latents"]["why"]


def test_there_is_no_probe_where_no_class_is_on_both_sides():
    latents, labels, activations = images(40, 0)
    found = probed((latents, labels, activations), (latents, labels + CLASSES, activations))
    assert found["latents"]["why"] == logistic.NOTHING_SHARED
    assert found["rivals"] == {}
