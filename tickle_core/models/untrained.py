"""The same architecture with weights that learnt nothing: what a number is without training.

matched    each tensor drawn anew from a Gaussian with its own mean and variance. Scales, gains and
           the spread of weights stay as training left them, so that it is harder to beat than a
           fresh start (Heap et al. 2025, arXiv:2501.17727).
fresh      the architecture's own initialisation.

In both, the statistics of batch norm are those of train images in the new network: with the old
ones, activations would drift away from layer to layer.
"""

import copy
import dataclasses
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from tickle_core.datasets import image_set
from tickle_core.datasets.image_set import ImageSet
from tickle_core.errors import TickleError
from tickle_core.models.accuracy import batch_size
from tickle_core.models.architectures import build
from tickle_core.models.classifier import Classifier
from tickle_core.models.split import unwrap

Weights = Literal["matched", "fresh"]
STATISTICS_IMAGES = 1024  # train images behind the statistics of batch norm
SOURCES = {
    "matched": "untrained: each tensor drawn anew with its trained mean and variance",
    "fresh": "untrained: the architecture's own initialisation",
}


def untrained(classifier: Classifier, images: ImageSet, weights: Weights, seed: int) -> Classifier:
    """A classifier of the same architecture that has learnt nothing; the given one stays.

    Raises
    ------
    TickleError
        If the redrawn network gives no finite logits.
    """
    if weights == "fresh":
        torch.manual_seed(seed)
        network = build(classifier.card["architecture"])
    else:
        network = copy.deepcopy(unwrap(classifier.network))
        redraw(network.parameters(), seed)
    network.to(classifier.device).to(memory_format=torch.channels_last)
    card = classifier.card | {"source": SOURCES[weights], "accuracy": None, "top5": None}
    found = dataclasses.replace(classifier, network=network, card=card)
    ids = image_set.draw(images.table, "train", STATISTICS_IMAGES, seed)
    estimate_statistics(found, images, ids)
    with torch.inference_mode():
        logits = network(found.preprocess(images.read(ids[:1])))
    if not logits.isfinite().all():
        raise TickleError(
            f"the network with {weights} weights gives no finite logits; set untrained.weights to "
            "the other one"
        )
    return found


def redraw(parameters: Iterable[nn.Parameter], seed: int) -> None:
    """Draw each tensor anew from a Gaussian with its own mean and variance, in place.

    Draws are made on the CPU, so that they are the same wherever the network is.
    """
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in parameters:
            drawn = torch.randn(parameter.shape, generator=rng)
            mean, std = parameter.mean(), parameter.std(correction=0)
            parameter.copy_(drawn.to(parameter.device) * std + mean)


def estimate_statistics(
    classifier: Classifier, images: ImageSet, ids: Sequence | np.ndarray
) -> None:
    """Set the running statistics of batch norm to those of the given images, in place.

    Each is the mean over batches, with the layers before normalised by their own batches.
    """
    norms = [each for each in classifier.network.modules() if isinstance(each, _BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all batches
        norm.train()
    size = min(batch_size(images), max(2, len(ids)))
    with torch.no_grad():
        for start in range(0, len(ids), size):
            # A single value has no variance: the last image joins no batch of its own.
            if len(part := ids[start : start + size]) > 1:
                classifier.network(classifier.preprocess(images.read(part)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
