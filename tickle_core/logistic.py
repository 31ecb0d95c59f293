"""Logistic regression whose regularisation is chosen inside the train part."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from tickle_core.statistics import proportion

MOST_ITERATIONS = 1000
# Of the largest component of the gradient, in coordinates in which the curvature is about one: the
# loss, summed over rows, is then within about 0.1 of its minimum.
TOLERANCE = 0.003
NOTHING_SHARED = "no class is on both sides of the split"
# Directions that hold less than this share of the variance of the widest one are rounding.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Fitted:
    """What a fitted classifier says of the test rows, and how it came about.

    Attributes
    ----------
    predicted
        (n,), labels of the test rows.
    classes
        (k,), labels of the train rows.
    weights
        (d + 1, k), of the features for each of these, the intercept last.
    strength
        The chosen inverse regularisation C.
    converged
        Whether every fit reached its tolerance.
    """

    predicted: np.ndarray
    classes: np.ndarray
    weights: np.ndarray
    strength: float
    converged: bool


def fit(
    x_train: np.ndarray,
    labels: np.ndarray,
    x_test: np.ndarray,
    parts: tuple[np.ndarray, np.ndarray],
    strengths: list[float],
) -> Fitted:
    """`fit_tasks` for a single task."""
    return fit_tasks(x_train, [labels], x_test, parts, strengths)[0]


def fit_tasks(
    x_train: np.ndarray,
    tasks: Iterable[np.ndarray],
    x_test: np.ndarray,
    parts: tuple[np.ndarray, np.ndarray],
    strengths: list[float],
) -> list[Fitted]:
    """Per task: choose C on the validation part, refit on all train rows, predict the test rows.

    Multinomial logistic regression with an L2 penalty on all but the intercept:
    min_W sum_n -log softmax(W x_n + b)[label_n] + ||W||^2 / (2 C).
    The features are turned to their principal axes once for all tasks, which leaves the minimum
    where it is and lets L-BFGS walk in coordinates of about equal curvature.

    Parameters
    ----------
    x_train
        (n, d), features of the train rows, each of about unit variance: the penalty treats all
        alike.
    tasks
        Labels of the train rows, (n,) each; the rows to fit on hold at least two of them.
    x_test
        (n', d), features of the test rows.
    parts
        Row numbers of the train rows to fit on and to validate on, as `split_rows` gives them.
    strengths
        Candidates for C; of those with the best validation accuracy, the smallest is taken.
    """
    axes, variances = _principal_axes(x_train)
    train, test = x_train @ axes, x_test @ axes
    fit_rows, validation_rows = parts
    fit_part, validation_part = train[fit_rows], train[validation_rows]

    def choose(codes: np.ndarray, start: np.ndarray) -> tuple[float, np.ndarray, bool]:
        accuracies: dict[float, float] = {}
        weights: dict[float, np.ndarray] = {}
        converged = True
        # From the strongest penalty to the weakest, each fit starts where the last one ended.
        for strength in sorted(strengths):
            start, done = _minimise(fit_part, codes[fit_rows], variances, strength, start)
            right = _predict(validation_part, start) == codes[validation_rows]
            accuracies[strength], weights[strength] = right.mean(), start
            converged &= done
        best = max(accuracies, key=accuracies.__getitem__)
        return best, weights[best], converged

    def fit_one(labels: np.ndarray) -> Fitted:
        classes, codes = np.unique(labels, return_inverse=True)
        start = np.zeros((len(variances) + 1, len(classes)))
        best, converged = strengths[0], True
        if len(strengths) > 1:
            best, start, converged = choose(codes, start)
        refitted, done = _minimise(train, codes, variances, best, start)
        return Fitted(
            predicted=classes[_predict(test, refitted)],
            classes=classes,
            weights=np.vstack([axes @ refitted[:-1], refitted[-1:]]),
            strength=best,
            converged=converged and done,
        )

    return [fit_one(labels) for labels in tasks]


def accuracy(predicted: np.ndarray | np.integer, labels: np.ndarray) -> dict[str, Any]:
    """The share of rows that are predicted right.

    Parameters
    ----------
    predicted
        (n,), or one label for all rows.
    labels
        (n,), the true ones.

    Returns
    -------
    An estimate with a Wilson interval, without a value where there is nothing to count.
    """
    n, right = len(labels), int((predicted == labels).sum())
    if n == 0:
        return {"value": None, "interval": None, "n": 0, "why": "no image"}
    return proportion(right, n)


def of_known_class(labels: np.ndarray, train_labels: np.ndarray) -> np.ndarray:
    """(n,), whether the class of each of the rows `labels` is one of the train rows'.

    No classifier can be right on the others. Where it is so for all rows, there is nothing to
    judge: NOTHING_SHARED.
    """
    return np.isin(labels, train_labels)


def draw_rows(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draw rows at random so that every class keeps its share.

    Parameters
    ----------
    labels
        (n,), the class of each row.
    count
        How many rows to draw; all of them if there are fewer.

    Returns
    -------
    (min(count, n),), sorted row numbers; each class's share of them is exact to within one row.
    """
    rng = np.random.default_rng(seed)
    _, class_of_row, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    count = min(count, len(labels))
    # Whole rows first; those still missing go to the classes with the largest remainders.
    taken, remainder = np.divmod(sizes * count, len(labels))
    neediest = np.lexsort((rng.random(len(sizes)), -remainder))
    taken[neediest[: count - taken.sum()]] += 1
    order = rng.permutation(len(labels))
    drawn = [order[class_of_row[order] == c][:some] for c, some in enumerate(taken)]
    return np.sort(np.concatenate(drawn))


def split_rows(
    labels: np.ndarray, validation_share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split the train rows, class by class, into a part to fit on and a part to validate on.

    Returns
    -------
    Sorted row numbers of the two parts; the validation part holds at least one row.
    """
    validation = draw_rows(labels, max(1, round(validation_share * len(labels))), seed)
    return np.setdiff1d(np.arange(len(labels)), validation), validation


def _principal_axes(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Axes (d, r) that the rows vary along, and the mean square of the rows along each, (r,)."""
    n, d = x.shape
    squares, vectors = np.linalg.eigh(x @ x.T if n < d else x.T @ x)
    kept = squares > ROUNDING * squares[-1]
    squares, vectors = squares[kept], vectors[:, kept]
    return (x.T @ vectors / np.sqrt(squares) if n < d else vectors), squares / n


def _minimise(
    x: np.ndarray, codes: np.ndarray, variances: np.ndarray, strength: float, start: np.ndarray
) -> tuple[np.ndarray, bool]:
    """The weights (r + 1, k) at the minimum, the intercept last, and whether it was reached.

    A class without a row, of which nothing can be known, gets the intercept -inf.
    """
    n, k = len(x), start.shape[1]
    present, codes = np.unique(codes, return_inverse=True)
    # The curvature of the softmax where all classes are equally likely, and that of the penalty.
    softness = n * (1 - 1 / len(present)) / len(present)
    scale = np.sqrt(np.append(softness * variances + 1 / strength, softness))[:, None]
    penalty = np.append(np.full(len(variances), 1 / strength), 0)[:, None]
    rows = np.arange(n)

    def loss(scaled: np.ndarray) -> tuple[float, np.ndarray]:
        weights = scaled.reshape(-1, len(present)) / scale
        scores = x @ weights[:-1] + weights[-1]
        scores -= scores.max(axis=1, keepdims=True)
        of_labels = scores[rows, codes].sum()
        chances = np.exp(scores)
        sums = chances.sum(axis=1, keepdims=True)
        chances /= sums
        chances[rows, codes] -= 1
        slope = np.concatenate([x.T @ chances, chances.sum(axis=0, keepdims=True)])
        shrunk = penalty * weights
        value = np.log(sums).sum() - of_labels + (shrunk * weights).sum() / 2
        return value, ((slope + shrunk) / scale).ravel()

    first = np.nan_to_num(start[:, present], neginf=0) * scale
    # The fall of the loss from step to step says little of how far it is from its minimum.
    options = {"gtol": TOLERANCE, "ftol": 0, "maxiter": MOST_ITERATIONS, "maxfun": np.inf}
    found = minimize(loss, first.ravel(), jac=True, method="L-BFGS-B", options=options)
    weights = np.zeros((len(start), k))
    weights[-1] = -np.inf
    weights[:, present] = found.x.reshape(first.shape) / scale
    return weights, found.success


def _predict(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (x @ weights[:-1] + weights[-1]).argmax(axis=1)
