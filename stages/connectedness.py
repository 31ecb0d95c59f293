"""Walk between the images of a class in one layer, and see what is crossed."""

from pathlib import Path

from tickle_core import devices, stage
from tickle_core.activations.store import open_store
from tickle_core.connectedness import analysis
from tickle_core.datasets.image_set import ImageSet
from tickle_core.geometry import clouds
from tickle_core.models import classifier, splicing

NETWORKS = {
    "trained": ("data/activations", "data/model"),
    "untrained": ("data/untrained/activations", "data/untrained/model"),
}


def main(run: stage.LayerRun) -> None:
    images, device = ImageSet.open(Path("data/dataset")), devices.prepare(run.params.device)
    module, subjects = run.params.layers[run.alias], {}
    for network, (activations, model) in NETWORKS.items():
        store = open_store(Path(activations) / f"{run.alias}.zarr")
        subjects[network] = analysis.Subject(
            store,
            clouds.read(store, Path("data/neighbours") / run.alias / network, "image"),
            splicing.splice(classifier.load(Path(model), device), images, module),
            module,
        )
    found = analysis.analyse(**subjects, settings=run.params.connectedness, seed=run.params.seed)
    run.write_metrics(found.metrics)
    out = run.output_directory(f"data/connectedness/{run.alias}")
    for name, table in found.tables.items():
        table.to_parquet(out / f"{name}.parquet", index=False)


if __name__ == "__main__":
    stage.enter_layer("connectedness", main)
