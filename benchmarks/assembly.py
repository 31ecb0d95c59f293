"""What it costs to look a model over before it is believed, in passes of 32 images through it.

The survey of layers (an observed pass, and a trace around each), the check that an image's
activations are its own, and the search for the last linear layer, for a ResNet-50 and a ViT-B/16.

    python -m benchmarks.assembly        # about two minutes
"""

import time
from collections.abc import Callable
from typing import Any

import timm
import torch
import torchvision

from tickle_core.models import consistency, heads, layers

IMAGES = 32
NETWORKS: dict[str, Callable[[], Any]] = {
    "ResNet-50": lambda: torchvision.models.resnet50(),
    "ViT-B/16": lambda: timm.create_model("vit_base_patch16_224"),
}


def main() -> None:
    """Print a line per network and check."""
    for name, make in NETWORKS.items():
        torch.manual_seed(0)
        network = make().eval()
        images = torch.randn(IMAGES, 3, 224, 224).contiguous(memory_format=torch.channels_last)
        network.to(memory_format=torch.channels_last)
        with torch.inference_mode():
            network(images[:4])  # warms up
            _, forward = timed(network, images)
        surveyed, survey = timed(layers.survey, network, images[:1])
        _, checked = timed(consistency.require, network, images, list(surveyed))
        _, found = timed(heads.find, network, images[:1])
        print(f"{name}: a pass of {IMAGES} images {forward:.1f} s", flush=True)
        for what, seconds in (("survey", survey), ("consistency", checked), ("head", found)):
            print(f"  {what:<12} {seconds:5.1f} s, {seconds / forward:4.1f} passes", flush=True)


def timed(work: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """What the work gives, and seconds."""
    start = time.perf_counter()
    made = work(*arguments)
    return made, time.perf_counter() - start


if __name__ == "__main__":
    main()
