"""Networks from what a card says of their architecture: no weights, no connection needed.

A card's `architecture` has a `library`, a `name` in it and the `arguments` of the constructor:

tickle         `small_resnet`
torchvision    a classification model's name; arguments of its builder
timm           a model's name, with the tag if it matters; arguments of `timm.create_model`
import         `package.module:factory`; arguments of the factory; `code`, a hash of its source

and may have `adapters` (`tickle_core.models.adapters`).
"""

import importlib
import inspect
import sys
import sysconfig
from collections.abc import Callable
from importlib import metadata
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any

from torch import nn

from tickle_core import hashing
from tickle_core.errors import TickleError
from tickle_core.fingerprint import normal_form
from tickle_core.models.adapters import adapt
from tickle_core.models.small_resnet import SmallResNet

CODE = Path("data/checkpoints")  # where a user's own modules lie, beside their weights
WITH_HEADS_FOR_TRAINING = ("googlenet", "inception_v3")


def build(architecture: dict[str, Any]) -> nn.Module:
    """A network in evaluation mode, with random weights from torch's global generator.

    Raises
    ------
    TickleError
        If a factory cannot be imported, fails, returns no torch module, or is not the code any more
        that the card is of.
    """
    name, arguments = architecture["name"], architecture["arguments"]
    match architecture["library"]:
        case "torchvision":
            import torchvision  # takes seconds, and the default network does without

            network = _construct(
                name, torchvision.models.get_model, name, weights=None, **arguments
            )
        case "timm":
            import timm  # likewise

            network = _construct(name, timm.create_model, name, pretrained=False, **arguments)
        case "import":
            if architecture["code"] != code_of(name):
                raise TickleError(
                    f"the code of {name} is not what it was when data/model was made: "
                    "run `dvc repro`"
                )
            network = _call(name, arguments)
        case _:
            network = SmallResNet(**arguments)
    for adapter in architecture.get("adapters", []):
        adapt(network, adapter)
    return network.eval()


def torchvision_architecture(name: str, **arguments: Any) -> dict[str, Any]:
    """The `architecture` of a torchvision model, without the heads that only serve training."""
    if name in WITH_HEADS_FOR_TRAINING:
        arguments = {"aux_logits": False, "init_weights": False} | arguments
    return {"library": "torchvision", "name": name, "arguments": arguments}


def import_architecture(name: str, classes: int, arguments: dict[str, Any]) -> dict[str, Any]:
    """The `architecture` of an importable factory.

    The factory is called with `num_classes` if it has a parameter of that name, and with the
    given arguments.

    Raises
    ------
    TickleError
        If it cannot be imported, or DVC would not see a change of its code.
    """
    factory = _factory(name)
    if "num_classes" in inspect.signature(factory).parameters:
        arguments = {"num_classes": classes} | arguments
    return {"library": "import", "name": name, "arguments": arguments, "code": code_of(name)}


def code_of(name: str) -> str:
    """A hash of what a factory's code means: of its module and those beside it that it imports.

    Comments and formatting do not count. Of an installed package, the version stands for the code.

    Raises
    ------
    TickleError
        If the module is neither in data/checkpoints, which DVC tracks, nor installed.
    """
    _factory(name)
    module = name.partition(":")[0]
    file = Path(inspect.getsourcefile(sys.modules[module]) or "").resolve()
    folder = CODE.resolve()
    if file.is_relative_to(folder):
        finder = ModuleFinder([str(folder)])
        finder.import_hook(module)
        paths = (Path(getattr(each, "__file__", None) or "") for each in finder.modules.values())
        return hashing.of_texts(
            f"{path.resolve().relative_to(folder)}\n{normal_form(path.read_bytes())}"
            for path in sorted(paths)
            if path.suffix == ".py"
        )
    top = module.partition(".")[0]
    if any(file.is_relative_to(Path(sysconfig.get_path(kind))) for kind in ("purelib", "platlib")):
        owners = metadata.packages_distributions().get(top, [])
        return hashing.of_texts(f"{owner}=={metadata.version(owner)}" for owner in sorted(owners))
    raise TickleError(
        f"{name} is in {file}, where a change of its code would go unnoticed: put the module into "
        f"{CODE}, or install it as a package (not editable)"
    )


def _factory(name: str) -> Callable[..., Any]:
    module, _, attribute = name.partition(":")
    if str(CODE.resolve()) not in sys.path:
        sys.path.append(str(CODE.resolve()))
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # nothing beside their code
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:  # importing runs the user's module, which may fail in any way
        raise TickleError(
            f"{name} cannot be imported ({type(error).__name__}: {error}): its module must lie in "
            f"{CODE}, or be installed"
        ) from None
    finally:
        sys.dont_write_bytecode = writes


def _call(name: str, arguments: dict[str, Any]) -> nn.Module:
    network = _construct(name, _factory(name), **arguments)
    if not isinstance(network, nn.Module):
        raise TickleError(f"{name} returned a {type(network).__name__}, not a torch module")
    return network


def _construct(name: str, factory: Callable[..., Any], *positional: Any, **arguments: Any) -> Any:
    try:
        return factory(*positional, **arguments)
    except TickleError:
        raise
    except Exception as error:  # the user's code, or a library's own complaint of arguments
        reason = " ".join(str(error).split())
        raise TickleError(f"{name} failed ({type(error).__name__}: {reason})") from None
