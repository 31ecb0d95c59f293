"""A trained network together with what is needed to use it: classes, preprocessing, layers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from tickle_core.errors import TickleError
from tickle_core.models.small_resnet import SmallResNet
from tickle_core.results import read_json, write_json

WEIGHTS = "weights.safetensors"
CARD = "card.json"


@dataclass(frozen=True)
class Classifier:
    """A network in evaluation mode and its card.

    Attributes
    ----------
    network
        Maps preprocessed images (N, C, H, W) to logits (N, classes).
    card
        architecture, source, class_names, preprocessing (mean and std per channel, for pixels
        scaled to [0, 1]), accuracy, and the shape of every layer's output.
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


def preprocess(
    images: np.ndarray, preprocessing: dict[str, list[float]], device: torch.device
) -> torch.Tensor:
    """Scale uint8 images (N, H, W, C) to [0, 1] and normalise per channel -> (N, C, H, W)."""
    x = torch.from_numpy(images).to(device).permute(0, 3, 1, 2)
    mean = torch.tensor(preprocessing["mean"], device=device).view(1, -1, 1, 1)
    std = torch.tensor(preprocessing["std"], device=device).view(1, -1, 1, 1)
    x = (x.float() / 255 - mean) / std
    return x.contiguous(memory_format=torch.channels_last)


def build(architecture: dict[str, Any]) -> nn.Module:
    """An untrained network from a card's `architecture`."""
    return SmallResNet(architecture["channels"], architecture["classes"])


def layer_shapes(network: nn.Module, example: torch.Tensor) -> dict[str, list[int]]:
    """Shape of every named module's output for one image, without the batch axis.

    Parameters
    ----------
    example
        One preprocessed image (1, C, H, W).
    """
    shapes: dict[str, list[int]] = {}

    def note(name: str):
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and output.ndim in (2, 3, 4):
                shapes[name] = list(output.shape[1:])

        return hook

    handles = [
        module.register_forward_hook(note(name)) for name, module in network.named_modules() if name
    ]
    try:
        with torch.inference_mode():
            network(example)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


def require_layers(layers: dict[str, str], available: list[str]) -> None:
    """Refuse module paths that the model does not have.

    Raises
    ------
    TickleError
        Naming each unknown layer and listing those that the model has.
    """
    for alias, module in layers.items():
        if module not in available:
            raise TickleError(
                f"layers.{alias}: the model has no layer {module!r}; it has {', '.join(available)}"
            )


def save(classifier: Classifier, directory: Path) -> None:
    """Write weights and card into an existing directory."""
    state = {name: t.cpu().contiguous() for name, t in classifier.network.state_dict().items()}
    save_file(state, directory / WEIGHTS)
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
        network.load_state_dict(load_file(directory / WEIGHTS))
    except (OSError, ValueError, KeyError, SafetensorError, RuntimeError) as error:
        raise TickleError(
            f"{directory} holds no readable model ({error}); run `dvc repro model`"
        ) from None
    network.eval().to(device, memory_format=torch.channels_last)
    return Classifier(network, card, device)
