"""PGD against foolbox and torchattacks: the same success, time, growth.

peers        PGD with 20 steps on 500 images of the default network, L-inf 8/255, from the clean
             image, steps of eps / 10; medians of alternating runs. Of the peers all images take all
             steps, the last iterate counts, and nothing is rounded; here images that fell take no
             further part, and each is judged with 8 bits. "All steps" keeps them all, as the peers
             do; "unfolded" is the network as the peers get it, without batch norm folded away
memory       growth of the peak memory of each, in a process of its own
images       seconds against the number of images
steps        seconds against the number of steps

    pip install --no-deps --target /somewhere torchattacks    # its requirements are outdated
    PYTHONPATH=/somewhere python -m benchmarks.attacks        # some minutes on two quiet cores
    python -m benchmarks.attacks images                       # one part; torchattacks is optional

The contenders of `peers` were seen to give, in one thread of two cores that others used too, in CPU
seconds (medians of 5, in parts of the first): 312 of 500 images fall to each; tickle 3.4 s (1),
unfolded 3.6 s (1.06), unfolded with all steps 6.7 s (2.0), foolbox 5.4 s (1.6), torchattacks 5.3 s
(1.6). What is gained comes from images that take no further part: with all steps, judging with 8
bits costs a quarter more than foolbox. Where cores are overbooked, seconds on the wall say nothing.

It needs the default run's data/model and data/dataset.
"""

import argparse
import importlib.util
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from tickle_core import devices
from tickle_core.attacks import pgd
from tickle_core.attacks.balls import Ball
from tickle_core.attacks.goals import Goal
from tickle_core.attacks.pgd import Network
from tickle_core.datasets.image_set import ImageSet
from tickle_core.models import classifier
from tickle_core.models.pixels import of_pixels, pixels

IMAGES, STEPS, EPS, STEP = 500, 20, 8 / 255, 0.1
REPEATS = 5
GOAL = 1.5


def main() -> None:
    """Run the parts that are asked for."""
    parts = {
        "peers": peers,
        "memory": memory,
        "images": growth_with_images,
        "steps": growth_with_steps,
    }
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attacks")
    parser.add_argument("part", nargs="?", choices=list(parts))
    asked = parser.parse_args().part
    for name in [asked] if asked else parts:
        parts[name]()


def subject(count: int) -> tuple[Network, Network, torch.Tensor, torch.Tensor]:
    """The network as stages attack it and as it was trained, images that it gets right, classes."""
    device = devices.prepare("auto")
    model = classifier.load(Path("data/model"), device)
    images = ImageSet.open(Path("data/dataset"))
    held_out = np.flatnonzero(images.table["split"] == "test")[: 2 * count]
    faster = of_pixels(model, images)
    clean = pixels(images.read(held_out), device)
    labels = torch.from_numpy(images.table["label"].to_numpy()[held_out]).to(device)
    right = torch.cat([pgd.predict(faster, part).argmax(1) for part in clean.split(500)]) == labels
    mean, std = (
        torch.tensor(model.card["preprocessing"][key], device=device).view(1, -1, 1, 1)
        for key in ("mean", "std")
    )
    model.network.requires_grad_(False)

    def plain(points: torch.Tensor) -> torch.Tensor:
        return model.network((points - mean) / std)

    return faster, plain, clean[right][:count], labels[right][:count]


def contenders() -> dict[str, Callable[[], int]]:
    """Each attacks the same images, and says how many fall."""
    faster, plain, images, labels = subject(IMAGES)
    found: dict[str, Callable[[], int]] = {
        "tickle": lambda: ours(faster, images, labels, STEPS),
        "tickle, unfolded": lambda: ours(plain, images, labels, STEPS),
        "tickle, unfolded, all steps": lambda: ours(plain, images, labels, STEPS, torch.inf),
        "foolbox": lambda: with_foolbox(plain, images, labels),
    }
    if importlib.util.find_spec("torchattacks"):
        found["torchattacks"] = lambda: with_torchattacks(plain, images, labels)
    return found


