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
from tickle_core.params.probes import Probes
from tickle_core.probes import control, linear
from tickle_core.probes.linear import Examples
from tickle_core.statistics import drawn

CLASSES = 5
SETTINGS = Probes(
    train_images=1000,
    strengths=[0.01, 0.1, 1.0],
    validation_share=0.2,
    control_clusters=20,
    control_draws=4,
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


def fit(train, test, settings=SETTINGS, seed=0):
    return linear.fit(train, test, settings, seed)


def accuracies(found, task):
    return found.tasks.loc[found.tasks["task"] == task, "accuracy"].to_numpy()


def test_finds_a_planted_linear_feature():
    found = fit(planted_images(600, 0), planted_images(300, 1))
    assert found.metrics["accuracy"]["value"] == 1.0
    assert found.metrics["converged"]
    # Nothing is confused.
    assert found.confusion["true"].equals(found.confusion["predicted"])
    assert found.confusion["images"].tolist() == found.classes["n"].tolist()


def test_is_at_chance_where_labels_are_independent():
    n = 1000
    found = fit(noise_images(n, 10, 0), noise_images(n, 10, 1))
    spread = np.sqrt(1 / CLASSES * (1 - 1 / CLASSES) / n)
    for value in found.tasks["accuracy"]:
        assert abs(value - 1 / CLASSES) < 4.5 * spread
    low, high = found.metrics["accuracy"]["interval"]
    assert low < found.metrics["majority"]["value"] < high
    assert abs(found.metrics["selectivity"]["null"]["value"]) < 4 * spread


def test_numbers_are_those_of_the_tasks():
    found = fit(planted_images(800, 0), planted_images(400, 1))
    metrics, controls = found.metrics, accuracies(found, "control")
    shuffled, null = accuracies(found, "shuffled"), accuracies(found, "shuffled control")
    assert found.tasks["draw"].tolist() == [0, *range(4), *range(3), *range(4)]
    assert metrics["accuracy"]["value"] == accuracies(found, "class")[0]
    assert metrics["accuracy"]["null"] == drawn(shuffled)
    assert metrics["control"]["value"] == pytest.approx(controls.mean())
    assert metrics["control"]["range"] == [controls.min(), controls.max()]
    assert (metrics["control"]["draws"], metrics["control"]["clusters"]) == (4, 20)
    gap = metrics["accuracy"]["value"] - controls.mean()
    assert metrics["selectivity"]["value"] == pytest.approx(gap)
    assert metrics["selectivity"]["null"] == drawn(shuffled - null.mean())
    for name in ("accuracy", "majority", "control", "selectivity"):
        low, high = metrics[name]["interval"]
        assert low <= metrics[name]["value"] <= high
        assert metrics[name]["n"] == 400


def test_selectivity_is_zero_where_the_representation_memorises_the_input():
    _, train = clustered_images(800, 0)
    _, test = clustered_images(400, 1)
    metrics = fit(train, test).metrics
    assert metrics["accuracy"]["value"] == 1.0
    # k-means finds the kinds, but for one that it splits and two that it joins now and then.
    assert abs(metrics["selectivity"]["value"]) < 0.1


def test_selectivity_is_high_where_only_the_label_is_encoded():
    selectivity = fit(planted_images(800, 0), planted_images(400, 1)).metrics["selectivity"]
    assert selectivity["value"] > 0.6
    assert selectivity["interval"][0] > 0.5 > selectivity["null"]["range"][1]


def test_a_class_that_is_one_more_random_label_of_clusters_lies_among_the_control_tasks():
    """What tells nothing of the network's training must not look selective."""
    _, train = clustered_images(800, 0)
    _, test = clustered_images(400, 1)
    settings = SETTINGS.model_copy(update={"control_draws": 20})
    # Half of the channels: some kinds are told apart and some are not.
    halved = [Examples(p.activations[:, :10], p.labels, p.thumbnails) for p in (train, test)]
    [(of_train, of_test)] = control.draw_labels(
        train.labels, train.thumbnails, test.thumbnails, 20, 1, seed=99
    )
    relabelled = [
        Examples(part.activations, labels, part.thumbnails)
        for part, labels in zip(halved, (of_train, of_test), strict=True)
    ]
    found = fit(*relabelled, settings).metrics
    low, high = found["control"]["range"]
    assert low <= found["accuracy"]["value"] <= high


@pytest.mark.slow
@pytest.mark.parametrize(("planted", "least", "most"), [(False, 0, 12), (True, 60, 60)])
def test_selectivity_lies_above_its_null_only_where_there_is_something_to_find(
    planted, least, most
):
    """Of labels that the layer knows nothing of, one in ten is better than nine that are shuffled.

    The interval says what other images and tasks would give the probe as it was fitted; whether it
    is more than luck of the fit, the null's range says.
    """
    settings = SETTINGS.model_copy(
        update={"strengths": [0.1], "control_clusters": 10, "control_draws": 2, "shuffles": 9}
    )
    make = planted_images if planted else lambda n, seed: noise_images(n, 4, seed)
    above = 0
    for seed in range(60):
        found = fit(make(100, 2 * seed), make(100, 2 * seed + 1), settings, seed)
        selectivity = found.metrics["selectivity"]
        above += selectivity["value"] > selectivity["null"]["range"][1]
    assert least <= above <= most


def test_control_labels_do_not_depend_on_the_layer():
    _, train = clustered_images(800, 0)
    _, test = clustered_images(400, 1)
    # Without its own channel the last kind is still told apart: it alone is zero everywhere.
    other_layer = [
        Examples(2 * part.activations @ np.diag([1] * 19 + [0]), part.labels, part.thumbnails)
        for part in (train, test)
    ]
    first, second = fit(train, test), fit(*other_layer)
    assert accuracies(first, "control").tolist() == accuracies(second, "control").tolist()


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**31), st.floats(-3, 3))
def test_does_not_depend_on_units_or_offsets(seed, magnitude):
    rng = np.random.default_rng(seed)
    scale = 10**magnitude * rng.uniform(0.5, 2, 12) * rng.choice([-1, 1], 12)
    offset = rng.normal(size=12) * 10**magnitude
    parts = planted_images(200, 0, noise=1), planted_images(100, 1, noise=1)
    moved = [Examples(p.activations * scale + offset, p.labels, p.thumbnails) for p in parts]
    few = SETTINGS.model_copy(update={"strengths": [0.1], "control_draws": 2, "shuffles": 1})
    expected, result = fit(*parts, few).metrics, fit(*moved, few).metrics
    # Rounding may carry an image that lies on a boundary across it.
    assert abs(result["accuracy"]["value"] - expected["accuracy"]["value"]) <= 0.02
    assert abs(result["selectivity"]["value"] - expected["selectivity"]["value"]) <= 0.03


