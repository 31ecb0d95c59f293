import json

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tickle_core.errors import TickleError
from tickle_core.probes import position

CLASSES, POSITIONS, CHANNELS = 4, 6, 5
STRENGTHS = [0.001, 0.01, 1.0]


def source(tokens, labels, size=64):
    """Chunks of at most `size` images, to be read as often as wanted."""
    return lambda: (
        (tokens[start : start + size], labels[start : start + size])
        for start in range(0, len(labels), size)
    )


def images(n, seed, signal):
    """Tokens whose position p encodes the label with strength signal[p]."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, n)
    tokens = rng.normal(size=(n, POSITIONS, CHANNELS))
    tokens[:, :, :CLASSES] += np.eye(CLASSES)[labels][:, None] * np.asarray(signal)[:, None]
    return tokens, labels


def parts(signal, n=(400, 100, 300)):
    return [images(count, seed, signal) for seed, count in enumerate(n)]


def probe(data, strengths=STRENGTHS, size=64, prefix=(), grid=None):
    return position.fit(*(source(*part, size) for part in data), CLASSES, strengths, prefix, grid)


def same(one, other):
    return one.metrics == other.metrics and one.table.equals(other.table)


def ridge(strength, *data):
    """A scikit-learn ridge classifier per position."""
    tokens = np.concatenate([tokens for tokens, _ in data])
    labels = np.concatenate([labels for _, labels in data])
    return [
        make_pipeline(StandardScaler(), RidgeClassifier(alpha=1 / strength)).fit(
            tokens[:, p], labels
        )
        for p in range(POSITIONS)
    ]


GRADED = np.linspace(0, 3, POSITIONS)


@pytest.mark.parametrize("strength", [0.001, 1.0])
def test_equals_scikit_learn_at_every_position(strength):
    data = parts(GRADED)
    tokens, labels = data[2]
    expected = [
        model.score(tokens[:, p], labels) for p, model in enumerate(ridge(strength, *data[:2]))
    ]
    found = probe(data, [strength]).table["value"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_chooses_the_strength_on_the_validation_part():
    # Few images to fit on, so that the penalty matters.
    data = parts(GRADED, n=(12, 200, 50))
    tokens, labels = data[1]
    strengths = [0.01, 0.3, 10.0]
    scores = [
        [model.score(tokens[:, p], labels) for p, model in enumerate(ridge(strength, data[0]))]
        for strength in strengths
    ]
    expected = np.array(strengths)[np.argmax(scores, axis=0)]
    assert len(set(expected)) > 1
    assert probe(data, strengths[::-1]).table["strength"].tolist() == expected.tolist()


def test_finds_a_feature_where_it_is_and_nowhere_else():
    signal = np.zeros(POSITIONS)
    signal[4] = 20
    found = probe(parts(signal, n=(800, 200, 1000)), grid=(2, 3))
    elsewhere = np.delete(found.table["value"].to_numpy(), 4)
    assert found.table["value"][4] == 1.0
    assert np.all(np.abs(elsewhere - 1 / CLASSES) < 4 * np.sqrt(0.25 * 0.75 / 1000))
    assert found.table[["row", "column"]].to_numpy().tolist() == [
        [row, column] for row in range(2) for column in range(3)
    ]
    assert found.metrics["grid"] == [2, 3]
    best = found.metrics["best"]
    assert (best["position"], best["value"], best["n"]) == (4, 1.0, 1000)


def test_the_best_position_is_chosen_on_other_images_than_it_is_judged_on():
    """Of many positions that all are at chance, the best on the test images lies above chance."""
    judged, flattered = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        data = [(rng.normal(size=(n, 20, 2)), rng.integers(0, CLASSES, n)) for n in (100, 100, 100)]
        found = probe(data, [1.0])
        judged.append(found.metrics["best"]["value"])
        flattered.append(found.table["value"].max())
    assert abs(np.mean(judged) - 1 / CLASSES) < 4 * np.sqrt(0.25 * 0.75 / 4000)
    assert np.mean(flattered) > 0.3


def test_class_and_register_tokens_are_probed_but_are_no_patches():
    signal = np.zeros(POSITIONS)
    signal[0] = 20
    prefix = ("class", "register")
    found = probe(parts(signal), prefix=prefix, grid=(2, 2))
    assert found.table["kind"].tolist() == [*prefix, *["patch"] * 4]
    assert found.table["value"][0] == 1.0
    assert found.table["row"].isna().tolist() == [True] * 2 + [False] * 4
    assert found.table["column"][2:].tolist() == [0, 1, 0, 1]
    assert found.metrics["best"]["position"] >= 2
    assert found.metrics["best"]["value"] < 0.5
    assert found.metrics["prefix"] == list(prefix)
    # Where there is nothing else, the class token is what there is.
    alone = probe([(tokens[:, :1], labels) for tokens, labels in parts(signal)], prefix=("class",))
    assert (alone.metrics["best"]["position"], alone.metrics["best"]["value"]) == (0, 1.0)


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_does_not_depend_on_the_size_of_chunks(size):
    data = parts(GRADED)
    assert same(probe(data, size=size), probe(data, size=64))


def test_does_not_depend_on_how_positions_are_grouped(monkeypatch):
    data = parts(GRADED)
    whole = probe(data)
    position_bytes = 8 * CHANNELS * (CHANNELS + CLASSES * (2 + len(STRENGTHS)))
    monkeypatch.setattr(position, "MOST_BYTES", 4 * position_bytes + 1)
    reads = []

    def counted():
        reads.append("fit")
        return source(*data[0])()

    grouped = position.fit(counted, source(*data[1]), source(*data[2]), CLASSES, STRENGTHS)
    assert same(grouped, whole)
    # A look at the shapes, then positions 0 to 3 and 4 to 5.
    assert len(reads) == 3


def test_refuses_positions_that_cannot_be_held(monkeypatch):
    monkeypatch.setattr(position, "MOST_BYTES", 100)
    with pytest.raises(TickleError, match="5 channels"):
        probe(parts(GRADED))


def test_far_offsets_do_not_cancel():
    data = parts(GRADED)
    far = [(tokens + 1e8, labels) for tokens, labels in data]
    found, expected = probe(far).table["value"], probe(data).table["value"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.01)


def test_ignores_constant_channels():
    data = parts(GRADED)
    padded = [
        (np.pad(tokens, ((0, 0), (0, 0), (0, 2)), constant_values=0.1), labels)
        for tokens, labels in data
    ]
    assert same(probe(padded), probe(data))


def test_takes_float16():
    data = [
        (tokens.astype(np.float16), labels.astype(np.uint8)) for tokens, labels in parts(GRADED)
    ]
    exact = [(tokens.astype(np.float64), labels.astype(int)) for tokens, labels in data]
    assert same(probe(data), probe(exact))


def test_does_not_depend_on_units_or_offsets():
    data = parts(GRADED)
    rng = np.random.default_rng(3)
    scale = 10 ** rng.uniform(-3, 3, (POSITIONS, CHANNELS))
    offset = 100 * scale * rng.normal(size=(POSITIONS, CHANNELS))
    moved = [(tokens * scale + offset, labels) for tokens, labels in data]
    assert same(probe(moved), probe(data))


def test_chance_is_the_share_of_the_most_frequent_train_class():
    data = parts(GRADED)
    train_labels = np.concatenate([data[0][1], data[1][1]])
    most = np.bincount(train_labels).argmax()
    chance = probe(data).metrics["best"]["null"]
    assert chance["value"] == np.mean(data[2][1] == most)
    assert chance["interval"][0] < chance["value"] < chance["interval"][1]


def test_is_plain_json_with_an_interval_for_every_position():
    found = probe(parts(GRADED))
    assert json.loads(json.dumps(found.metrics)) == found.metrics
    assert len(found.table) == POSITIONS
    assert (found.table["low"] <= found.table["value"]).all()
    assert (found.table["value"] <= found.table["high"]).all()


def test_refuses_a_grid_of_another_size():
    with pytest.raises(ValueError, match="6 positions"):
        probe(parts(GRADED), grid=(2, 2))


def test_where_nothing_can_be_right_the_number_says_why():
    found, nothing = probe(parts(GRADED), grid=(2, 3)), position.unjudged((), (2, 3))
    assert nothing.metrics["best"]["value"] is None
    assert nothing.metrics["best"]["why"] == "no class is on both sides of the split"
    assert nothing.metrics["grid"] == found.metrics["grid"]
    assert len(nothing.table) == 0
    assert nothing.table.columns.equals(found.table.columns)
