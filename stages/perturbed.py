"""Store what the layers make of adversarial images and of their controls, in one pass."""

from pathlib import Path

import numpy as np

from tickle_core import devices, stage
from tickle_core.activations.extraction import Target, extract
from tickle_core.datasets.image_set import ImageSet
from tickle_core.models import classifier


def main(run: stage.Run) -> None:
    model = classifier.load(Path("data/model"), devices.prepare(run.params.device))
    images = ImageSet.open(Path("data/attack/perturbed"))
    out = run.output_directory("data/perturbed")
    targets = [
        Target(alias, module, out / f"{alias}.zarr") for alias, module in run.params.layers.items()
    ]
    extract(model, images, np.arange(len(images.table)), targets, run.params.extract)


if __name__ == "__main__":
    stage.enter("perturbed", main)
