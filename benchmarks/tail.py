"""The tail from a layer against the whole network, and against what the model's card says of it.

The card's `tail_share` is counted in operations and bytes, so that it is the same on every run.
Here both are timed in turns in one process, on batches as extraction has them, and the ratio of
the fastest rounds is compared with the share.

    python -m benchmarks.tail
"""

import time
from collections.abc import Callable

import timm
import torch
from torch import nn
from torchvision import models as zoo

from tickle_core import devices
from tickle_core.models.layers import survey
from tickle_core.models.split import Tail, split

BATCH = 16
ROUNDS = 5
GOAL = 0.2  # of the measured ratio
LEAST = 0.02  # a tail below this share of the network is a few calls, and mostly overhead

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resnet18": zoo.resnet18,
    "googlenet": lambda: zoo.googlenet(init_weights=False),
    "tf_efficientnet_lite0": lambda: timm.create_model("tf_efficientnet_lite0"),
}


def main() -> None:
    """Print a line per network and layer."""
    devices.prepare("cpu")
    torch.manual_seed(0)
    print(f"{'network':22} {'layer':20} {'whole':>9} {'tail':>9} {'ratio':>7} {'card':>7}  off by")
    for name, make in NETWORKS.items():
        network = make().eval().to(memory_format=torch.channels_last)
        compare(name, network)


def compare(name: str, network: nn.Module) -> None:
    """Time the network and the tail from each of its clean cuts, down to its blocks."""
    images = torch.randn(BATCH, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    layers = survey(network, images[:1])
    worst = 0.0
    for layer, entry in layers.items():
        depth = 3 if layer.startswith("blocks.") else 2
        if not entry["clean_cut"] or entry["tail_share"] < LEAST or layer.count(".") >= depth:
            continue
        whole, part = fastest(network, *split(network, layer, images[:1]), images)
        ratio, share = part / whole, entry["tail_share"]
        off = share / ratio - 1
        worst = max(worst, abs(off))
        mark = "" if abs(off) <= GOAL else "  *"
        print(
            f"{name:22} {layer:20} {whole * 1e3:6.0f} ms {part * 1e3:6.0f} ms "
            f"{ratio:7.3f} {share:7.3f} {off:+7.1%}{mark}"
        )
    print(f"{name:22} off by {worst:.1%} at most\n")


def fastest(
    network: nn.Module, head: nn.Module, tail: Tail, images: torch.Tensor
) -> tuple[float, float]:
    """Seconds of the whole network and of the tail."""
    with torch.inference_mode():
        acts = head(images)
        rounds = [
            (seconds(lambda: network(images)), seconds(lambda: tail(acts))) for _ in range(ROUNDS)
        ]
    whole, part = zip(*rounds, strict=True)
    return min(whole), min(part)


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
