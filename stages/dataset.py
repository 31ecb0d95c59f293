"""Bring the images into data/dataset: pixels as Zarr, a table of labels, splits and sources."""

from tickle_core import stage
from tickle_core.datasets import registry


def main(run: stage.Run) -> None:
    out = run.output_directory("data/dataset")
    registry.write(run.params.dataset, run.params.seed, out)


if __name__ == "__main__":
    stage.enter("dataset", main)
