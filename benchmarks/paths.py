"""What paths of least cost take: gradients and seconds a pair, and how both grow.

pair         the string of one pair through pixels, with the default's segments and steps, beside
             scoring its straight line as the result is scored: gradients, seconds, cost of either
pairs        seconds and peak memory against the number of pairs
segments     gradients and seconds a pair against the number of segments, and what the path costs

    python -m benchmarks.paths               # less than two minutes on two cores
    python -m benchmarks.paths segments      # one of them

Seen on two cores: 2,185 gradients and 0.62 s a pair, beside 146 and 0.04 s of the straight line,
for less than half of its cost (67 and 149); 0.9 s for a pair alone, 0.6 s each where 4 are relaxed
together, in 854 MiB; with 8, 16 and 32 segments 866, 2,039 and 4,396 gradients a pair, and costs of
78, 67 and 63.

It needs the default run's data/model and data/dataset.
"""

import argparse
import resource
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from tickle_core import devices
from tickle_core.attacks import pgd
from tickle_core.datasets.image_set import ImageSet
from tickle_core.models import classifier
from tickle_core.models.accuracy import batch_size
from tickle_core.models.pixels import of_pixels, pixels
from tickle_core.path import string
from tickle_core.path.landscape import Landscape, score
from tickle_core.path.spaces import rise

SEGMENTS, STEPS, PARTS = 16, 12, 9  # those of the default
PAIRS = 4
REPEATS = 3


def main() -> None:
    """Run the parts that are asked for."""
    parts = {"pair": pair, "pairs": growth_with_pairs, "segments": growth_with_segments}
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paths")
    parser.add_argument("part", nargs="?", choices=list(parts))
    asked = parser.parse_args().part
    for name in [asked] if asked else parts:
        parts[name]()


class Counter:
    """A landscape that counts the points at which it was looked at."""

    def __init__(self, landscape: Landscape):
        self.count = 0
        self._function = landscape.function
        self.landscape = replace(landscape, function=self._look)

    def _look(self, points: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        self.count += len(points)
        return self._function(points, which)


def subject(count: int) -> tuple[Landscape, torch.Tensor]:
    """L of pairs of held-out images of two predicted classes, and their pixels (p, 2, C, H, W)."""
    device = devices.prepare("auto")
    model = classifier.load(Path("data/model"), device)
    images = ImageSet.open(Path("data/dataset"))
    network = of_pixels(model, images)
    held_out = np.flatnonzero(images.table["split"] == "test")[: 20 * count]
    points = pixels(images.read(held_out), device)
    predicted = torch.cat([pgd.predict(network, part).argmax(1) for part in points.split(500)])
    ends: list[list[int]] = []
    left = list(range(len(points)))
    while len(ends) < count:
        first = left.pop(0)
        last = next(each for each in left if predicted[each] != predicted[first])
        left.remove(last)
        ends.append([first, last])
    places = torch.tensor(ends, device=device)
    classes = predicted[places]

    def difference(some: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        return rise(network(some), classes[which])

    return Landscape(difference, batch_size(images), (0.0, 1.0)), points[places]


def relaxed(
    landscape: Landscape, ends: torch.Tensor, segments: int
) -> tuple[torch.Tensor, int, float]:
    """Strings (p, segments + 1, ...), gradients that they took, and seconds."""
    counted = Counter(landscape)
    began = time.perf_counter()
    *_, found = string.relax(counted.landscape, string.spread(ends, segments), segments, STEPS)
    return found, counted.count, time.perf_counter() - began


def scored(
    landscape: Landscape, nodes: torch.Tensor, parts: int = PARTS
) -> tuple[list[float], int, float]:
    """Costs of paths, gradients that they took, and seconds."""
    counted = Counter(landscape)
    began = time.perf_counter()
    costs = [score(counted.landscape, each, place, parts).cost for place, each in enumerate(nodes)]
    return costs, counted.count, time.perf_counter() - began


def pair() -> None:
    """Strings beside straight lines that are only scored; medians of alternating runs."""
    landscape, ends = subject(PAIRS)
    lines = string.spread(ends, SEGMENTS)
    rows: dict[str, list[tuple[list[float], int, float]]] = {"straight": [], "string": []}
    for _ in range(REPEATS):
        rows["straight"].append(scored(landscape, lines))
        found, gradients, seconds = relaxed(landscape, ends, SEGMENTS)
        costs, more, rest = scored(landscape, found)
        rows["string"].append((costs, gradients + more, seconds + rest))
    print(f"pair: way, gradients, seconds a pair, mean cost ({PAIRS} pairs)")
    for way, several in rows.items():
        costs, gradients, _ = several[0]
        seconds = statistics.median(each for *_, each in several) / PAIRS
        print(f"  {way:10} {gradients / PAIRS:8.0f} {seconds:8.2f} s {np.mean(costs):8.2f}")


def growth_with_pairs() -> None:
    """Ever more pairs that are relaxed together."""
    landscape, ends = subject(8)
    print("pairs: number, seconds, seconds a pair, peak MiB of the process")
    for count in (1, 2, 4, 8):
        *_, seconds = relaxed(landscape, ends[:count], SEGMENTS)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        print(f"  {count:5} {seconds:8.2f} s {seconds / count:8.2f} s {peak:8.0f}")


def growth_with_segments() -> None:
    """Ever more segments; all paths are scored at the same number of points."""
    landscape, ends = subject(PAIRS)
    print(f"segments: number, gradients a pair, seconds a pair, mean cost ({PAIRS} pairs)")
    for segments in (8, 16, 32):
        found, gradients, seconds = relaxed(landscape, ends, segments)
        costs, *_ = scored(landscape, found, PARTS * 32 // segments)
        print(
            f"  {segments:5} {gradients / PAIRS:8.0f} {seconds / PAIRS:8.2f} s "
            f"{np.mean(costs):8.2f}"
        )


if __name__ == "__main__":
    main()
