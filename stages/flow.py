"""Follow concepts through the layers: how much of them images have, and what comes of it where."""

from pathlib import Path

import numpy as np
import pandas as pd

from tickle_core import logistic, stage
from tickle_core.activations.store import open_store
from tickle_core.datasets.concept_sets import definition, members
from tickle_core.datasets.image_set import ImageSet
from tickle_core.flow import analysis
from tickle_core.results import read_json


def main(run: stage.Run) -> None:
    seed, cards = run.params.seed, read_json(Path("data/model/card.json"))["layers"]
    # Their tails get ever shorter.
    aliases = sorted(
        run.params.layers, key=lambda alias: (-cards[run.params.layers[alias]]["tail_share"], alias)
    )
    layers = {}
    for alias in aliases:
        folder = Path("data/concept_vectors") / alias
        layers[alias] = analysis.Layer(
            open_store(Path(f"data/activations/{alias}.zarr")),
            read_json(Path(f"reports/metrics/concepts/{alias}.json")),
            pd.read_parquet(folder / "vectors.parquet"),
            pd.read_parquet(folder / "tcav.parquet"),
        )
    images, store = ImageSet.open(Path("data/dataset")), layers[aliases[0]].store
    ids, labels = store.image_ids[store.test_rows], store.labels[store.test_rows]
    drawn = logistic.draw_rows(labels, run.params.flow.examples, seed)
    found = analysis.analyse(layers, groups(run, images, ids, labels), ids[drawn], seed)
    out = run.output_directory("data/flow")
    for name, table in found.tables.items():
        table.to_parquet(out / f"{name}.parquet", index=False)
    run.write_metrics(found.metrics)


def groups(
    run: stage.Run, images: ImageSet, ids: np.ndarray, labels: np.ndarray
) -> dict[str, np.ndarray]:
    """Held-out images by class; by the concepts' groups where no class has enough of them."""
    by_class = {name: ids[labels == label] for label, name in enumerate(images.class_names)}
    enough = {name: own for name, own in by_class.items() if len(own) >= analysis.LEAST_IMAGES}
    if enough:
        return enough
    concepts = definition.read(definition.file_of(run.params.concepts.sets))
    of_concepts = {
        name: members.labels_of(name, each, images.class_names)
        for name, each in concepts.items()
        if each.source in ("classes", "synsets")
    }
    return {name: ids[np.isin(labels, own)] for name, own in of_concepts.items()}


if __name__ == "__main__":
    stage.enter("flow", main)
