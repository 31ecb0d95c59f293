"""A linear classifier on pooled activations, judged against chance and a control task.

An accuracy alone says little: a wide enough layer lets a linear classifier learn almost anything.
So the same procedure is also run on shuffled labels (chance) and on a control task whose labels
are a function of the input that the network had no reason to encode (Hewitt & Liang 2019).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from tickle_core import logistic
from tickle_core.errors import TickleError
from tickle_core.params import Probes
from tickle_core.progress import progress
from tickle_core.statistics import percentile_interval

RESAMPLES = 10_000


@dataclass(frozen=True)
class Examples:
    """What a probe sees of a set of n images.

    Attributes
    ----------
    activations
        (n, d), one layer, pooled over positions.
    labels
        (n,), class labels, integers from 0.
    thumbnails
        (n, t), small greyscale copies of the images, flattened: the control task's input.
    """

    activations: np.ndarray
    labels: np.ndarray
    thumbnails: np.ndarray


def fit(train: Examples, test: Examples, settings: Probes, seed: int) -> dict[str, Any]:
    """Probe a layer for the class label.

    Multinomial logistic regression on features standardised with the train images. The inverse
    regularisation C is the one of `settings.strengths` with the best accuracy on a validation
    part of the train images (the smallest such C); the probe is then refitted on all of them.
    Everything reported is measured on the test images.

    Chance is the share of the train images' most frequent class, and the same procedure on
    shuffled train labels. The control task clusters the thumbnails by k-means and gives each
    cluster a random label, classes as frequent as they are among the train images; selectivity is
    the accuracy minus the accuracy on that task. Clusters and their labels depend on the images
    and the seed alone, so layers compare.

    Parameters
    ----------
    train, test
        The images to fit on and to report on; all are used, so draw `settings.train_images` first.

    Returns
    -------
    JSON-ready. `accuracy`, `control` and `chance.majority`: value, 95 % Wilson interval and n.
    `chance.shuffled`: the mean, the single values and n; classes that lie far apart are right or
    wrong as a whole, so the values scatter more widely than n suggests. `selectivity`: percentile
    interval of the paired bootstrap over test images, for the probes as fitted and the control
    labels as drawn. `strength`: the chosen C. `converged`: whether every fit reached its
    tolerance. `classes`: each class's own accuracy, null where no test image has it. `confusion`:
    counts of test images in the order of `classes`, rows true, columns predicted.

    Raises
    ------
    TickleError
        If there is nothing to tell apart: all train images share one label, in the task itself or
        in its control.

    References
    ----------
    Alain & Bengio 2016, "Understanding intermediate layers using linear classifier probes".
    Hewitt & Liang 2019, "Designing and interpreting probes with control tasks".
    """
    control_rng, shuffle_rng, bootstrap_rng = np.random.default_rng(seed).spawn(3)
    # One thread: at these sizes more of them only wait for each other, and sums then come in one
    # order on every machine.
    with threadpool_limits(limits=1):
        control_train, control_test, clusters = _control_labels(
            train, test, settings.control_clusters, control_rng, seed
        )
        tasks = [train.labels, control_train]
        tasks += [shuffle_rng.permutation(train.labels) for _ in range(settings.shuffles)]
        scaler = StandardScaler().fit(train.activations.astype(np.float64))
        x_train = scaler.transform(train.activations.astype(np.float64))
        x_test = scaler.transform(test.activations.astype(np.float64))
        parts = logistic.split_rows(train.labels, settings.validation_share, seed)
        for labels in tasks:
            _refuse_one_label(labels[parts[0]])
        probe, control, *shuffled = [
            logistic.fit(x_train, labels, x_test, parts, settings.strengths)
            for labels in progress(tasks, "linear probes", "probe")
        ]

    right = probe.predicted == test.labels
    control_right = control.predicted == control_test
    by_chance = [float(np.mean(fitted.predicted == test.labels)) for fitted in shuffled]
    n = len(test.labels)
    classes = np.union1d(train.labels, test.labels)
    return {
        "accuracy": logistic.accuracy(probe.predicted, test.labels),
        "chance": {
            "majority": logistic.accuracy(np.bincount(train.labels).argmax(), test.labels),
            "shuffled": {"mean": float(np.mean(by_chance)), "values": by_chance, "n": n},
        },
        "control": {**logistic.accuracy(control.predicted, control_test), "clusters": clusters},
        "selectivity": {
            "value": float(right.mean() - control_right.mean()),
            "interval": _difference_interval(right, control_right, bootstrap_rng),
            "n": n,
        },
        "strength": probe.strength,
        "converged": all(fitted.converged for fitted in (probe, control, *shuffled)),
        "classes": [_class_accuracy(label, probe.predicted, test.labels) for label in classes],
        "confusion": _confusion(test.labels, probe.predicted, classes),
    }


def _refuse_one_label(labels: np.ndarray) -> None:
    present = np.unique(labels)
    if len(present) < 2:
        raise TickleError(
            f"a linear probe needs two labels to tell apart, but all train images have "
            f"{present.tolist()}: the data set needs two classes, and the control task more "
            "clusters (probes.control_clusters)"
        )


def _control_labels(
    train: Examples, test: Examples, clusters: int, rng: np.random.Generator, seed: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """The control task's labels of the train and test images, and the number of clusters."""
    clusters = min(clusters, len(np.unique(train.thumbnails, axis=0)))
    thumbnails = train.thumbnails.astype(np.float64)
    kmeans = KMeans(clusters, n_init=1, random_state=seed).fit(thumbnails)
    # Evenly spaced quantiles of the labels, dealt at random: classes keep their frequency.
    quantiles = (np.arange(clusters) + 0.5) / clusters * len(train.labels)
    label_of_cluster = rng.permutation(np.sort(train.labels)[quantiles.astype(int)])
    of_test = kmeans.predict(test.thumbnails.astype(np.float64))
    return label_of_cluster[kmeans.labels_], label_of_cluster[of_test], clusters


def _class_accuracy(label: int, predicted: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    of_class = labels == label
    return {"label": int(label), **logistic.accuracy(predicted[of_class], labels[of_class])}


def _difference_interval(
    right: np.ndarray, control_right: np.ndarray, rng: np.random.Generator
) -> list[float]:
    """Percentile interval of mean(right) - mean(control_right), images resampled in pairs.

    An image contributes -1, 0 or 1, so resampling n images is one multinomial draw of the three
    counts.
    """
    n = len(right)
    counts = np.bincount(right.astype(int) - control_right + 1, minlength=3)
    draws = rng.multinomial(n, counts / n, size=RESAMPLES)
    return list(percentile_interval((draws[:, 2] - draws[:, 0]) / n))


def _confusion(true: np.ndarray, predicted: np.ndarray, classes: np.ndarray) -> list[list[int]]:
    size = len(classes)
    cells = np.searchsorted(classes, true) * size + np.searchsorted(classes, predicted)
    return np.bincount(cells, minlength=size * size).reshape(size, size).tolist()
