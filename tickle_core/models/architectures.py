"""Networks from what a card says of their architecture: no weights, no connection needed.

A card's `architecture` has a `library`, a `name` in it and the `arguments` of the constructor:

tickle         `small_resnet`
torchvision    a classification model's name; arguments of its builder
timm           a model's name, with the tag if it matters; arguments of `timm.create_model`
import         `package.module:factory`; arguments of the factory
"""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from tickle_core.errors import TickleError
from tickle_core.models.small_resnet import SmallResNet


def build(architecture: dict[str, Any]) -> nn.Module:
    """A network in evaluation mode, with random weights from torch's global generator.

    Raises
    ------
    TickleError
        If a factory cannot be imported, fails, or returns no torch module.
    """
    name, arguments = architecture["name"], architecture["arguments"]
    match architecture["library"]:
        case "torchvision":
            import torchvision  # takes seconds, and the default network does without

            network = torchvision.models.get_model(name, weights=None, **arguments)
        case "timm":
            import timm  # likewise

            network = timm.create_model(name, pretrained=False, **arguments)
        case "import":
            network = _call(name, arguments)
        case _:
            network = SmallResNet(**arguments)
    return network.eval()


def torchvision_architecture(name: str, **arguments: Any) -> dict[str, Any]:
    """The `architecture` of a torchvision model, without the heads that only serve training."""
    if name in ("googlenet", "inception_v3"):
        arguments |= {"aux_logits": False, "init_weights": False}
    return {"library": "torchvision", "name": name, "arguments": arguments}


def import_architecture(name: str, classes: int) -> dict[str, Any]:
    """The `architecture` of an importable factory.

    The factory is called with `num_classes` if it has a parameter of that name, else with nothing.

    Raises
    ------
    TickleError
        If it cannot be imported.
    """
    factory = _factory(name)
    takes_classes = "num_classes" in inspect.signature(factory).parameters
    arguments = {"num_classes": classes} if takes_classes else {}
    return {"library": "import", "name": name, "arguments": arguments}


def _factory(name: str) -> Callable[..., Any]:
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:  # importing runs the user's module, which may fail in any way
        raise TickleError(
            f"{name} cannot be imported ({type(error).__name__}: {error}): its module must be "
            "installed, or lie in the project's top folder"
        ) from None


def _call(name: str, arguments: dict[str, Any]) -> nn.Module:
    try:
        network = _factory(name)(**arguments)
    except TickleError:
        raise
    except Exception as error:  # the user's code again
        raise TickleError(f"{name} failed ({type(error).__name__}: {error})") from None
    if not isinstance(network, nn.Module):
        raise TickleError(f"{name} returned a {type(network).__name__}, not a torch module")
    return network
