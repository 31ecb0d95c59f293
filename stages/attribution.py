"""Attribute predictions to pixels and positions, and judge the maps."""

from pathlib import Path

import numpy as np

from tickle_core import devices, logistic, stage
from tickle_core.activations.store import open_store
from tickle_core.attribution import analysis
from tickle_core.attribution.maps import Layer
from tickle_core.attribution.subject import read
from tickle_core.datasets.image_set import ImageSet
from tickle_core.models import classifier, splicing


def main(run: stage.Run) -> None:
    section, seed, layers = run.params.attribution, run.params.seed, run.params.layers
    headline = run.params.report.headline_layer
    device = devices.prepare(run.params.device, double=True)
    model = classifier.load(Path("data/model"), device)
    images = ImageSet.open(Path("data/dataset"))
    stores = {alias: open_store(Path(f"data/activations/{alias}.zarr")) for alias in layers}

    store = stores[headline]
    labels = store.labels[store.test_rows]
    anchors = store.test_rows[logistic.draw_rows(labels, section.anchors, seed)]
    rows = anchors[logistic.draw_rows(store.labels[anchors], section.images, seed)]
    acts = np.concatenate([values for _, values in store.column_blocks("pooled", anchors)])
    subject = read(model, images, store.image_ids[rows])
    found = analysis.analyse(
        subject,
        classifier.load(Path("data/untrained/model"), device),
        {
            alias: (module, Layer(splicing.splice(model, images, module), stores[alias], rows))
            for alias, module in layers.items()
        },
        headline,
        (store.image_ids[anchors], acts),
        section,
        seed,
    )
    out = run.output_directory("data/attribution")
    for name, table in found.tables.items():
        table.to_parquet(out / f"{name}.parquet", index=False)
    run.write_metrics(found.metrics)


if __name__ == "__main__":
    stage.enter("attribution", main)
