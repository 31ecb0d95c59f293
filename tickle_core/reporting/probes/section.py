"""The section on linear probes."""

from typing import Any

from tickle_core.reporting.context import Context
from tickle_core.reporting.kit.section import Section
from tickle_core.reporting.kit.tables import share
from tickle_core.reporting.probes import figures, tables
from tickle_core.reporting.probes.found import read

MOST_CONFUSION_CLASSES = 30


def section(context: Context) -> Section:
    """Accuracy per layer, kind of token, position and class, each against chance."""
    found, names = read(context), context.class_names
    layers = found.metrics
    headline = layers[context.headline_layer]
    judged = headline["images"]["judged"] > 0
    classes = tables.of_patches(found.classes[context.headline_layer])
    confusion = tables.of_patches(found.confusion[context.headline_layer])
    drawn = {}
    if judged:
        drawn["probes_accuracy"] = figures.accuracy_figure(layers)
        drawn["probes_positions"] = figures.position_figure(layers, found.positions)
        if len(classes) <= MOST_CONFUSION_CLASSES:
            drawn["probes_confusion"] = figures.confusion_figure(confusion, classes, names)
    return Section(
        name="probes",
        title="Linear probes",
        summary=_summary(headline["pooled"]["patch"]),
        settings=context.params.probes.model_dump(),
        figures=drawn,
        tables={
            "probes": tables.layer_table(layers),
            "probes_classes": tables.class_table(classes, names),
            "probes_confused": tables.confused_table(confusion, classes, names),
        },
        facts={
            "headline": headline["pooled"]["patch"],
            "images": headline["images"],
            "judged": judged,
            "kinds": sorted({kind for layer in layers.values() for kind in layer["pooled"]}),
            "converged": all(
                probe["converged"]
                for layer in layers.values()
                for probe in layer["pooled"].values()
            ),
        },
    )


def _summary(probe: dict[str, Any]) -> str:
    if probe["accuracy"]["value"] is None:
        return ""
    return (
        f"A linear probe reads the class of {share(probe['accuracy'])} of the images from it, and "
        f"a random class of images that look alike of {share(probe['control'])}; after training on "
        f"shuffled labels it is right for {share(probe['accuracy']['null'])}. In the same layer of "
        "a network that learnt nothing, it reads the class of "
        f"{share(probe['untrained']['accuracy'])}."
    )
