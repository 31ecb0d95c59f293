"""Linear probes of one layer: on activations pooled by kind of token, and at every position."""

from pathlib import Path

from tickle_core import stage
from tickle_core.activations.store import open_store
from tickle_core.datasets.image_set import ImageSet
from tickle_core.probes import analysis


def main(run: stage.LayerRun) -> None:
    store, untrained = (
        open_store(Path(f"data/{folder}/{run.alias}.zarr"))
        for folder in ("activations", "untrained/activations")
    )
    images = ImageSet.open(Path("data/dataset"))
    found = analysis.analyse(store, untrained, images, run.params.probes, run.params.seed)
    run.write_metrics(found.metrics)
    out = run.output_directory(f"data/probes/{run.alias}")
    for name, table in found.tables.items():
        table.to_parquet(out / f"{name}.parquet", index=False)


if __name__ == "__main__":
    stage.enter_layer("probes", main)
