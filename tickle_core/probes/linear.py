"""A linear classifier on pooled activations, judged against chance and a control task.

An accuracy alone says little: a wide enough layer lets a linear classifier learn almost anything.
So the same procedure is also run on shuffled labels (chance) and on control tasks whose labels
are a function of the input that the network had no reason to encode (Hewitt & Liang 2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from tickle_core import logistic
from tickle_core.errors import TickleError
from tickle_core.params.probes import Probes
from tickle_core.probes import control
from tickle_core.progress import progress
from tickle_core.statistics import drawn, proportion


@dataclass(frozen=True)
class Examples:
    """What a probe sees of a set of n images.

    Attributes
    ----------
    activations
        (n, d), one layer, pooled over the tokens of one kind.
    labels
        (n,), class labels, integers from 0.
    thumbnails
        (n, t), small greyscale copies of the images, flattened: the control task's input.
    """

    activations: np.ndarray
    labels: np.ndarray
    thumbnails: np.ndarray


@dataclass(frozen=True)
class Task:
    """What a probe is to tell: `name` and `draw` as in `Probed.tasks`, and the images' labels."""

    name: str
    draw: int
    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Probed:
    """What the probes of one layer and kind of token came to.

    Attributes
    ----------
    metrics
        JSON-ready estimates. `accuracy`: with Wilson interval; its null is the accuracy after
        training on shuffled labels, which scatters more widely than n suggests, since classes that
        lie far apart are right or wrong as a whole. `majority`: of always guessing the train
        images' most frequent class. `control`: mean over the control tasks, with the `range` and
        number of their `draws` and of their `clusters`. `selectivity`: accuracy minus control;
        its null is the same difference after shuffling the labels of both. The intervals of the
        last two are over images and draws, for the class probe as fitted. `converged`: whether
        every fit reached its tolerance.
    tasks
        Each probe that was fitted: `task` (class, control, shuffled, shuffled control), `draw`,
        `accuracy`, `strength` (the chosen C).
    classes
        Per class `label`, `n` test images, accuracy `value` with Wilson ends `low` and `high`,
        NaN where there is no test image.
    confusion
        Counts of test `images` by `true` and `predicted` label; pairs that do not occur are left
        out.
    right
        (n,), whether the class probe is right on each test image.
    """

    metrics: dict[str, Any]
    tasks: pd.DataFrame
    classes: pd.DataFrame
    confusion: pd.DataFrame
    right: np.ndarray


def fit(train: Examples, test: Examples, settings: Probes, seed: int) -> Probed:
    """Probe a layer for the class label.

    Multinomial logistic regression on features standardised with the train images. The inverse
    regularisation C is the one of `settings.strengths` with the best accuracy on a validation
    part of the train images (the smallest such C); the probe is then refitted on all of them.
    Everything reported is measured on the test images.

    Control tasks are those of `control.draw_labels`, and each has its own C, as the class has.
    Two tasks where there is nothing to find are the null: the train labels of the class, and those
    of each control task, dealt to the images anew. Shuffled control labels give a little more than
    shuffled class labels, since clusters differ in size and the majority label is more frequent.

    Parameters
    ----------
    train, test
        The images to fit on and to report on; all are used, so draw `settings.train_images` first
        and leave out test images of classes without a train image.

    Raises
    ------
    TickleError
        If there is nothing to tell apart: all train images share one label, in the task itself or
        in a control task.

    References
    ----------
    Alain & Bengio 2016, "Understanding intermediate layers using linear classifier probes".
    Hewitt & Liang 2019, "Designing and interpreting probes with control tasks".
    """
    # One thread: at these sizes more of them only wait for each other, and sums then come in one
    # order on every machine.
    with threadpool_limits(limits=1):
        clusters = min(settings.control_clusters, len(np.unique(train.thumbnails, axis=0)))
        tasks = _tasks(train, test, clusters, settings, seed)
        parts = logistic.split_rows(train.labels, settings.validation_share, seed)
        for task in tasks:
            _refuse_one_label(task.train[parts[0]])
        scaler = StandardScaler().fit(train.activations.astype(np.float64))
        fitted = logistic.fit_tasks(
            scaler.transform(train.activations.astype(np.float64)),
            progress([task.train for task in tasks], "linear probes", "probe"),
            scaler.transform(test.activations.astype(np.float64)),
            parts,
            settings.strengths,
        )

    right = np.array(
        [found.predicted == task.test for task, found in zip(tasks, fitted, strict=True)]
    )
    predicted, majority = fitted[0].predicted, np.bincount(train.labels).argmax()
    metrics = {
        **_estimates(right, np.array([task.name for task in tasks])),
        "majority": logistic.accuracy(majority, test.labels),
        "converged": all(found.converged for found in fitted),
    }
    metrics["control"]["clusters"] = clusters
    return Probed(
        metrics,
        _task_table(tasks, right, [found.strength for found in fitted]),
        _classes(train.labels, predicted, test.labels),
        _confusion(predicted, test.labels),
        right[0],
    )


