"""k-sparse probing: how well a class is read from k features that are chosen for it.

For each class against the rest, features are ranked by how far the class's mean lies from that of
the others, in standard deviations, and a linear classifier reads the best k of them [1]_. Ranking
and fit see train images only. The classifier is ridge regression on the label, whose direction is
that of Fisher's discriminant; the score is the AUC on held-out images, which depends neither on a
threshold nor on how frequent a class is, so that classes have a common mean.

References
----------
.. [1] Gurnee et al. (2023). Finding neurons in a haystack: case studies with sparse probing.
   arXiv:2305.01610.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from tickle_core import statistics
from tickle_core.dictionaries.image_features import LATENTS, random_names
from tickle_core.dictionaries.per_image import ratios

COUNTS = (1, 2, 5, 10, 20, 50, 100)
REPORTED = (1, 10)
MOST_CLASSES = 10
LEAST_IMAGES = 5  # of a class on either side of the split
SHUFFLES = 10
RIDGE = 0.01  # beside the features' variances, which are 1
COLUMNS = ["features", "k", "auc", "low", "high", "n"]


@dataclass(frozen=True)
class Labels:
    """Labels of train and test images, and the classes that are told apart."""

    train: np.ndarray
    test: np.ndarray
    classes: np.ndarray


def choose_classes(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """The most frequent classes of which, and of others, either side has images enough."""
    known, counts = np.unique(train, return_counts=True)
    of_test = (test[:, None] == known).sum(0)
    scarcest = np.minimum.reduce([counts, of_test, len(train) - counts, len(test) - of_test])
    enough = scarcest >= LEAST_IMAGES
    known, counts = known[enough], counts[enough]
    return np.sort(known[np.argsort(-counts, kind="stable")][:MOST_CLASSES])


def probe(
    train: dict[str, np.ndarray], test: dict[str, np.ndarray], labels: Labels, seed: int
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Probe latents and what they are held against.

    Parameters
    ----------
    train, test
        By name as `image_features.Features` has them: (n, units) and (n', units).

    Returns
    -------
    tuple
        JSON-ready: `classes`, their number; by k of REPORTED, `k1` and so on: mean AUC over classes
        of the latents, with its interval over images; its null is that of random directions;
        `rivals`, the same of components, channels, and of latents whose labels were shuffled before
        they were ranked; and `beyond`, by how much latents exceed the random directions, paired by
        image. Where no class has images enough, only `why`.
        And a table of all k: features, k, auc, low, high, n. Random directions and shuffled labels
        have a row per draw.
    """
    if len(labels.classes) == 0:
        why = f"no class has {LEAST_IMAGES} images on either side of the split"
        return {"why": why}, pd.DataFrame(columns=COLUMNS)
    rows = {name: per_image(train[name], test[name], labels) for name in train}
    rng = np.random.default_rng(seed)
    for draw in range(SHUFFLES):
        dealt = Labels(rng.permutation(labels.train), labels.test, labels.classes)
        rows[f"shuffled{draw}"] = per_image(train[LATENTS], test[LATENTS], dealt)
    random, shuffled = random_names(), [f"shuffled{draw}" for draw in range(SHUFFLES)]
    values = {(name, k): each for name, of_k in rows.items() for k, each in of_k.items()}
    reported = [k for k in REPORTED if (LATENTS, k) in values]
    for k in reported:
        by_chance = np.mean([values[name, k] for name in random], axis=0)
        values["beyond", k] = values[LATENTS, k] - by_chance
    found = ratios(values, np.ones(len(labels.test)), seed)
    for (name, _), each in found.items():
        if each["interval"] and name != "beyond":
            each["interval"][1] = min(1.0, each["interval"][1])

    def over_draws(names: list[str], k: int) -> dict[str, Any]:
        return statistics.drawn([found[name, k]["value"] for name in names])

    metrics: dict[str, Any] = {"classes": len(labels.classes)}
    metrics |= {f"k{k}": found[LATENTS, k] | {"null": over_draws(random, k)} for k in reported}
    metrics["beyond"] = {f"k{k}": found["beyond", k] for k in reported}
    metrics["rivals"] = {
        name: {f"k{k}": found[name, k] for k in reported if (name, k) in found}
        for name in ("components", "channels")
    }
    metrics["rivals"]["shuffled"] = {f"k{k}": over_draws(shuffled, k) for k in reported}
    table = [
        (name, k, each["value"], *(each["interval"] or (np.nan, np.nan)), each["n"])
        for (name, k), each in found.items()
        if name != "beyond"
    ]
    return metrics, pd.DataFrame(table, columns=COLUMNS)


def per_image(train: np.ndarray, test: np.ndarray, labels: Labels) -> dict[int, np.ndarray]:
    """What each test image adds to the mean AUC, by k: (n',), whose mean is that AUC.

    The values are the AUC plus n' times the image's influence on it, of which DeLong et al. [1]_
    make its variance. Counts that exceed the features are left out.

    References
    ----------
    .. [1] DeLong, DeLong, Clarke-Pearson (1988). Comparing the areas under two or more correlated
       receiver operating characteristic curves: a nonparametric approach. Biometrics 44.
    """
    mean, scale = train.mean(0, dtype=np.float64), train.std(0, dtype=np.float64)
    scale[scale == 0] = 1
    counts = [k for k in COUNTS if k <= train.shape[1]]
    parts: dict[int, list[np.ndarray]] = {k: [] for k in counts}
    for label in labels.classes:
        apart = _apart(train, labels.train == label) / scale
        best = np.argsort(-np.abs(apart), kind="stable")[: counts[-1]]
        x_train, x_test = ((each[:, best] - mean[best]) / scale[best] for each in (train, test))
        second = x_train.T @ x_train / len(x_train)
        for k in counts:
            weights = np.linalg.solve(second[:k, :k] + RIDGE * np.eye(k), apart[best[:k]])
            parts[k].append(_placements(x_test[:, :k] @ weights, labels.test == label))
    return {k: np.mean(each, axis=0) for k, each in parts.items()}


def _apart(features: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Mean of the members less that of the others, (units,)."""
    weights = member / member.sum() - ~member / (~member).sum()
    return weights.astype(features.dtype) @ features


def _placements(scores: np.ndarray, member: np.ndarray) -> np.ndarray:
    """AUC plus n times each image's influence on it, (n,)."""
    n, ranks = len(scores), rankdata(scores)
    found = np.empty(n)
    for own in (member, ~member):
        # The share of the others that the image is on the right side of.
        right = (ranks[own] - rankdata(scores[own])) / (~own).sum()
        found[own] = right if own is member else 1 - right
    auc = found[member].mean()
    for own in (member, ~member):
        found[own] = auc + (found[own] - auc) * n / own.sum()
    return found
