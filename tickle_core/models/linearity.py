"""Behind which layers a network is linear: there every screen is exact and patching is algebra.

A clean cut before global average pooling and one linear layer has such a tail. It is measured, not
read off the architecture: the layer's output is moved along the line through what two images of
different classes give, and the logits either move along a line too or they do not.
"""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from tickle_core.datasets.image_set import ImageSet
from tickle_core.models.classifier import Classifier
from tickle_core.models.layers import unfused
from tickle_core.progress import progress

PAIRS = 8
# Where on the line from one image's output (0) to the other's (1): between the two, and beyond,
# where a ReLU shows that nothing natural reaches.
PLACES = (0.5, 2.0)
# Float32 leaves some 1e-6, TF32 1e-3; the gentlest real nonlinearities leave some 0.05.
TOLERANCE = 5e-3
# Logits that hardly differ between images differ by rounding: of their norm, what counts at least.
LEAST_DIFFERENCE = 1e-3
LARGEST = 10.0


def measure(classifier: Classifier, images: ImageSet) -> dict[str, dict[str, Any]]:
    """The card's `layers`, each with what was measured of its tail.

    A layer costs passes of five images where one pair shows that its tail is not linear; that it
    is linear, PAIRS pairs must agree on. Memory holds one such pass.

    Returns
    -------
    dict
        By module path, the card's entry and `linear_tail`, whether logits are an affine function
        of the layer's output (of what the network adds to it besides, where the layer is no clean
        cut, as the image gives it); `nonlinearity`, by how much logits leave the line, relative to
        how far apart the two images' logits are: one digit, 0 where that is rounding.
    """
    chosen = _of_different_classes(images.table)
    inputs = classifier.preprocess(images.read(chosen))
    measured = {}
    layers = classifier.card["layers"]
    with torch.inference_mode(), unfused():
        for path in progress(layers, "looking for linear tails", "layer", total=len(layers)):
            found = _nonlinearity(classifier.network, path, inputs)
            linear = found <= TOLERANCE
            rounded = 0.0 if linear else float(f"{found:.1g}")
            measured[path] = layers[path] | {"linear_tail": linear, "nonlinearity": rounded}
    return measured


def _nonlinearity(network: nn.Module, path: str, inputs: torch.Tensor) -> float:
    """Of the first pair of images that shows any, or the largest of what rounding leaves."""
    largest = 0.0
    for pair in zip(inputs[:-1], inputs[1:], strict=True):
        largest = max(largest, _of_pair(network, path, *pair))
        if largest > TOLERANCE:
            break
    return largest


def _of_pair(network: nn.Module, path: str, one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest deviation of logits (classes,) from the line, relative to the pair's difference.

    All runs are of the one image (C, H, W), so that what goes past the layer stays the same; the
    last is of the other, for the layer's output alone.
    """
    places = torch.tensor([0, 1, *PLACES], device=one.device)

    def replace(module: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
        steps = places.view(-1, *[1] * (output.ndim - 1)).to(output.dtype)
        return torch.cat([torch.lerp(output[:1], output[-1:], steps), output[-1:]])

    handle = network.get_submodule(path).register_forward_hook(replace)
    try:
        batch = torch.stack([*[one] * len(places), other])
        start, end, *found = network(batch.contiguous(memory_format=torch.channels_last))[:-1]
    finally:
        handle.remove()
    found, line = torch.stack(found), torch.stack([torch.lerp(start, end, t) for t in places[2:]])
    deviation = (found - line).norm(dim=1).max().item()
    difference = max((end - start).norm().item(), LEAST_DIFFERENCE * start.norm().item())
    if deviation == 0:  # also where there is no difference
        return 0.0
    # Far beyond what is natural a tail may give no number at all.
    return deviation / difference if deviation < LARGEST * difference else LARGEST


def _of_different_classes(table: pd.DataFrame) -> np.ndarray:
    """Ids of PAIRS + 1 images, each of another class than the next where there are two classes."""
    turn = table.groupby("label").cumcount().to_numpy()
    return np.lexsort([table["label"].to_numpy(), turn])[: PAIRS + 1]
