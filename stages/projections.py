"""Map the images of one layer onto a plane."""

from pathlib import Path

from tickle_core import logistic, stage
from tickle_core.activations.store import open_store
from tickle_core.geometry import clouds
from tickle_core.projections import analysis


def main(run: stage.LayerRun) -> None:
    section, seed = run.params.projections, run.params.seed
    store = open_store(Path(f"data/activations/{run.alias}.zarr"))
    cloud = clouds.read(store, Path("data/neighbours") / run.alias / "trained", "image")
    rows = store.test_rows[cloud.images]
    drawn = logistic.draw_rows(store.labels[rows], section.images, seed)
    found = analysis.analyse(cloud.points[drawn], section, seed)
    run.write_metrics(found.metrics)
    out = run.output_directory(f"data/projections/{run.alias}")
    maps = found.maps.assign(image_id=store.image_ids[rows[drawn]][found.maps["point"]])
    maps.drop(columns="point").to_parquet(out / "maps.parquet", index=False)


if __name__ == "__main__":
    stage.enter_layer("projections", main)
