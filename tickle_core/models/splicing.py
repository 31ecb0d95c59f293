"""Putting reconstructions in a layer's place and running the network on from there."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tickle_core.datasets.image_set import ImageSet
from tickle_core.models.classifier import Classifier
from tickle_core.models.split import Tail, tail_of
from tickle_core.models.tokens import from_tokens


@dataclass(frozen=True)
class Splice:
    """The network behind one layer.

    Attributes
    ----------
    tail
        Layer's output -> logits.
    layer
        The layer's entry in the model's card.
    targets
        (N,) int64, for every image of the set its class among the model's, or -1.
    """

    tail: Tail
    layer: dict[str, Any]
    targets: np.ndarray
    classifier: Classifier
    images: ImageSet

    def logits(self, tokens: torch.Tensor, image_ids: np.ndarray) -> torch.Tensor:
        """Logits (n, classes) of images whose tokens (n, positions, channels) are as given."""
        inputs = None
        if self.tail.obstacle:  # the network needs the images besides
            inputs = self.classifier.preprocess(self.images.read(image_ids))
        return self.tail(from_tokens(tokens, self.layer), inputs)


def splice(classifier: Classifier, images: ImageSet, module: str) -> Splice:
    """Cut the network behind the layer with this module path."""
    example = classifier.preprocess(images.read(np.array([0])))
    classes = classifier.card["classes_of_dataset"]
    of_label = [classes[name] for name in images.class_names]
    targets = np.array([-1 if index is None else index for index in of_label], dtype=np.int64)
    return Splice(
        tail=tail_of(classifier.network, module, example),
        layer=classifier.card["layers"][module],
        targets=targets[images.table["label"].to_numpy()],
        classifier=classifier,
        images=images,
    )
