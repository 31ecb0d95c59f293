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


def probe(data, strengths=STRENGTHS, size=64, grid=None):
    return position.fit(*(source(*part, size) for part in data), CLASSES, strengths, grid)


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
    assert probe(data, [strength])["accuracy"] == pytest.approx(expected, abs=1e-12)


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
    assert probe(data, strengths[::-1])["strength"] == expected.tolist()


def test_finds_a_feature_where_it_is_and_nowhere_else():
    signal = np.zeros(POSITIONS)
    signal[4] = 20
    result = probe(parts(signal, n=(800, 200, 1000)), grid=(2, 3))
    elsewhere = np.delete(result["accuracy"], 4)
    assert result["accuracy"][4] == 1.0
    assert np.all(np.abs(elsewhere - 1 / CLASSES) < 4 * np.sqrt(0.25 * 0.75 / 1000))
    assert result["grid"] == [2, 3]
    assert result["n"] == 1000


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_does_not_depend_on_the_size_of_chunks(size):
    data = parts(GRADED)
    assert probe(data, size=size) == probe(data, size=64)


def test_does_not_depend_on_how_positions_are_grouped(monkeypatch):
    data = parts(GRADED)
    whole = probe(data)
    position_bytes = 8 * CHANNELS * (CHANNELS + CLASSES * (2 + len(STRENGTHS)))
    monkeypatch.setattr(position, "MOST_BYTES", 4 * position_bytes + 1)
    reads = []

    def counted():
        reads.append("fit")
        return source(*data[0])()

    grouped = position.fit(
        counted, source(*data[1]), source(*data[2]), CLASSES, STRENGTHS, grid=None
    )
    assert grouped == whole
    # A look at the shapes, then positions 0 to 3 and 4 to 5.
    assert len(reads) == 3


def test_refuses_positions_that_cannot_be_held(monkeypatch):
    monkeypatch.setattr(position, "MOST_BYTES", 100)
    with pytest.raises(TickleError, match="5 channels"):
        probe(parts(GRADED))


def test_far_offsets_do_not_cancel():
    data = parts(GRADED)
    far = [(tokens + 1e8, labels) for tokens, labels in data]
    assert probe(far)["accuracy"] == pytest.approx(probe(data)["accuracy"], abs=0.01)


def test_ignores_constant_channels():
    data = parts(GRADED)
    padded = [
        (np.pad(tokens, ((0, 0), (0, 0), (0, 2)), constant_values=0.1), labels)
        for tokens, labels in data
    ]
    assert probe(padded) == probe(data)


def test_takes_float16():
    data = [
        (tokens.astype(np.float16), labels.astype(np.uint8)) for tokens, labels in parts(GRADED)
    ]
    exact = [(tokens.astype(np.float64), labels.astype(int)) for tokens, labels in data]
    assert probe(data) == probe(exact)


def test_does_not_depend_on_units_or_offsets():
    data = parts(GRADED)
    rng = np.random.default_rng(3)
    scale = 10 ** rng.uniform(-3, 3, (POSITIONS, CHANNELS))
    offset = 100 * scale * rng.normal(size=(POSITIONS, CHANNELS))
    moved = [(tokens * scale + offset, labels) for tokens, labels in data]
    assert probe(moved) == probe(data)


def test_chance_is_the_share_of_the_most_frequent_train_class():
    data = parts(GRADED)
    train_labels = np.concatenate([data[0][1], data[1][1]])
    most = np.bincount(train_labels).argmax()
    chance = probe(data)["chance"]
    assert chance["value"] == np.mean(data[2][1] == most)
    assert chance["interval"][0] < chance["value"] < chance["interval"][1]


def test_is_plain_json_with_an_interval_for_every_position():
    result = probe(parts(GRADED))
    assert json.loads(json.dumps(result)) == result
    assert len(result["interval"]) == len(result["accuracy"]) == POSITIONS
    for (low, high), value in zip(result["interval"], result["accuracy"], strict=True):
        assert low <= value <= high


def test_refuses_a_grid_of_another_size():
    with pytest.raises(ValueError, match="6 positions"):
        probe(parts(GRADED), grid=(2, 2))
