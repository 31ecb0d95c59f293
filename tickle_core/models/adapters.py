"""A last step for networks that do not give one logit per class by themselves.

A card's `architecture` may have `adapters`, taken in turn:

output      the network gives an object with `.logits`, as Hugging Face's models do
one_logit   it gives one logit, that of the second of two classes: where it is `offset`, both are
            as likely. Each gets half of what it is beyond that, with its sign, so that neither
            class has a logit that never changes
embedding   it gives vectors (N, `features`), and a linear layer makes `classes` logits of them
cosine      the same, of vectors scaled to unit norm (CLIP)

The network keeps its modules and their paths: what changes is what its forward pass ends in.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

HEAD = "tickle_head"  # the module that `embedding` and `cosine` add


def adapt(network: nn.Module, adapter: dict[str, Any]) -> None:
    """Give a network the last step that an adapter describes, in place."""
    match adapter["kind"]:
        case "output":
            _append(network, lambda _, output: output.logits)
        case "one_logit":
            _append(network, lambda _, logit: _two_classes(logit - adapter["offset"]))
        case "embedding":
            network.add_module(HEAD, nn.Linear(adapter["features"], adapter["classes"]))
            if type(network).forward is nn.Sequential.forward:
                return  # it runs whatever is added to it
            _append(network, lambda self, vectors: self.get_submodule(HEAD)(vectors))
        case "cosine":
            head = nn.Linear(adapter["features"], adapter["classes"], bias=False)
            network.add_module(HEAD, head)
            _append(network, lambda self, vectors: self.get_submodule(HEAD)(F.normalize(vectors)))


def _two_classes(difference: torch.Tensor) -> torch.Tensor:
    """The difference of two logits, (N,) or (N, 1), to the two, (N, 2)."""
    half = difference.reshape(-1, 1) / 2
    return torch.cat([-half, half], 1)


def _append(network: nn.Module, step: Callable[[nn.Module, Any], torch.Tensor]) -> None:
    """Make the network one of a class whose forward pass goes one step further than its own did.

    A module around the network would change the path of every layer, and torch.fx does not see
    hooks.
    """

    class Adapted(type(network)):  # type: ignore[misc]
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return step(self, super().forward(images))

    network.__class__ = Adapted
