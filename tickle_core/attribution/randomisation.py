"""The randomisation check: do maps change when the network forgets what it learnt?

Parts of the network get weights that learnt nothing, from the logits down, one after the other; a
map that stays alike shows the image, not what the network makes of it [1]_. How alike, says
Spearman's rank correlation of cells, image by image.

References
----------
.. [1] Adebayo et al. (2018). Sanity checks for saliency maps. arXiv:1810.03292.
"""

import copy
import dataclasses
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from tickle_core import statistics
from tickle_core.datasets import image_set
from tickle_core.datasets.image_set import ImageSet
from tickle_core.models.classifier import Classifier
from tickle_core.models.untrained import estimate_statistics

PARTS = 6  # at most
STATISTICS_IMAGES = 256


def parts(network: nn.Module) -> list[tuple[str, list[str]]]:
    """The parts of a network that have parameters, from the logits down: name, parameters.

    Modules are taken to run in the order in which they were made. The largest is divided into its
    own parts until there are `PARTS`, or nothing is left to divide.
    """
    groups: list[tuple[str, list[str]]] = [("", [name for name, _ in network.named_parameters()])]
    while True:
        for place in sorted(range(len(groups)), key=lambda place: -len(groups[place][1])):
            divided = _divide(*groups[place])
            if len(divided) > 1 and len(groups) + len(divided) - 1 <= PARTS:
                groups[place : place + 1] = divided
                break
        else:
            return groups[::-1]


def _divide(name: str, parameters: list[str]) -> list[tuple[str, list[str]]]:
    depth = name.count(".") + 1 if name else 0
    groups: dict[str, list[str]] = {}
    for parameter in parameters:
        below = ".".join(parameter.split(".")[: depth + 1])
        # What is a parameter of the module itself cannot be divided further.
        groups.setdefault(below if below != parameter else name, []).append(parameter)
    return list(groups.items())


def cascade(
    trained: Classifier, untrained: Classifier, images: ImageSet, seed: int
) -> Iterator[tuple[str, Classifier]]:
    """The network with ever more of its parts untrained: the name of the last one, and it.

    The statistics of batch norm are those of train images in each.
    """
    network = copy.deepcopy(trained.network)
    fresh = dict(untrained.network.named_parameters())
    own = dict(network.named_parameters())
    ids = image_set.draw(images.table, "train", STATISTICS_IMAGES, seed)
    found = dataclasses.replace(trained, network=network)
    for name, parameters in parts(network):
        with torch.no_grad():
            for parameter in parameters:
                own[parameter].copy_(fresh[parameter])
        estimate_statistics(found, images, ids)
        yield name or "all", found


def alike(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of maps (n, cells), image by image, (n,); 0 where one is flat."""
    found = [statistics.spearman(*pair) for pair in zip(one, other, strict=True)]
    return np.nan_to_num(found)
