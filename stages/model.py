"""Train the network under study; write its weights and its card."""

from pathlib import Path

from tickle_core import devices, stage
from tickle_core.datasets.image_set import ImageSet
from tickle_core.models import classifier, training
from tickle_core.results import write_json


def main(run: stage.Run) -> None:
    images = ImageSet.open(Path("data/dataset"))
    network = training.untrained(images, run.params.seed, devices.prepare(run.params.device))
    # Layers are no input of this stage, but a wrong one should be refused before the training.
    classifier.require_layers(run.params.layers, list(network.card["layers"]))
    model = training.train(network, images, run.params.model, run.params.seed)
    classifier.save(model, run.output_directory("data/model"))
    write_json(run.output("reports/metrics/model.json"), {"accuracy": model.card["accuracy"]})


if __name__ == "__main__":
    stage.enter("model", main)
