"""PCA dimension of one layer on held-out images: pooled, per class, and of tokens."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tickle_core import stage
from tickle_core.activations.store import ActivationStore, open_store
from tickle_core.geometry import dimension
from tickle_core.geometry.moments import assign_blocks


def main(run: stage.LayerRun) -> None:
    section, seed = run.params.dimension, run.params.seed
    store, untrained = (
        open_store(Path(f"data/{folder}/{run.alias}.zarr"))
        for folder in ("activations", "untrained/activations")
    )
    blocks = assign_blocks(len(store.test_rows), section.blocks, seed)
    found = dimension.analyse(
        vectors(store, blocks),
        store.labels[store.test_rows],
        vectors(untrained, blocks),
        section,
        seed,
    )
    run.write_metrics(found.metrics)
    out = run.output_directory(f"data/dimension/{run.alias}")
    for name in ("spectrum", "classes", "any_class"):
        getattr(found, name).to_parquet(out / f"{name}.parquet", index=False)


def vectors(store: ActivationStore, blocks: np.ndarray) -> dimension.LayerVectors:
    pooled = [values for _, values in store.column_blocks("pooled", store.test_rows)]
    return dimension.LayerVectors(np.concatenate(pooled), tokens_by_block(store, blocks))


def tokens_by_block(
    store: ActivationStore, blocks: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    first = 0
    for _, tokens in store.token_blocks(store.test_rows):
        images, positions, width = tokens.shape
        yield tokens.reshape(-1, width), blocks[first : first + images].repeat(positions)
        first += images


if __name__ == "__main__":
    stage.enter_layer("dimension", main)
