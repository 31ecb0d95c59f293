"""Whose logits are asked: classes with held-out images enough, or groups of them."""

import numpy as np

from tickle_core.activations.store import ActivationStore
from tickle_core.concepts.tcav import Target
from tickle_core.datasets.concept_sets.sets import ConceptSets
from tickle_core.params.concepts import Concepts

LEAST_IMAGES = 10


def choose(
    sets: ConceptSets,
    store: ActivationStore,
    class_names: tuple[str, ...],
    classes: dict[str, int | None],
    section: Concepts,
) -> list[Target]:
    """The classes with most held-out images, each with its own logit.

    Where no class has `LEAST_IMAGES` of them (a folder with an image per class), the groups of
    classes among the concepts, each image with the logit that the network predicts for it.

    Parameters
    ----------
    classes
        Index among the model's logits by class name, None where the model has no such class.
    """
    items = sets.items
    natural = items.split(items.natural, True)
    labels = items.stratum[natural]
    rows = np.searchsorted(store.image_ids, items.image_ids[natural])
    found, counts = np.unique(labels, return_counts=True)
    known = [
        (-count, label)
        for label, count in zip(found.tolist(), counts.tolist(), strict=True)
        if count >= LEAST_IMAGES and classes[class_names[label]] is not None
    ]
    chosen = sorted(label for _, label in sorted(known)[: section.classes])
    if chosen:
        return [
            Target(
                class_names[label],
                (label,),
                own := np.sort(rows[labels == label])[: section.class_images],
                np.full(len(own), classes[class_names[label]]),
            )
            for label in chosen
        ]
    targets = []
    for each in sets.sets:
        own = np.sort(rows[np.isin(labels, each.labels)])[: section.class_images]
        if each.labels and len(own) >= LEAST_IMAGES:
            targets.append(Target(each.name, each.labels, own, store.predictions(own)))
    return targets[: section.classes]
