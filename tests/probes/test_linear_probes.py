import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tickle_core import logistic
from tickle_core.errors import TickleError
from tickle_core.params import Probes
from tickle_core.probes import linear
from tickle_core.probes.linear import Examples

CLASSES = 5
SETTINGS = Probes(
    train_images=1000,
    strengths=[0.01, 0.1, 1.0],
    validation_share=0.2,
    control_clusters=20,
    shuffles=3,
)


def one_hot(labels, classes=CLASSES):
    return np.eye(classes)[labels]


def noise_images(n, d, seed):
    """Activations, labels and thumbnails that know nothing of each other."""
    rng = np.random.default_rng(seed)
    return Examples(
        rng.normal(size=(n, d)), rng.integers(0, CLASSES, n), rng.integers(0, 255, (n, 16))
    )


def planted_images(n, seed, noise=0.1):
    """Activations that encode the label linearly, and nothing of the thumbnails."""
    images = noise_images(n, 12, seed)
    directions = np.random.default_rng(99).normal(size=(CLASSES, 12))
    activations = one_hot(images.labels) @ directions + noise * images.activations
    return Examples(activations, images.labels, images.thumbnails)


def clustered_images(n, seed, kinds=20):
    """Images of a few kinds; the label is a function of the kind."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, kinds, n)
    centres = np.random.default_rng(7).integers(0, 255, (kinds, 16))
    thumbnails = centres[kind] + rng.normal(size=(n, 16))
    return kind, Examples(one_hot(kind, kinds), kind % CLASSES, thumbnails)


def test_finds_a_planted_linear_feature():
    result = linear.fit(planted_images(600, 0), planted_images(300, 1), SETTINGS, seed=0)
    assert result["accuracy"]["value"] == 1.0
    assert result["converged"]
    assert np.array_equal(np.diag(result["confusion"]), [entry["n"] for entry in result["classes"]])


def test_is_at_chance_where_labels_are_independent():
    n = 1000
    result = linear.fit(noise_images(n, 10, 0), noise_images(n, 10, 1), SETTINGS, seed=0)
    spread = np.sqrt(1 / CLASSES * (1 - 1 / CLASSES) / n)
    for value in [result["accuracy"]["value"], *result["chance"]["shuffled"]["values"]]:
        assert abs(value - 1 / CLASSES) < 4 * spread
    low, high = result["accuracy"]["interval"]
    assert low < result["chance"]["majority"]["value"] < high


def test_selectivity_is_zero_where_the_representation_memorises_the_input():
    _, train = clustered_images(800, 0)
    _, test = clustered_images(400, 1)
    result = linear.fit(train, test, SETTINGS, seed=0)
    assert result["accuracy"]["value"] == 1.0
    assert result["control"]["clusters"] == 20
    assert abs(result["selectivity"]["value"]) < 0.1


def test_selectivity_is_high_where_only_the_label_is_encoded():
    result = linear.fit(planted_images(800, 0), planted_images(400, 1), SETTINGS, seed=0)
    assert result["selectivity"]["value"] > 0.6
    low, high = result["selectivity"]["interval"]
    assert 0.5 < low < result["selectivity"]["value"] < high


def test_selectivity_interval_is_that_of_a_paired_difference():
    result = linear.fit(
        planted_images(800, 0, noise=1), planted_images(400, 1, noise=1), SETTINGS, 0
    )
    low, high = result["selectivity"]["interval"]
    assert abs((low + high) / 2 - result["selectivity"]["value"]) < 0.1 * (high - low)
    # Both accuracies are proportions of n images: their difference varies at most as if they
    # were never right on the same image.
    most = (
        sum(result[part]["value"] * (1 - result[part]["value"]) for part in ("accuracy", "control"))
        + 2 * result["accuracy"]["value"] * result["control"]["value"]
    )
    assert 0 < high - low < 2 * 1.96 * np.sqrt(most / 400) * 1.05


def test_control_labels_do_not_depend_on_the_layer():
    _, train = clustered_images(800, 0)
    _, test = clustered_images(400, 1)
    # Without its own channel the last kind is still told apart: it alone is zero everywhere.
    other_layer = [
        Examples(2 * part.activations @ np.diag([1] * 19 + [0]), part.labels, part.thumbnails)
        for part in (train, test)
    ]
    first = linear.fit(train, test, SETTINGS, seed=0)
    second = linear.fit(*other_layer, SETTINGS, seed=0)
    assert first["control"]["value"] == second["control"]["value"] == 1.0


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**31), st.floats(-3, 3))
def test_does_not_depend_on_units_or_offsets(seed, magnitude):
    rng = np.random.default_rng(seed)
    scale = 10**magnitude * rng.uniform(0.5, 2, 12) * rng.choice([-1, 1], 12)
    offset = rng.normal(size=12) * 10**magnitude
    parts = planted_images(200, 0, noise=1), planted_images(100, 1, noise=1)
    moved = [Examples(p.activations * scale + offset, p.labels, p.thumbnails) for p in parts]
    few = SETTINGS.model_copy(update={"strengths": [0.1], "shuffles": 1})
    expected, result = linear.fit(*parts, few, seed=0), linear.fit(*moved, few, seed=0)
    # Rounding may carry an image that lies on a boundary across it.
    assert abs(result["accuracy"]["value"] - expected["accuracy"]["value"]) <= 0.02
    assert abs(result["selectivity"]["value"] - expected["selectivity"]["value"]) <= 0.03


def test_equals_a_direct_scikit_learn_pipeline():
    train, test = planted_images(600, 0, noise=1), planted_images(300, 1, noise=1)
    result = linear.fit(train, test, SETTINGS, seed=0)
    direct = make_pipeline(
        StandardScaler(), LogisticRegression(C=result["strength"], max_iter=1000)
    ).fit(train.activations, train.labels)
    assert result["accuracy"]["value"] == direct.score(test.activations, test.labels)
    predicted = direct.predict(test.activations)
    for true in range(CLASSES):
        row = np.bincount(predicted[test.labels == true], minlength=CLASSES)
        assert result["confusion"][true] == row.tolist()
        assert result["classes"][true]["value"] == row[true] / row.sum()


def test_chooses_the_strength_on_the_validation_part():
    # Few images in many noisy dimensions: a weak penalty fits the noise.
    train, test = (noise_images(n, 200, seed) for n, seed in ((150, 0), (100, 1)))
    for images in (train, test):
        images.activations[:, :CLASSES] += 2 * one_hot(images.labels)
    strengths = [1e-3, 1e-2, 1e3]
    chosen = linear.fit(
        train, test, SETTINGS.model_copy(update={"strengths": strengths[::-1]}), seed=0
    )["strength"]
    fit_rows, validation_rows = logistic.split_rows(train.labels, 0.2, seed=0)
    scaled = StandardScaler().fit_transform(train.activations)
    scores = [
        LogisticRegression(C=strength, max_iter=1000)
        .fit(scaled[fit_rows], train.labels[fit_rows])
        .score(scaled[validation_rows], train.labels[validation_rows])
        for strength in strengths
    ]
    assert chosen == strengths[int(np.argmax(scores))]


def test_takes_float16_with_constant_channels_without_a_warning(recwarn):
    train, test = planted_images(300, 0), planted_images(200, 1)
    train, test = (
        Examples(
            np.pad(part.activations, ((0, 0), (0, 2)), constant_values=3).astype(np.float16),
            part.labels.astype(np.uint8),
            part.thumbnails,
        )
        for part in (train, test)
    )
    assert linear.fit(train, test, SETTINGS, seed=0)["accuracy"]["value"] == 1.0
    assert not recwarn.list


def test_is_plain_json_and_the_same_for_the_same_seed():
    parts = planted_images(300, 0, noise=1), planted_images(200, 1, noise=1)
    texts = [json.dumps(linear.fit(*parts, SETTINGS, seed=seed)) for seed in (3, 3, 4)]
    assert texts[0] == texts[1] != texts[2]


def test_a_class_without_test_images_has_no_accuracy():
    train, test = planted_images(300, 0), planted_images(200, 1)
    rest = test.labels != 2
    test = Examples(test.activations[rest], test.labels[rest], test.thumbnails[rest])
    entry = linear.fit(train, test, SETTINGS, seed=0)["classes"][2]
    assert entry == {"label": 2, "value": None, "interval": None, "n": 0}


@pytest.mark.parametrize("same", ["labels", "thumbnails"])
def test_refuses_a_task_with_one_label(same):
    train = planted_images(60, 0)
    columns = {name: getattr(train, name) for name in ("activations", "labels", "thumbnails")}
    train = Examples(**columns | {same: np.zeros_like(columns[same])})
    with pytest.raises(TickleError, match="two labels to tell apart"):
        linear.fit(train, planted_images(60, 1), SETTINGS, seed=0)
