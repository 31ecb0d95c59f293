"""Cluster the patches of one layer, and make pictures of the clusters."""

from pathlib import Path

from tickle_core import devices, logistic, stage
from tickle_core.activations.store import open_store
from tickle_core.atlas import analysis, pictures
from tickle_core.datasets.image_set import ImageSet
from tickle_core.maximization.pictures import save
from tickle_core.models import classifier


def main(run: stage.LayerRun) -> None:
    section, seed = run.params.atlas, run.params.seed
    store = open_store(Path(f"data/activations/{run.alias}.zarr"))
    untrained = open_store(Path(f"data/untrained/activations/{run.alias}.zarr"))
    drawn = logistic.draw_rows(store.labels[store.test_rows], section.images, seed)
    found = analysis.analyse(store, untrained, store.test_rows[drawn], section, seed)
    out = run.output_directory(f"data/atlas/{run.alias}")
    for name in ("cells", "patches", "stability"):
        getattr(found, name).to_parquet(out / f"{name}.parquet", index=False)
    if section.steps:
        how = run.params.features.model_copy(update={"steps": section.steps})
        model = classifier.load(Path("data/model"), devices.prepare(run.params.device))
        images, module = ImageSet.open(Path("data/dataset")), run.params.layers[run.alias]
        made = pictures.of_means(model, images, module, found.means, found.drawn, how, seed)
        save(made, out, range(len(made)))
    run.write_metrics(found.metrics)


if __name__ == "__main__":
    stage.enter_layer("atlas", main)
