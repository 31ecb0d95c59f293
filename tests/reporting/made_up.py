"""A small project on disk, as the stages before the report leave it, with made-up numbers.

What each analysis leaves is made up beside the tests of its section.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tickle_core.datasets import image_set

TEST_IMAGES = 40
WIDTH = 6  # channels


@dataclass(frozen=True)
class Made:
    """One layer of a made-up project.

    Attributes
    ----------
    root
        Holds the folders data and metrics.
    grid, prefix
        Of the layer; without a grid there are four positions.
    shape
        Of an image: (height, width, channels).
    aliases
        Of all layers, which a stage that is not per layer writes of each time.
    """

    root: Path
    alias: str
    class_names: tuple[str, ...]
    grid: tuple[int, int] | None
    prefix: tuple[str, ...]
    shape: tuple[int, int, int]
    aliases: tuple[str, ...]

    @property
    def patches(self):
        """How many positions are patches."""
        return math.prod(self.grid) if self.grid else 4

    def metrics(self, stage):
        """The metrics file of a stage, whose folder exists."""
        path = self.root / "metrics" / stage / f"{self.alias}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def metrics_of(self, stage):
        """The metrics file of a stage that is not per layer."""
        return self.root / "metrics" / f"{stage}.json"

    def folder_of(self, stage):
        """The folder of a stage that is not per layer, which exists."""
        path = self.root / "data" / stage
        path.mkdir(parents=True, exist_ok=True)
        return path

    def folder(self, stage):
        """The folder of a stage, which exists and is empty."""
        path = self.root / "data" / stage / self.alias
        path.mkdir(parents=True)
        return path


def share(value):
    return {"value": value, "interval": [value - 0.05, value + 0.05], "n": TEST_IMAGES}


def ranged(value):
    return {"value": value, "range": [value - 0.05, value + 0.05], "n": 2}


def drawn(value):
    return {"value": value, "range": [value - 0.05, value + 0.05], "draws": 5}


def write_images(out, class_names, shape):
    out.mkdir(parents=True)
    count = 2 * TEST_IMAGES
    images = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
    labels = [row % len(class_names) for row in range(count)]
    contents = image_set.write_images(out, iter(images), count, shape, class_names)
    splits = ["train", "test"] * TEST_IMAGES
    image_set.write_table(out, splits, labels, ["somewhere"] * count, contents, class_names)


def layer_entry(grid, prefix):
    return {
        "shape": [WIDTH, *grid] if grid else [4, WIDTH],
        "layout": "NCHW" if grid else "NTC",
        "prefix": list(prefix),
        "grid": list(grid) if grid else None,
        "clean_cut": True,
        "obstacle": "",
        "linear_tail": False,
        "nonlinearity": 0.3,
    }
