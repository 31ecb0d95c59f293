import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from tickle_core import logistic

CLASSES = 3


def noisy_classes(n, d, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, n)
    features = rng.normal(size=(n, d))
    features[:, :CLASSES] += 2 * np.eye(CLASSES)[labels]
    return features, labels


def test_chooses_on_the_validation_part_and_refits_on_all_rows():
    # Few rows in many noisy dimensions: a weak penalty fits the noise, a strong one nothing.
    (x, labels), (x_test, _) = noisy_classes(200, 150, 0), noisy_classes(300, 150, 1)
    parts = fit_rows, validation_rows = logistic.split_rows(labels, 0.25, seed=0)
    strengths = [1e-3, 1e-2, 1e2]
    direct = [LogisticRegression(C=c, max_iter=1000) for c in strengths]
    scores = [
        model.fit(x[fit_rows], labels[fit_rows]).score(x[validation_rows], labels[validation_rows])
        for model in direct
    ]
    best = int(np.argmax(scores))
    fitted = logistic.fit(x, labels, x_test, parts, strengths[::-1])
    assert best == 1
    assert fitted.strength == strengths[best]
    assert fitted.converged
    of_a_part = direct[best].predict(x_test)
    of_all = direct[best].fit(x, labels).predict(x_test)
    assert np.array_equal(fitted.predicted, of_all)
    assert not np.array_equal(of_all, of_a_part)


def test_of_equally_good_strengths_the_smallest_is_taken():
    labels = np.arange(60) % CLASSES
    x = 10 * np.eye(CLASSES)[labels]
    parts = logistic.split_rows(labels, 0.2, seed=0)
    fitted = logistic.fit(x, labels, x, parts, [1.0, 0.1, 10.0])
    assert fitted.strength == 0.1
    assert np.array_equal(fitted.predicted, labels)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_says_when_a_fit_has_not_converged(monkeypatch):
    monkeypatch.setattr(logistic, "MOST_ITERATIONS", 2)
    x, labels = noisy_classes(200, 20, 0)
    parts = logistic.split_rows(labels, 0.2, seed=0)
    assert not logistic.fit(x, labels, x, parts, [1.0]).converged


def test_accuracy_counts_what_is_right():
    labels = np.array([0, 1, 2, 1])
    result = logistic.accuracy(np.array([0, 1, 1, 0]), labels)
    assert (result["value"], result["n"]) == (0.5, 4)
    low, high = result["interval"]
    assert 0 < low < 0.5 < high < 1
    assert logistic.accuracy(np.int64(1), labels) == result
    nothing = logistic.accuracy(labels[:0], labels[:0])
    assert nothing == {"value": None, "interval": None, "n": 0}


@given(
    st.lists(st.integers(0, 4), min_size=2, max_size=80),
    st.integers(0, 90),
    st.integers(0, 2**32 - 1),
)
def test_a_draw_keeps_the_share_of_every_class(labels, count, seed):
    labels = np.array(labels)
    rows = logistic.draw_rows(labels, count, seed)
    assert len(rows) == min(count, len(labels))
    assert np.array_equal(rows, np.unique(rows))
    drawn = np.bincount(labels[rows], minlength=5)
    ideal = np.bincount(labels, minlength=5) * len(rows) / len(labels)
    assert np.all(np.abs(drawn - ideal) < 1)


@given(st.lists(st.integers(0, 4), min_size=2, max_size=80), st.floats(0.01, 0.9))
def test_a_split_uses_every_row_once(labels, validation_share):
    fit_rows, validation_rows = logistic.split_rows(np.array(labels), validation_share, seed=0)
    assert np.array_equal(
        np.sort(np.concatenate([fit_rows, validation_rows])), np.arange(len(labels))
    )
    assert len(validation_rows) >= 1
