"""What is attributed: some images, and what the network predicts of them."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from tickle_core.datasets.image_set import ImageSet
from tickle_core.models.accuracy import batch_size
from tickle_core.models.classifier import Classifier
from tickle_core.models.folding import fold
from tickle_core.models.path_integral import Function


@dataclass(frozen=True)
class Subject:
    """Images and the logit of each that is attributed.

    Attributes
    ----------
    ids
        (n,) of the image set, ascending.
    network
        The classifier's, as a function: batch norm is folded into convolutions.
    inputs
        (n, C, H, W), preprocessed.
    classes
        (n,) int64, index of the logit: what the network predicts.
    at_once
        Images that the network takes at once.
    """

    classifier: Classifier
    network: nn.Module
    images: ImageSet
    ids: np.ndarray
    inputs: torch.Tensor
    classes: torch.Tensor
    at_once: int

    def only(self, rows: np.ndarray) -> "Subject":
        """Some of the images."""
        which = torch.from_numpy(rows).to(self.inputs.device)
        return dataclasses.replace(
            self, ids=self.ids[rows], inputs=self.inputs[which], classes=self.classes[which]
        )

    @property
    def logit(self) -> Function:
        """The predicted class's logit of inputs (m, C, H, W) that belong to images (m,)."""
        return self.of(self.network)

    def of(self, network: nn.Module) -> Function:
        """The same logit of another network."""

        def logit(points: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
            return network(points).gather(1, self.classes[which, None]).squeeze(1)

        return logit


def read(classifier: Classifier, images: ImageSet, ids: np.ndarray) -> Subject:
    """Images and their predictions; memory holds them as floats."""
    inputs = classifier.preprocess(images.read(ids))
    size = batch_size(images)
    network = fold(classifier.network, inputs[:1], [])
    with torch.inference_mode():
        classes = torch.cat([network(part).argmax(1) for part in inputs.split(size)])
    # A copy, since tensors of inference mode can take no part in what is differentiated.
    return Subject(classifier, network, images, ids, inputs, classes.clone(), size)
