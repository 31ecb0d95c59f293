"""Ablate, patch and restore parts of one layer and see what becomes of the predictions."""

from pathlib import Path

from tickle_core import devices, stage
from tickle_core.activations.store import open_store
from tickle_core.circuits import analysis
from tickle_core.datasets.image_set import ImageSet
from tickle_core.dictionaries import sae, stream
from tickle_core.models import classifier, splicing


def main(run: stage.LayerRun) -> None:
    section, seed = run.params.circuits, run.params.seed
    store = open_store(Path(f"data/activations/{run.alias}.zarr"))
    device = devices.prepare(run.params.device, double=True)
    model = classifier.load(Path("data/model"), device)
    splice = splicing.splice(
        model, ImageSet.open(Path("data/dataset")), run.params.layers[run.alias]
    )
    dictionary = sae.load(Path("data/sae") / run.alias).to(device)
    sample = stream.sample_tokens(store, store.train_rows, 1, seed).to(device)

    found = analysis.analyse(store, splice, dictionary, sample, section, seed)

    out = run.output_directory(f"data/circuits/{run.alias}")
    for name, table in found.tables.items():
        table.to_parquet(out / f"{name}.parquet", index=False)
    run.write_metrics(found.metrics)


if __name__ == "__main__":
    stage.enter_layer("circuits", main)
