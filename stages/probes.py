"""Linear probes of one layer: on pooled activations, and at every position."""

from functools import partial
from pathlib import Path

import numpy as np

from tickle_core import logistic, stage
from tickle_core.activations.store import ActivationStore, open_store
from tickle_core.datasets.image_set import ImageSet
from tickle_core.datasets.thumbnails import thumbnails
from tickle_core.probes import linear, position
from tickle_core.results import write_json


def main(run: stage.Run) -> None:
    section, seed = run.params.probes, run.params.seed
    store = open_store(Path(f"data/activations/{run.alias}.zarr"))
    images = ImageSet.open(Path("data/dataset"))
    drawn = logistic.draw_rows(store.labels[store.train_rows], section.train_images, seed)
    train, test = store.train_rows[drawn], store.test_rows
    fit_part, validation_part = logistic.split_rows(
        store.labels[train], section.validation_share, seed
    )
    by_position = position.fit(
        partial(labelled_tokens, store, train[fit_part]),
        partial(labelled_tokens, store, train[validation_part]),
        partial(labelled_tokens, store, test),
        classes=len(images.class_names),
        strengths=section.strengths,
        grid=store.grid,
    )
    pooled = store.pooled()
    examples = (
        linear.Examples(pooled[rows], store.labels[rows], thumbnails(images, store.image_ids[rows]))
        for rows in (train, test)
    )
    result = {"pooled": linear.fit(*examples, section, seed), "position": by_position}
    write_json(run.output(f"reports/metrics/probes/{run.alias}.json"), result)


def labelled_tokens(store: ActivationStore, rows: np.ndarray):
    for block, tokens in store.token_blocks(rows):
        yield tokens[:, len(store.prefix) :], store.labels[block]


if __name__ == "__main__":
    stage.enter("probes", main, per_layer=True)
