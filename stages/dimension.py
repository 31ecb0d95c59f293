"""Say what the dimension of one layer is on held-out images: of all, of classes, of tokens."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tickle_core import stage
from tickle_core.activations.store import ActivationStore, open_store
from tickle_core.datasets.concept_sets import kinds
from tickle_core.datasets.image_set import ImageSet
from tickle_core.geometry import clouds, dimension
from tickle_core.geometry.moments import assign_blocks


def main(run: stage.LayerRun) -> None:
    section, seed = run.params.dimension, run.params.seed
    store, untrained = (
        open_store(Path(f"data/{folder}/{run.alias}.zarr"))
        for folder in ("activations", "untrained/activations")
    )
    images, near = ImageSet.open(Path("data/dataset")), Path("data/neighbours") / run.alias
    ids = store.image_ids[store.test_rows]
    blocks = assign_blocks(len(ids), section.blocks, seed)
    found = dimension.analyse(
        vectors(store, blocks, near / "trained"),
        vectors(untrained, blocks, near / "untrained"),
        kinds.by_kind(run.params.concepts.sets, images, ids),
        section,
        seed,
    )
    run.write_metrics(found.metrics)
    out = run.output_directory(f"data/dimension/{run.alias}")
    for name in ("spectrum", "scales", "sets", "any_set"):
        getattr(found, name).to_parquet(out / f"{name}.parquet", index=False)


def vectors(store: ActivationStore, blocks: np.ndarray, near: Path) -> dimension.LayerVectors:
    pooled = [values for _, values in store.column_blocks("pooled", store.test_rows)]
    of_units = {unit: clouds.read(store, near, unit) for unit in clouds.UNITS}
    return dimension.LayerVectors(np.concatenate(pooled), tokens_by_block(store, blocks), of_units)


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
