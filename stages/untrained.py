"""Give the network weights that learnt nothing, and store what its layers make of the images."""

from pathlib import Path

import numpy as np

from tickle_core import devices, hashing, stage
from tickle_core.activations.extraction import Target, extract
from tickle_core.datasets import image_set
from tickle_core.models import classifier
from tickle_core.models.untrained import untrained


def main(run: stage.Run) -> None:
    section, seed = run.params.extract, run.params.seed
    trained = classifier.load(Path("data/model"), devices.prepare(run.params.device))
    images = image_set.ImageSet.open(Path("data/dataset"))
    # No more train images than are read of it; the held-out ones are those of every analysis.
    most = max(run.params.probes.train_images, run.params.concepts.pool)
    train = min(most, section.train_images or most)
    ids = np.union1d(
        image_set.draw(images.table, "train", train, seed),
        image_set.draw(images.table, "test", section.test_images, seed),
    )
    contents = {
        "data/dataset": [hashing.of_file(Path("data/dataset/table.parquet"))],
        "data/model": hashing.of_folder(Path("data/model")),
    }
    made = run.scratch(str(trained.device), contents) / "untrained"
    for folder in (made / "model", made / "activations"):
        folder.mkdir(parents=True, exist_ok=True)
    found = untrained(trained, images, run.params.untrained.weights, seed)
    classifier.save(found, made / "model")
    targets = [
        Target(alias, module, made / "activations" / f"{alias}.zarr")
        for alias, module in run.params.layers.items()
    ]
    extract(found, images, ids, targets, section)
    for leftover in made.rglob("*.partial"):  # Zarr's half-written files after a kill
        leftover.unlink()
    run.adopt("data/untrained", made)


if __name__ == "__main__":
    stage.enter("untrained", main)
