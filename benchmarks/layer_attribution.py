"""Layer integrated gradients against captum's: the same attributions, then time and memory.

Captum runs the whole network for every step and puts the interpolated activations in the layer's
place. Here activations come from a store, and the tail alone runs. Each contender has a process of
its own, in turns; the ratio is that of the fastest rounds.

    python -m benchmarks.layer_attribution
"""

import multiprocessing
import resource
import time
from collections.abc import Callable
from typing import Any

import torch
from captum.attr import LayerIntegratedGradients
from torch import nn
from torchvision import models as zoo

from tickle_core import devices
from tickle_core.models import path_integral
from tickle_core.models.split import split

IMAGES, STEPS, AT_ONCE = 16, 16, 16
ROUNDS = 3
TOLERANCE = 1e-4  # of the largest attribution
GOAL = 2.5

CASES: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "resnet18": (zoo.resnet18, "layer3"),
    "googlenet": (
        lambda: zoo.googlenet(init_weights=False, aux_logits=False),
        "inception4d",
    ),
}


def main() -> None:
    """Print a line per network."""
    print(f"{'network':10} {'layer':12} {'captum':>16} {'tickle':>16} {'ratio':>6}  off by")
    spawn = multiprocessing.get_context("spawn")
    for name, (_, layer) in CASES.items():
        found: dict[str, list[dict[str, Any]]] = {"captum": [], "tickle": []}
        for _ in range(ROUNDS):
            for contender, rounds in found.items():
                with spawn.Pool(1) as pool:
                    rounds.append(pool.apply(run, (name, contender)))
        captum, tickle = (
            min(rounds, key=lambda each: each["seconds"]) for rounds in found.values()
        )
        off = (captum["attributions"] - tickle["attributions"]).abs().max()
        off = float(off / captum["attributions"].abs().max())
        assert off < TOLERANCE, f"{name}: attributions differ by {off:.1e}"
        ratio = captum["seconds"] / tickle["seconds"]
        times = [f"{each['seconds']:6.2f} s {each['mib']:5.0f} MiB" for each in (captum, tickle)]
        mark = "" if ratio >= GOAL else "  *"
        print(f"{name:10} {layer:12} {times[0]:>16} {times[1]:>16} {ratio:6.1f}  {off:.0e}{mark}")


def run(name: str, contender: str) -> dict[str, Any]:
    """Attributions of one contender, with the seconds and the memory that they took."""
    devices.prepare("cpu")
    torch.manual_seed(0)
    make, layer = CASES[name]
    network = make().eval().to(memory_format=torch.channels_last)
    images = torch.randn(IMAGES, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    start = torch.zeros(1, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    attribute = with_captum if contender == "captum" else with_the_tail
    work = attribute(network, layer, images, start)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    attributions = work()
    seconds = time.perf_counter() - began
    mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10
    return {"seconds": seconds, "mib": mib, "attributions": attributions.detach().contiguous()}


def with_captum(
    network: nn.Module, layer: str, images: torch.Tensor, start: torch.Tensor
) -> Callable[[], torch.Tensor]:
    """Its own batches are as large as ours."""
    method = LayerIntegratedGradients(network, network.get_submodule(layer))
    return lambda: method.attribute(
        images,
        start.expand_as(images),
        target=0,
        n_steps=STEPS,
        method="riemann_middle",
        internal_batch_size=AT_ONCE,
    )


def with_the_tail(
    network: nn.Module, layer: str, images: torch.Tensor, start: torch.Tensor
) -> Callable[[], torch.Tensor]:
    """From activations that a store would have."""
    head, tail = split(network, layer, images[:1])
    with torch.inference_mode():
        ends, first = head(images), head(start)
    path = path_integral.straight(first.clone(), ends.clone())

    def work() -> torch.Tensor:
        parts = torch.arange(IMAGES).split(AT_ONCE)
        return torch.cat(
            [
                path_integral.path_sum(
                    lambda points, which: tail(points)[:, 0], path, part, STEPS, AT_ONCE
                )
                for part in parts
            ]
        )

    return work


if __name__ == "__main__":
    main()
