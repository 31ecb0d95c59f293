"""Concept activation vectors: what sets the activations of a concept's images apart from others'.

Three of them, since none is "the" concept [1]_:

logistic    the filter w of a logistic regression, the CAV of Kim et al. [2]_:
            min_w sum log(1 + exp(-t (w x + b))) + ||w||^2 / 2C. It holds what cancels noise, too.
mean        mean(concept) - mean(others): FastCAV's form [3]_. It holds all that differs.
pattern     Cov(x) w / Var(w x): how the activations change with what the filter reads [1]_. C is a
            dial between the filter (large) and the difference of means (small).

All fits of a stage are of the same few shapes and are done many at a time.

References
----------
.. [1] Haufe et al. (2014). On the interpretation of weight vectors of linear models in
   multivariate neuroimaging. NeuroImage 87.
.. [2] Kim et al. (2018). Interpretability beyond feature attribution: TCAV. arXiv:1711.11279.
.. [3] Schmalwasser et al. (2025). FastCAV. arXiv:2505.17883.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from threadpoolctl import threadpool_limits

from tickle_core import threads

KINDS = ("logistic", "mean", "pattern")
AT_ONCE_BYTES = 16 * 2**20  # of the examples of the fits that are done together
WORKERS = 2
MOST_STEPS = 30
TOLERANCE = 1e-7  # of the gradient, per example
RIDGE = 1e-9  # keeps the curvature of the intercept from vanishing
HALVINGS = 8


@dataclass(frozen=True)
class Vectors:
    """The vectors of some fits, each of unit length, in the space of the activations.

    Attributes
    ----------
    logistic, mean, pattern
        (fits, d) float64.
    offsets, lengths
        (fits,), of the logistic one: x is taken for the concept's where logistic . x > offset; and
        the length that it had.
    """

    logistic: np.ndarray
    mean: np.ndarray
    pattern: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray

    def of(self, kind: str) -> np.ndarray:
        """Those of a kind."""
        return getattr(self, kind)


def fit(acts: np.ndarray, concept: np.ndarray, others: np.ndarray, strength: float) -> Vectors:
    """Fit vectors to many pairs of sets of images.

    Each pair is standardised by its own mean and standard deviations, so that the penalty treats
    all dimensions alike, whatever the layer's scale.

    Cost per fit: some ten times rows * d^2 multiplications, or rows^2 * d where there are fewer
    rows than dimensions. Memory: `AT_ONCE_BYTES` a few times over, and the result.

    Parameters
    ----------
    acts
        (n, d), what the sets are made of.
    concept, others
        (fits, a) and (fits, b), rows of `acts`; a row may come up several times.
    strength
        The inverse regularisation C.
    """
    fits, a = concept.shape
    rows = np.concatenate([concept, others], axis=1)
    together = max(1, AT_ONCE_BYTES // (8 * rows.shape[1] * acts.shape[1]))

    def work(start: int) -> tuple[np.ndarray, ...]:
        x = acts[rows[start : start + together]].astype(np.float64)
        return _fit(x, a, strength)

    # One thread each: sums then come in one order on every machine.
    with threadpool_limits(limits=1), ThreadPoolExecutor(WORKERS) as pool:
        parts = list(threads.in_order(pool, work, range(0, fits, together), WORKERS + 1))
    return Vectors(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., d) at length one; what has no length stays zero."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)


def _fit(x: np.ndarray, a: int, strength: float) -> tuple[np.ndarray, ...]:
    """What `Vectors` holds, of examples (fits, rows, d), the concept's first."""
    centre = x.mean(1, keepdims=True)
    scale = x.std(1, keepdims=True)
    scale[scale <= 1e-12 * np.abs(x).max()] = np.inf  # a silent channel says nothing
    difference = x[:, :a].mean(1) - x[:, a:].mean(1)
    x = (x - centre) / scale
    weights, intercept = logistic(x, a, strength)
    filters = weights / scale[:, 0]
    norms = np.linalg.norm(filters, axis=1)
    offsets = (np.einsum("fd,fd->f", filters, centre[:, 0]) - intercept) / np.where(
        norms > 0, norms, 1
    )
    # Cov(x) w, but for its length: w and the examples are those that were standardised.
    read = np.einsum("frd,fd->fr", x, weights)
    covariance = np.einsum("frd,fr->fd", x, read - read.mean(1, keepdims=True))
    pattern = covariance * np.where(np.isinf(scale[:, 0]), 0, scale[:, 0])
    return unit(filters), unit(difference), unit(pattern), offsets, norms


def logistic(x: np.ndarray, a: int, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Logistic regressions by Newton's method, many at a time.

    Parameters
    ----------
    x
        (fits, rows, d).
    a
        How many of the rows come first that are the concept's; the others are not.
    strength
        The inverse regularisation C; the intercept is not penalised.

    Returns
    -------
    tuple
        Weights (fits, d) and intercepts (fits,).
    """
    fits, rows, d = x.shape
    basis = None
    if d > rows:
        # The weights lie in the span of the rows: its coordinates are as many as there are rows.
        basis, triangle = np.linalg.qr(x.transpose(0, 2, 1))
        x, d = triangle.transpose(0, 2, 1), rows
    x = np.concatenate([x, np.ones((fits, rows, 1))], axis=2)
    penalty = np.append(np.full(d, 1 / strength), 0)
    target = np.zeros(rows)
    target[:a] = 1
    weights = np.zeros((fits, d + 1))

    def scores(weights: np.ndarray) -> np.ndarray:
        return (x @ weights[:, :, None])[:, :, 0]

    def loss(weights: np.ndarray, scores: np.ndarray) -> np.ndarray:
        # log(1 + exp(s)) - t s
        likelihood = np.logaddexp(0, scores) - target * scores
        return likelihood.sum(1) + (penalty * weights**2).sum(1) / 2

    transposed = x.transpose(0, 2, 1)
    reached = scores(weights)
    value = loss(weights, reached)
    for _ in range(MOST_STEPS):
        chances = expit(reached)
        slope = (transposed @ (chances - target)[:, :, None])[:, :, 0] + penalty * weights
        if np.abs(slope).max() <= TOLERANCE * rows:
            break
        spread = chances * (1 - chances)
        curvature = (transposed * spread[:, None]) @ x
        curvature[:, np.arange(d + 1), np.arange(d + 1)] += penalty + RIDGE
        step = np.linalg.solve(curvature, slope[:, :, None])[:, :, 0]
        # A full step may overshoot where the curvature is flat: halved until the loss falls.
        ahead, length = scores(step), np.ones((fits, 1))
        for _ in range(HALVINGS):
            moved = loss(weights - length * step, reached - length * ahead)
            worse = moved > value + RIDGE * np.abs(value)
            if not worse.any():
                break
            length[worse] /= 2
        weights, reached = weights - length * step, reached - length * ahead
        value = loss(weights, reached)
    found = weights[:, :d]
    if basis is not None:
        found = np.einsum("fdr,fr->fd", basis, found)
    return found, weights[:, d]
