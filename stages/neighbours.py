"""Find the nearest neighbours of held-out images and patches in one layer."""

from pathlib import Path

from tickle_core import logistic, stage
from tickle_core.activations.store import open_store
from tickle_core.geometry import clouds

NETWORKS = {"trained": "activations", "untrained": "untrained/activations"}


def main(run: stage.LayerRun) -> None:
    section, seed = run.params.neighbours, run.params.seed
    out = run.output_directory(f"data/neighbours/{run.alias}")
    for network, folder in NETWORKS.items():
        store = open_store(Path(f"data/{folder}/{run.alias}.zarr"))
        rows = store.test_rows[
            logistic.draw_rows(store.labels[store.test_rows], section.images, seed)
        ]
        (out / network).mkdir()
        clouds.write(store, rows, section.count, seed, out / network)


if __name__ == "__main__":
    stage.enter_layer("neighbours", main)
