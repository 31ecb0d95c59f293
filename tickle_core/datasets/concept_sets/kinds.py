"""Images of a set by what they show: its classes, and the concepts that its images have."""

import numpy as np

from tickle_core.datasets.concept_sets import definition, members
from tickle_core.datasets.image_set import ImageSet


def by_kind(sets: str, images: ImageSet, ids: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """By kind (class, concept) and name, places of the images among some.

    Parameters
    ----------
    sets
        Of `concepts.sets` in params.yaml.
    ids
        Images of one split, ascending.

    Raises
    ------
    TickleError
        If there are no such concepts, or one names no class of the image set.
    """
    labels = images.table["label"].to_numpy(np.int64)[ids]
    concepts = definition.read(definition.file_of(sets))
    return {
        "class": {
            name: np.flatnonzero(labels == label) for label, name in enumerate(images.class_names)
        },
        "concept": members.among(concepts, images, ids),
    }
