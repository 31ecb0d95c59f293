"""All linear probes of one layer."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from tickle_core import logistic, statistics
from tickle_core.activations.store import ActivationStore
from tickle_core.datasets.image_set import ImageSet
from tickle_core.datasets.thumbnails import thumbnails
from tickle_core.params.probes import Probes
from tickle_core.probes import linear, pooling, position


@dataclass(frozen=True)
class Analysed:
    """What the probes of a layer came to.

    Attributes
    ----------
    metrics
        JSON-ready. `images`: how many were fitted on (`train`) and `judged`, and how many held-out
        ones were `left_out`. `pooled`: by kind of token, `linear.Probed.metrics`, with `untrained`:
        accuracy of the same probe on the layer of a network that learnt nothing, and `beyond`, by
        how much the trained one exceeds it, paired by image. `position`: `position.Mapped.metrics`.
    tables
        `positions`: `position.Mapped.table`. `tasks`, `classes`, `confusion`: those of
        `linear.Probed`, with the `kind` of token before their columns.
    """

    metrics: dict[str, Any]
    tables: dict[str, pd.DataFrame]


def analyse(
    store: ActivationStore,
    untrained: ActivationStore,
    images: ImageSet,
    settings: Probes,
    seed: int,
) -> Analysed:
    """Probe a layer for the class, per kind of token and per position.

    Held-out images of classes without a train image could only be got wrong, so they are left out.
    Where none remains, there are no probes, and each number says so.
    """
    train, held_out = _train_rows(store, settings, seed), store.test_rows
    test = held_out[logistic.of_known_class(store.labels[held_out], store.labels[train])]
    pooled = _pooled(store, images, train, test, settings, seed)
    right = _right_untrained(untrained, images, store.image_ids[test], settings, seed)
    positions = _positions(store, train, test, len(images.class_names), settings, seed)
    metrics = {
        "images": {
            "train": len(train),
            "judged": len(test),
            "left_out": len(held_out) - len(test),
        },
        "pooled": {
            kind: probed.metrics | {"untrained": _untrained(right[kind], probed.right)}
            for kind, probed in pooled.items()
        },
        "position": positions.metrics,
    }
    tables = {"positions": positions.table}
    for name in ("tasks", "classes", "confusion"):
        by_kind = {kind: getattr(probed, name) for kind, probed in pooled.items()}
        tables[name] = pd.concat(by_kind, names=["kind"]).reset_index("kind")
    return Analysed(metrics, tables)


def _train_rows(store: ActivationStore, settings: Probes, seed: int) -> np.ndarray:
    rows = store.train_rows
    return rows[logistic.draw_rows(store.labels[rows], settings.train_images, seed)]


def _right_untrained(
    untrained: ActivationStore,
    images: ImageSet,
    test_ids: np.ndarray,
    settings: Probes,
    seed: int,
) -> dict[str, np.ndarray]:
    """By kind of token, on which test images the probe of the untrained layer is right."""
    kinds = pooling.kinds(untrained)
    if len(test_ids) == 0:
        return dict.fromkeys(kinds, np.zeros(0, bool))
    train = _train_rows(untrained, settings, seed)
    test = np.searchsorted(untrained.image_ids, test_ids)
    seen, unseen = (_examples(untrained, images, rows) for rows in (train, test))
    return {kind: linear.class_right(seen[kind], unseen[kind], settings, seed) for kind in kinds}


def _untrained(blank: np.ndarray, trained: np.ndarray) -> dict[str, Any]:
    """What a probe of the untrained layer comes to, and how far the trained one goes beyond it."""
    n = len(trained)
    if n == 0:
        nothing = {"value": None, "interval": None, "n": 0, "why": logistic.NOTHING_SHARED}
        return {"accuracy": nothing, "beyond": nothing}
    gained, lost = int((trained & ~blank).sum()), int((blank & ~trained).sum())
    return {
        "accuracy": statistics.proportion(int(blank.sum()), n),
        "beyond": statistics.paired_difference(gained, lost, n),
    }


def _pooled(
    store: ActivationStore,
    images: ImageSet,
    train: np.ndarray,
    test: np.ndarray,
    settings: Probes,
    seed: int,
) -> dict[str, linear.Probed]:
    if len(test) == 0:
        return dict.fromkeys(pooling.kinds(store), linear.unjudged())
    seen, unseen = (_examples(store, images, rows) for rows in (train, test))
    return {
        kind: linear.fit(seen[kind], unseen[kind], settings, seed) for kind in pooling.kinds(store)
    }


def _examples(
    store: ActivationStore, images: ImageSet, rows: np.ndarray
) -> dict[str, linear.Examples]:
    """By kind of token."""
    labels, small = store.labels[rows], thumbnails(images, store.image_ids[rows])
    return {
        kind: linear.Examples(pooled, labels, small)
        for kind, pooled in pooling.by_kind(store, rows).items()
    }


def _positions(
    store: ActivationStore,
    train: np.ndarray,
    test: np.ndarray,
    classes: int,
    settings: Probes,
    seed: int,
) -> position.Mapped:
    if len(test) == 0:
        return position.unjudged(store.prefix, store.grid)
    fit_part, validation_part = logistic.split_rows(
        store.labels[train], settings.validation_share, seed
    )
    to_fit, to_choose, to_judge = (
        partial(_labelled_tokens, store, rows)
        for rows in (train[fit_part], train[validation_part], test)
    )
    return position.fit(
        to_fit, to_choose, to_judge, classes, settings.strengths, store.prefix, store.grid
    )


def _labelled_tokens(
    store: ActivationStore, rows: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for block, tokens in store.token_blocks(rows):
        yield tokens, store.labels[block]
