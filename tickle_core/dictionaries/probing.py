"""How well a linear classifier tells the classes from the latents of whole images."""

from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from tickle_core import logistic, statistics
from tickle_core.progress import progress

# From where wide latents do best to where a layer of a few channels no longer gains.
STRENGTHS = [0.001, 0.01, 0.1, 1.0]
VALIDATION_SHARE = 0.2
SHUFFLES = 10


def probe(
    latents_train: np.ndarray,
    labels_train: np.ndarray,
    latents_test: np.ndarray,
    labels_test: np.ndarray,
    activations_train: np.ndarray,
    activations_test: np.ndarray,
    seed: int,
) -> dict[str, Any]:
    """Probe latents for the class label, and the activations of the same images likewise.

    Multinomial logistic regression on standardised features, C chosen among `STRENGTHS` on a part
    of the train images (`logistic.fit`). Latents are centred although most are zero: the
    intercept carries no penalty, so centring leaves the classifier as it is and cuts the solver's
    iterations to about a third.

    Holds some four copies of the latents at a time. The cost grows with images, latents and
    classes: 4,000 images, 1,024 latents and 10 classes take about 5 seconds on one core.

    Parameters
    ----------
    latents_train, latents_test
        (n, m) and (n', m) float32, each latent's maximum over an image's positions.
    labels_train, labels_test
        (n,) and (n',), integers from 0.
    activations_train, activations_test
        (n, d) and (n', d) float32, means over positions.

    Returns
    -------
    JSON-ready. `latents`: accuracy on the test images with its 95 % Wilson interval and n; its null
    is that of the same probe fitted to shuffled train labels (at the C that the true ones chose).
    `rivals`: that of the `activations`, and of always saying the train images' most frequent class
    (`majority`). Without a value, and saying why, where no class of the test images is among those
    of the train images, or the images to fit on have fewer than two.
    """
    fit_rows, _ = logistic.split_rows(labels_train, VALIDATION_SHARE, seed)
    why = None
    if not logistic.of_known_class(labels_test, labels_train).any():
        why = logistic.NOTHING_SHARED
    elif len(np.unique(labels_train[fit_rows])) < 2:
        why = "a single class to fit on"
    if why:
        none = {"value": None, "interval": None, "n": 0, "null": None, "why": why}
        return {"latents": none, "rivals": {}}
    rng = np.random.default_rng(seed)
    # One thread: sums then come in one order on every machine.
    with threadpool_limits(limits=1):
        x_train, x_test = _standardised(activations_train, activations_test)
        of_activations = _fit(x_train, labels_train, x_test, STRENGTHS, seed)
        x_train, x_test = _standardised(latents_train, latents_test)
        of_latents = _fit(x_train, labels_train, x_test, STRENGTHS, seed)
        shuffled = [
            _fit(x_train, rng.permutation(labels_train), x_test, [of_latents.strength], seed)
            for _ in progress(range(SHUFFLES), "probing latents for shuffled labels", "probe")
        ]
    by_chance = [float(np.mean(fitted.predicted == labels_test)) for fitted in shuffled]
    latents = logistic.accuracy(of_latents.predicted, labels_test)
    return {
        "latents": latents | {"null": statistics.drawn(by_chance)},
        "rivals": {
            "activations": logistic.accuracy(of_activations.predicted, labels_test),
            "majority": logistic.accuracy(np.bincount(labels_train).argmax(), labels_test),
        },
    }


def _standardised(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


def _fit(
    x_train: np.ndarray,
    labels: np.ndarray,
    x_test: np.ndarray,
    strengths: list[float],
    seed: int,
) -> logistic.Fitted:
    parts = logistic.split_rows(labels, VALIDATION_SHARE, seed)
    return logistic.fit(x_train, labels, x_test, parts, strengths)
