"""A trained network together with what is needed to use it: classes, preprocessing, layers."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from tickle_core.errors import TickleError
from tickle_core.models.architectures import build
from tickle_core.models.names import suggest
from tickle_core.models.preprocessing import preprocess
from tickle_core.results import read_json, write_json

WEIGHTS = "weights.safetensors"
CARD = "card.json"
MOST_LISTED = 100  # layers in one error; a large network has hundreds


@dataclass(frozen=True)
class Classifier:
    """A network in evaluation mode and its card.

    Attributes
    ----------
    network
        Maps preprocessed images (N, C, H, W) to logits (N, classes).
    card
        Plain data; `tickle_core.models.assembly` says what is in it.
    device
        Where the network is.
    """

    network: nn.Module
    card: dict[str, Any]
    device: torch.device

    def preprocess(self, images: np.ndarray) -> torch.Tensor:
        """Stored images (N, H, W, C), uint8 -> network input (N, C, H, W), float32.

        The result is channels_last in memory, which the stored order already is and which
        about doubles the speed of convolutions on a CPU.
        """
        return preprocess(images, self.card["preprocessing"], self.device)


def require_layers(
    layers: Mapping[str, str], available: Sequence[str], why_not: Mapping[str, str] | None = None
) -> None:
    """Refuse module paths that are no candidate layers of the model.

    Parameters
    ----------
    layers
        From alias to module path, as in params.yaml.
    available
        Module paths of the candidates: the keys of the card's `layers`.
    why_not
        Of modules that are none: why, as `tickle_core.models.layers.observe` has it.

    Raises
    ------
    TickleError
        Naming the first such layer, the candidates nearest to it and, of a small network, all.
    """
    for alias, module in layers.items():
        if module not in available:
            if why_not and module in why_not:
                raise TickleError(
                    f"layers.{alias}: {module} cannot be stored: {why_not[module]}; "
                    f"{suggest(module, available)}"
                )
            rest = "`python -m stages.model --layers` lists all"
            if len(available) <= MOST_LISTED:
                rest = f"all of them: {', '.join(available)}"
            raise TickleError(
                f"layers.{alias}: the model has no layer {module!r} that could be stored; "
                f"{suggest(module, available)}; {rest}"
            )


def save(classifier: Classifier, directory: Path) -> None:
    """Write weights and card into an existing directory."""
    # Copies, because tied weights share memory, which the format does not allow.
    state = {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in classifier.network.state_dict().items()
    }
    (directory / WEIGHTS).write_bytes(safetensors.torch.save(state))
    write_json(directory / CARD, classifier.card)


def load(directory: Path, device: torch.device) -> Classifier:
    """Read a saved classifier.

    Raises
    ------
    TickleError
        If weights or card are missing, damaged, or do not belong together.
    """
    try:
        card = read_json(directory / CARD)
        network = build(card["architecture"])
        # Modules that have changed over time look here for the version that the names are of.
        state = OrderedDict(load_file(directory / WEIGHTS))
        vars(state)["_metadata"] = getattr(network.state_dict(), "_metadata", None)
        network.load_state_dict(state)
    except (OSError, ValueError, KeyError, SafetensorError, RuntimeError) as error:
        raise TickleError(
            f"{directory} holds no readable model ({error}); run `dvc repro model`"
        ) from None
    network.eval().to(device).to(memory_format=torch.channels_last)
    return Classifier(network, card, device)
