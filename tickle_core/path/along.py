"""What the network sees along a way: where its prediction changes, and whether it passes a third
class.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Along:
    """Of a way with m points.

    Attributes
    ----------
    difference
        (m,) L, the logit of the last class less that of the first.
    others
        (m,) -log(p_first + p_last), nats: 0 where the network takes the point for one of the two.
    predicted
        (m,) classes.
    barrier
        The largest of `others`.
    flip
        Share of the way at which the prediction is first another than the first class; 1 where it
        never is.
    overshoot
        By how much L leaves the range of its ends, in parts of it.
    """

    difference: np.ndarray
    others: np.ndarray
    predicted: np.ndarray
    barrier: float
    flip: float
    overshoot: float


def look(logits: np.ndarray, at: np.ndarray, classes: np.ndarray) -> Along:
    """Judge one way.

    Parameters
    ----------
    logits
        (m, classes) along it, ends included.
    at
        (m,) share of the way.
    classes
        (2,) of the ends.
    """
    logits = logits.astype(np.float64)
    first, last = classes
    highest = logits.max(1, keepdims=True)
    total = highest[:, 0] + np.log(np.exp(logits - highest).sum(1))
    others = np.maximum(total - np.logaddexp(logits[:, first], logits[:, last]), 0)
    difference = logits[:, last] - logits[:, first]
    predicted = logits.argmax(1)
    left = np.flatnonzero(predicted != first)
    low, high = sorted(difference[[0, -1]])
    beyond = max(difference.max() - high, 0) + max(low - difference.min(), 0)
    return Along(
        difference,
        others,
        predicted,
        float(others.max()),
        float(at[left[0]]) if len(left) else 1.0,
        float(beyond / max(high - low, 1e-6)),
    )