def peers() -> None:
    """Success and seconds of each, in one run."""
    works = contenders()
    seconds: dict[str, list[float]] = {name: [] for name in works}
    success = {}
    for work in works.values():
        work()
    for _ in range(REPEATS):
        for name, work in works.items():
            began = time.perf_counter()
            success[name] = work()
            seconds[name].append(time.perf_counter() - began)
    own = statistics.median(seconds["tickle"])
    print(f"peers: {IMAGES} images, {STEPS} steps; the goal is {GOAL} times as fast")
    for name in works:
        median = statistics.median(seconds[name])
        print(f"  {name:28} {success[name]:4} fall  {median:6.2f} s  {median / own:5.2f}")


def memory() -> None:
    """Peak memory of each above what the network and the images take."""
    print("memory: contender, growth of the peak MiB")
    for name in ("tickle", "tickle, unfolded, all steps", "foolbox", "torchattacks"):
        if name != "torchattacks" or importlib.util.find_spec(name):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(f"  {name:28} {pool.apply(peak_of, (name,)):7.0f}")


def peak_of(name: str) -> float:
    """MiB that one contender adds; its imports count, its network does not."""
    work = contenders()[name]
    before = peak()
    work()
    return peak() - before


def peak() -> float:
    """MiB of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def ours(
    network: Network,
    images: torch.Tensor,
    labels: torch.Tensor,
    steps: int,
    confidence: float = 0.0,
) -> int:
    """How many fall."""
    ball = Ball("linf", EPS)
    found = pgd.pgd(network, images, images, Goal(labels), ball, steps, STEP * EPS, confidence)
    return int(found.before_rounding.sum())


def with_foolbox(network: Network, images: torch.Tensor, labels: torch.Tensor) -> int:
    """The same by foolbox."""
    import foolbox

    model = foolbox.PyTorchModel(Module(network), bounds=(0, 1), device=images.device)
    attack = foolbox.attacks.LinfPGD(rel_stepsize=STEP, steps=STEPS, random_start=False)
    return int(attack(model, images, labels, epsilons=EPS)[2].sum())


def with_torchattacks(network: Network, images: torch.Tensor, labels: torch.Tensor) -> int:
    """The same by torchattacks."""
    import torchattacks

    module = Module(network)
    attack = torchattacks.PGD(module, eps=EPS, alpha=STEP * EPS, steps=STEPS, random_start=False)
    moved = attack(images, labels)
    return int((pgd.predict(network, moved).argmax(1) != labels).sum())


class Module(torch.nn.Module):
    """A function as the module that peers ask for, in evaluation mode."""

    def __init__(self, function: Network):
        super().__init__()
        self.function = function
        self.anchor = torch.nn.Parameter(torch.zeros(()), requires_grad=False)
        self.eval()

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """Logits."""
        return self.function(points)


def growth_with_images() -> None:
    """Seconds and peak memory for ever more images, in batches as the stage has them."""
    network, _, images, labels = subject(2000)
    print("images: number, seconds, peak MiB of the process")
    for count in (250, 500, 1000, 2000):
        began = time.perf_counter()
        for some, classes in zip(
            images[:count].split(IMAGES), labels[:count].split(IMAGES), strict=True
        ):
            ours(network, some, classes, STEPS)
        print(f"  {count:5} {time.perf_counter() - began:7.2f} s {peak():7.0f}")


def growth_with_steps() -> None:
    """Seconds for ever more steps: fewer and fewer images are left."""
    network, _, images, labels = subject(IMAGES)
    print("steps: number, images that fall, seconds")
    for steps in (5, 10, 20, 40, 80):
        began = time.perf_counter()
        fallen = ours(network, images, labels, steps)
        print(f"  {steps:5} {fallen:5} {time.perf_counter() - began:7.2f} s")


if __name__ == "__main__":
    main()
