"""Bring the images into data/dataset: pixels as Zarr, a table of labels, splits and sources."""

import sys

from tickle_core import needs, stage
from tickle_core.datasets import registry
from tickle_core.datasets.image_set import ImageSet
from tickle_core.datasets.notes import notes


def main(run: stage.Run) -> None:
    out = run.output_directory("data/dataset")
    registry.write(run.params.dataset, run.params.seed, out)
    images = ImageSet.open(out)
    # What other stages need is no input of this one, but too few images should be refused here.
    needs.require_images(run.params, images)
    for note in notes(images):
        print(f"note: {note}", file=sys.stderr)


if __name__ == "__main__":
    stage.enter("dataset", main)
