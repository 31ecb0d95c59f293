"""Store one layer's activations; the first layer to come fills every layer's in one pass."""

from pathlib import Path

import numpy as np

from tickle_core import devices, hashing, stage
from tickle_core.activations import scratch
from tickle_core.activations.extraction import Target, extract
from tickle_core.datasets import image_set
from tickle_core.models import classifier


def main(run: stage.LayerRun) -> None:
    section, seed = run.params.extract, run.params.seed
    model = classifier.load(Path("data/model"), devices.prepare(run.params.device))
    classifier.require_layers(run.params.layers, list(model.card["layers"]))
    images = image_set.ImageSet.open(Path("data/dataset"))
    ids = np.union1d(
        image_set.draw(images.table, "train", section.train_images, seed),
        image_set.draw(images.table, "test", section.test_images, seed),
    )
    inputs = [run.code, str(seed), str(model.device), section.model_dump_json()]
    inputs += [hashing.of_file(path) for path in INPUT_FILES]
    # The other layers ride along unless they are published; this one's result is the same
    # with or without them.
    keys = {alias: hashing.of_texts([*inputs, path]) for alias, path in run.params.layers.items()}
    targets = [
        Target(alias, path, scratch.store(keys[alias]))
        for alias, path in run.params.layers.items()
        if alias == run.alias or not scratch.is_published(keys[alias])
    ]
    with scratch.locked():
        extract(model, images, ids, targets, section)
    run.adopt(f"data/activations/{run.alias}.zarr", scratch.finished(keys[run.alias]))


INPUT_FILES = (
    Path("data/dataset/table.parquet"),
    Path("data/model/weights.safetensors"),
    Path("data/model/card.json"),
)

if __name__ == "__main__":
    stage.enter_layer("extract", main)
