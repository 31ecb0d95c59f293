"""Batch norm folded into the convolution before it: the same function in fewer passes of memory.

In evaluation mode batch norm is a scale and a shift per channel, which a convolution can do on its
way. Forth and back through a network of many small convolutions take some 60 % of the time then.
"""

import copy
import logging
from dataclasses import replace

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from tickle_core import arrays
from tickle_core.datasets.image_set import ImageSet
from tickle_core.models.classifier import Classifier
from tickle_core.models.split import unwrap

EXAMPLES = 8  # images that a folded network is held against the true one on
TOLERANCE = 1e-3  # of what a module gives at most; rounding changes far less, a wrong fold far more

_log = logging.getLogger(__name__)


def fold(network: nn.Module, example: torch.Tensor, kept: list[str]) -> nn.Module:
    """A copy of a network whose batch norms are part of the convolutions that they follow.

    What a norm layer does besides (timm's have an activation inside) stays. That the copy gives
    the same is checked on the example, at the output and at the modules `kept`; where it does not,
    the network itself is returned, and one line in the log says so.

    Parameters
    ----------
    network
        In evaluation mode.
    example
        Preprocessed images (N, C, H, W).
    kept
        Module paths whose outputs have to stay as they are.

    Raises
    ------
    TickleError
        If the network is in training mode.
    """
    network = unwrap(network)
    folded = copy.deepcopy(network)
    for convolution, norm in _in_sequence(network, example):
        if convolution not in kept:
            before, after = network.get_submodule(convolution), network.get_submodule(norm)
            assert isinstance(before, nn.Conv2d) and isinstance(after, nn.BatchNorm2d)
            folded.set_submodule(convolution, fuse_conv_bn_eval(before, after))
            rest = folded.get_submodule(norm).children()
            folded.set_submodule(norm, nn.Sequential(*rest))
    folded.eval().to(memory_format=torch.channels_last)
    for true, found in zip(
        _outputs(network, example, kept), _outputs(folded, example, kept), strict=True
    ):
        if not (found - true).abs().max() <= TOLERANCE * true.abs().max():
            _log.warning("batch norm cannot be folded into the convolutions of this network")
            return network
    return folded


def folded(classifier: Classifier, images: ImageSet, module: str) -> Classifier:
    """The same classifier, faster, for what asks it for this layer's output or the logits."""
    example = classifier.preprocess(arrays.read_rows(images.images, 0, EXAMPLES))
    return replace(classifier, network=fold(classifier.network, example, [module]))


def _in_sequence(network: nn.Module, example: torch.Tensor) -> list[tuple[str, str]]:
    """Paths of each convolution whose output goes straight into a batch norm, and of that."""
    given: dict[int, tuple[str, torch.Tensor]] = {}  # the tensors are kept, so that ids stay apart
    found: list[tuple[str, str]] = []

    def follow(path: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def gives(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
            given[id(output)] = path, output

        def takes(_module: nn.Module, inputs: tuple[torch.Tensor]) -> None:
            if id(inputs[0]) in given:
                found.append((given[id(inputs[0])][0], path))

        if isinstance(module, nn.Conv2d):
            return module.register_forward_hook(gives)
        return module.register_forward_pre_hook(takes)

    handles = [
        follow(path, module)
        for path, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d)
    ]
    try:
        with torch.no_grad():
            network(example)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _outputs(network: nn.Module, example: torch.Tensor, paths: list[str]) -> list[torch.Tensor]:
    """What some modules give, and the network."""
    outputs: list[torch.Tensor] = []
    handles = [
        network.get_submodule(path).register_forward_hook(
            lambda _module, _inputs, output: outputs.append(output.clone())
        )
        for path in paths
    ]
    try:
        with torch.no_grad():
            logits = network(example)
    finally:
        for handle in handles:
            handle.remove()
    return [*outputs, logits]