def class_right(train: Examples, test: Examples, settings: Probes, seed: int) -> np.ndarray:
    """Whether the class probe of `fit`, by itself, is right on each of the test images, (n,)."""
    with threadpool_limits(limits=1):
        scaler = StandardScaler().fit(train.activations.astype(np.float64))
        found = logistic.fit(
            scaler.transform(train.activations.astype(np.float64)),
            train.labels,
            scaler.transform(test.activations.astype(np.float64)),
            logistic.split_rows(train.labels, settings.validation_share, seed),
            settings.strengths,
        )
    return found.predicted == test.labels


def unjudged() -> Probed:
    """`fit` where no class is on both sides of the split, so that no probe can be right."""
    nothing = {"value": None, "interval": None, "n": 0, "why": logistic.NOTHING_SHARED}
    metrics = dict.fromkeys(("accuracy", "majority", "control", "selectivity"), nothing)
    no_labels = np.zeros(0, np.int64)
    return Probed(
        metrics | {"converged": True},
        _task_table([], np.zeros((0, 1), bool), []),
        _classes(no_labels, no_labels, no_labels),
        _confusion(no_labels, no_labels),
        np.zeros(0, bool),
    )


def _tasks(
    train: Examples, test: Examples, clusters: int, settings: Probes, seed: int
) -> list[Task]:
    """The class labels first, then those of the controls, then both shuffled."""
    rng = np.random.default_rng(seed)
    controls = control.draw_labels(
        train.labels, train.thumbnails, test.thumbnails, clusters, settings.control_draws, seed
    )
    of_class = train.labels, test.labels
    return [
        Task("class", 0, *of_class),
        *(Task("control", draw, *labels) for draw, labels in enumerate(controls)),
        *(
            Task(name, draw, rng.permutation(of_train), of_test)
            for name, drawn_labels in (
                ("shuffled", [of_class] * settings.shuffles),
                ("shuffled control", controls),
            )
            for draw, (of_train, of_test) in enumerate(drawn_labels)
        ),
    ]


def _refuse_one_label(labels: np.ndarray) -> None:
    present = np.unique(labels)
    if len(present) < 2:
        raise TickleError(
            f"a linear probe needs two labels to tell apart, but all train images have "
            f"{present.tolist()}: the data set needs two classes, and the control task more "
            "clusters (probes.control_clusters)"
        )


def _estimates(right: np.ndarray, names: np.ndarray) -> dict[str, Any]:
    """Accuracy, control and selectivity, from who (tasks, n) is right in which task (tasks,)."""
    [of_class], controls = right[names == "class"], right[names == "control"]
    shuffled = right[names == "shuffled"].mean(axis=1)
    by_draw = controls.mean(axis=1)
    gaps = of_class - controls.mean(axis=0)
    return {
        "accuracy": proportion(int(of_class.sum()), len(of_class)) | {"null": drawn(shuffled)},
        "control": {
            **control.estimate(controls.mean(axis=0), by_draw, 0, 1),
            "range": drawn(by_draw)["range"],
            "draws": len(by_draw),
        },
        "selectivity": {
            **control.estimate(gaps, by_draw, -1, 1),
            "null": drawn(shuffled - right[names == "shuffled control"].mean()),
        },
    }


def _task_table(
    tasks: Sequence[Task], right: np.ndarray, strengths: Sequence[float]
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "task": pd.array([task.name for task in tasks], dtype=str),
            "draw": np.array([task.draw for task in tasks], np.int64),
            "accuracy": right.mean(axis=1),
            "strength": np.array(strengths, np.float64),
        }
    )


def _classes(train_labels: np.ndarray, predicted: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    rows = []
    for label in np.union1d(train_labels, labels):
        of_class = labels == label
        found = logistic.accuracy(predicted[of_class], labels[of_class])
        low, high = found["interval"] or (None, None)
        rows.append((int(label), found["n"], found["value"], low, high))
    types = {"label": np.int64, "n": np.int64} | dict.fromkeys(("value", "low", "high"), np.float64)
    return pd.DataFrame(rows, columns=list(types)).astype(types)


def _confusion(predicted: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    pairs, images = np.unique(np.stack([labels, predicted]), axis=1, return_counts=True)
    return pd.DataFrame({"true": pairs[0], "predicted": pairs[1], "images": images})
