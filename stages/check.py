"""Refuse a params.yaml that cannot work, before any other stage runs.

DVC deletes the outputs of a stage before it runs its command: a stage that refuses its params has
lost what it made of the old ones. So every stage comes after this one. Its own output says nothing
and never changes, and is there whatever comes of the check.
"""

from pathlib import Path

from tickle_core import devices, needs, preflight, stage
from tickle_core.datasets import registry
from tickle_core.datasets.concept_sets import announcing
from tickle_core.models import classifier, layers, stand_in

OUTPUT = Path("data/check.txt")


def main(run: stage.Run) -> None:
    preflight.require(run.params)
    registry.require(run.params.dataset)
    announcing.require(run.params.concepts.sets, run.params.dataset)
    devices.prepare(run.params.device)
    stand_in.require_weights(run.params.model)
    stand_in.require_classes(run.params)
    network, example, prefix = stand_in.stand_in(run.params)
    seen = layers.observe(network, example, prefix)
    classifier.require_layers(run.params.layers, list(seen.candidates), seen.why_not)
    shapes = {alias: seen.candidates[path] for alias, path in run.params.layers.items()}
    needs.require_memory(run.params, example.shape, shapes)


if __name__ == "__main__":
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text("Every stage runs after params.yaml was checked.\n", encoding="utf-8")
    stage.enter("check", main)
