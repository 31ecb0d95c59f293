"""Logistic regression whose regularisation is chosen inside the train part."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from tickle_core.statistics import proportion

MOST_ITERATIONS = 1000


@dataclass(frozen=True)
class Fitted:
    """What a fitted classifier says of the test rows, and how it came about.

    Attributes
    ----------
    predicted
        (n,), labels of the test rows.
    strength
        The chosen inverse regularisation C.
    converged
        Whether every fit reached its tolerance.
    """

    predicted: np.ndarray
    strength: float
    converged: bool


def fit(
    x_train: np.ndarray,
    labels: np.ndarray,
    x_test: np.ndarray,
    parts: tuple[np.ndarray, np.ndarray],
    strengths: list[float],
) -> Fitted:
    """Choose C on the validation part, refit on all train rows, predict the test rows.

    Multinomial logistic regression with an L2 penalty on all but the intercept:
    min_W sum_n -log softmax(W x_n + b)[label_n] + ||W||^2 / (2 C).

    Parameters
    ----------
    x_train
        (n, d), features of the train rows, each of about unit variance: the penalty treats all
        alike.
    labels
        (n,), labels of the train rows; the rows to fit on hold at least two of them.
    x_test
        (n', d), features of the test rows.
    parts
        Row numbers of the train rows to fit on and to validate on, as `split_rows` gives them.
    strengths
        Candidates for C; of those with the best validation accuracy, the smallest is taken.
    """
    fit_rows, validation_rows = parts
    model = LogisticRegression(max_iter=MOST_ITERATIONS, warm_start=True)
    accuracies = {}
    converged = True
    # From the strongest penalty to the weakest, each fit starts where the last one ended.
    for strength in sorted(strengths):
        model.set_params(C=strength).fit(x_train[fit_rows], labels[fit_rows])
        accuracies[strength] = model.score(x_train[validation_rows], labels[validation_rows])
        converged &= _has_converged(model)
    best = max(accuracies, key=accuracies.get)
    model = LogisticRegression(C=best, max_iter=MOST_ITERATIONS).fit(x_train, labels)
    return Fitted(model.predict(x_test), best, converged and _has_converged(model))


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
    JSON-ready: `value`, 95 % Wilson `interval` and `n`; null where there is nothing to count.
    """
    n, right = len(labels), int((predicted == labels).sum())
    if n == 0:
        return {"value": None, "interval": None, "n": 0}
    return proportion(right, n)


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


def _has_converged(model: LogisticRegression) -> bool:
    return bool(model.n_iter_.max() < MOST_ITERATIONS)
