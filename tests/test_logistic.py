import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp
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
    direct = [LogisticRegression(C=c, max_iter=1000, tol=1e-8) for c in strengths]
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


def objective(x, labels, weights, intercepts, strength):
    """Summed loss and penalty of weights (d, k)."""
    scores = x @ weights + intercepts
    loss = logsumexp(scores, axis=1) - scores[np.arange(len(labels)), labels]
    return loss.sum() + (weights**2).sum() / (2 * strength)


@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0])
@pytest.mark.parametrize(("n", "d"), [(300, 10), (60, 150)])
def test_reaches_the_minimum_of_the_objective(n, d, strength):
    """In fewer and in more dimensions than rows, with features that depend on each other."""
    x, labels = noisy_classes(n, d, 0)
    x = x @ np.random.default_rng(1).normal(size=(d, d)) / np.sqrt(d)
    axes, variances = logistic._principal_axes(x)
    found, converged = logistic._minimise(
        x @ axes, labels, variances, strength, np.zeros((len(variances) + 1, CLASSES))
    )
    model = LogisticRegression(C=strength, tol=1e-10, max_iter=100_000).fit(x, labels)
    least = objective(x, labels, model.coef_.T, model.intercept_, strength)
    assert converged
    assert 0 <= objective(x, labels, axes @ found[:-1], found[-1], strength) - least + 1e-6 < 0.1


def test_tasks_are_fitted_as_if_each_were_alone():
    (x, labels), (x_test, _) = noisy_classes(200, 20, 0), noisy_classes(100, 20, 1)
    parts = logistic.split_rows(labels, 0.25, seed=0)
    tasks = [labels, np.random.default_rng(0).permutation(labels), labels > 0]
    together = logistic.fit_tasks(x, tasks, x_test, parts, [0.01, 1.0])
    for task, found in zip(tasks, together, strict=True):
        alone = logistic.fit(x, task, x_test, parts, [0.01, 1.0])
        assert np.array_equal(found.predicted, alone.predicted)
        assert (found.strength, found.converged) == (alone.strength, alone.converged)
        assert found.predicted.dtype == task.dtype


def test_a_class_that_only_the_validation_part_has_is_learned_when_refitted():
    labels = np.arange(60) % CLASSES
    x = 10 * np.eye(CLASSES)[labels]
    parts = np.flatnonzero(labels != 2), np.flatnonzero(labels == 2)
    fitted = logistic.fit(x, labels, x, parts, [0.1, 1.0])
    assert fitted.converged
    assert np.array_equal(fitted.predicted, labels)


def test_features_that_never_vary_leave_the_most_frequent_class():
    labels = np.array([0, 1, 1, 1] * 10)
    x = np.zeros((40, 3))
    parts = logistic.split_rows(labels, 0.2, seed=0)
    assert set(logistic.fit(x, labels, x, parts, [1.0]).predicted) == {1}


def test_knows_of_whom_nothing_can_be_said():
    found = logistic.of_known_class(np.array([3, 0, 1, 3]), np.array([0, 0, 1]))
    assert found.tolist() == [False, True, True, False]


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
    assert nothing == {"value": None, "interval": None, "n": 0, "why": "no image"}


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
