"""Bring the network under study: train it or load its weights, judge it, write its card.

`python -m stages.model --layers` lists the layers that the model in params.yaml has, without
training or downloading anything.
"""

import dataclasses
import sys
from pathlib import Path

from tickle_core import devices, stage
from tickle_core.datasets.image_set import ImageSet
from tickle_core.errors import TickleError
from tickle_core.models import classifier, layer_table, layers, linearity, remarks, training
from tickle_core.models.accuracy import accuracies
from tickle_core.models.assembly import assemble
from tickle_core.models.stand_in import stand_in
from tickle_core.models.zoo import registry
from tickle_core.params import reading


def main(run: stage.Run) -> None:
    section, seed = run.params.model, run.params.seed
    images = ImageSet.open(Path("data/dataset"))
    entry = registry.describe(section, images)
    model = assemble(entry, images, seed, devices.prepare(run.params.device))
    # Layers are no input of this stage, but a wrong one should be refused before the training.
    classifier.require_layers(run.params.layers, list(model.card["layers"]))
    if section.source == "train":
        training.train(model, images, section, seed)
    notes = [*model.card["notes"], *remarks.on_head(model.card["head"])]
    if section.source == "checkpoint" and section.head == "own":
        notes += remarks.on_outputs(model, images, seed)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    found = accuracies(model, images)
    measured = {"layers": linearity.measure(model, images), "notes": notes}
    model = dataclasses.replace(model, card=model.card | found | measured)
    classifier.save(model, run.output_directory("data/model"))
    run.write_metrics(found)


def list_layers() -> None:
    try:
        print(layer_table.table(layers.survey(*stand_in(reading.load()))))
    except TickleError as error:
        sys.exit(f"error in model: {error}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--layers"]:
        list_layers()
    else:
        stage.enter("model", main)
