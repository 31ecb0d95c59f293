"""Say how much the points of one layer bend."""

from pathlib import Path

from tickle_core import stage
from tickle_core.activations.store import open_store
from tickle_core.geometry import clouds, curvature
from tickle_core.geometry.moments import assign_blocks


def main(run: stage.LayerRun) -> None:
    section, seed = run.params.curvature, run.params.seed
    near = Path("data/neighbours") / run.alias
    store = open_store(Path(f"data/activations/{run.alias}.zarr"))
    null_store = open_store(Path(f"data/untrained/activations/{run.alias}.zarr"))
    cloud = clouds.read(store, near / "trained", "image")
    null = clouds.read(null_store, near / "untrained", "image")
    blocks = assign_blocks(len(store.test_rows), section.groups, seed)
    groups = {"trained": blocks[cloud.images], "untrained": blocks[null.images]}
    rows = store.test_rows[cloud.images]
    found = curvature.analyse(cloud, null, store.labels[rows], groups, section, seed)
    run.write_metrics(found.metrics)
    out = run.output_directory(f"data/curvature/{run.alias}")
    image_ids = store.image_ids[rows]
    paths = found.paths.assign(image_id=image_ids[found.paths["image"].to_numpy(int)])
    paths.drop(columns="image").to_parquet(out / "paths.parquet", index=False)
    found.classes.to_parquet(out / "classes.parquet", index=False)
    found.by_count.to_parquet(out / "by_count.parquet", index=False)


if __name__ == "__main__":
    stage.enter_layer("curvature", main)