def test_equals_a_direct_scikit_learn_pipeline():
    train, test = planted_images(600, 0, noise=1), planted_images(300, 1, noise=1)
    found = fit(train, test)
    strength = found.tasks["strength"][0]
    direct = make_pipeline(StandardScaler(), LogisticRegression(C=strength, tol=1e-8)).fit(
        train.activations, train.labels
    )
    assert found.metrics["accuracy"]["value"] == direct.score(test.activations, test.labels)
    predicted = direct.predict(test.activations)
    for true in range(CLASSES):
        row = np.bincount(predicted[test.labels == true], minlength=CLASSES)
        of_class = found.confusion[found.confusion["true"] == true]
        assert dict(zip(of_class["predicted"], of_class["images"], strict=True)) == {
            label: count for label, count in enumerate(row) if count
        }
        assert found.classes["value"][true] == row[true] / row.sum()
        assert found.classes["low"][true] < row[true] / row.sum() < found.classes["high"][true]


def test_chooses_the_strength_on_the_validation_part():
    # Few images in many noisy dimensions: a weak penalty fits the noise.
    train, test = (noise_images(n, 200, seed) for n, seed in ((150, 0), (100, 1)))
    for images in (train, test):
        images.activations[:, :CLASSES] += 2 * one_hot(images.labels)
    strengths = [1e-3, 1e-2, 1e3]
    settings = SETTINGS.model_copy(update={"strengths": strengths[::-1]})
    chosen = fit(train, test, settings).tasks["strength"][0]
    fit_rows, validation_rows = logistic.split_rows(train.labels, 0.2, seed=0)
    scaled = StandardScaler().fit_transform(train.activations)
    scores = [
        LogisticRegression(C=strength, tol=1e-8, max_iter=1000)
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
    assert fit(train, test).metrics["accuracy"]["value"] == 1.0
    assert not recwarn.list


def test_is_plain_json_and_the_same_for_the_same_seed():
    parts = planted_images(300, 0, noise=1), planted_images(200, 1, noise=1)
    found = [fit(*parts, seed=seed) for seed in (3, 3, 4)]
    texts = [json.dumps(each.metrics) for each in found]
    assert texts[0] == texts[1] != texts[2]
    for name in ("tasks", "classes", "confusion"):
        assert getattr(found[0], name).equals(getattr(found[1], name))


def test_a_class_without_test_images_has_no_accuracy():
    train, test = planted_images(300, 0), planted_images(200, 1)
    rest = test.labels != 2
    test = Examples(test.activations[rest], test.labels[rest], test.thumbnails[rest])
    found = fit(train, test).classes
    assert found["label"].tolist() == list(range(CLASSES))
    assert found["n"][2] == 0
    assert found.loc[2, ["value", "low", "high"]].isna().all()


@pytest.mark.parametrize("same", ["labels", "thumbnails"])
def test_refuses_a_task_with_one_label(same):
    train = planted_images(60, 0)
    columns = {name: getattr(train, name) for name in ("activations", "labels", "thumbnails")}
    train = Examples(**columns | {same: np.zeros_like(columns[same])})
    with pytest.raises(TickleError, match="two labels to tell apart"):
        fit(train, planted_images(60, 1))


def test_where_nothing_can_be_right_every_number_says_why():
    train, test = planted_images(300, 0), planted_images(200, 1)
    found, nothing = fit(train, test), linear.unjudged()
    assert nothing.metrics.keys() == found.metrics.keys()
    for name in ("accuracy", "majority", "control", "selectivity"):
        assert nothing.metrics[name]["value"] is None
        assert nothing.metrics[name]["why"] == "no class is on both sides of the split"
    for name in ("tasks", "classes", "confusion"):
        table = getattr(nothing, name)
        assert len(table) == 0
        assert table.dtypes.equals(getattr(found, name).dtypes)
