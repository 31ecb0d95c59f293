"""A small network on images, and the same one untrained."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from tickle_core.activations.extraction import Target, extract
from tickle_core.activations.store import open_store
from tickle_core.attribution.maps import Layer
from tickle_core.attribution.subject import read
from tickle_core.datasets import image_set
from tickle_core.models import splicing
from tickle_core.models.assembly import assemble
from tickle_core.models.untrained import untrained
from tickle_core.models.zoo.registry import small_resnet
from tickle_core.params.attribution import Attribution
from tickle_core.params.extract import Extract

COUNT = 90
EXTRACT = Extract(train_images=None, test_images=None, batch_size=16, dtype="float32", shard_mib=1)
SETTINGS = Attribution(
    images=40,
    tolerance=0.01,
    most_steps=32,
    anchors=40,
    cells=7,
    removals=7,
    randomised_images=32,
    shown=2,
)


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """Squares of light in one of three corners, which is their class."""
    path = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 60, (COUNT, 28, 28, 1))
    for row in range(COUNT):
        top, left = ((0, 0), (0, 14), (14, 0))[row % 3]
        pixels[row, top + 3 : top + 11, left + 3 : left + 11] += 150
    names = ["a", "b", "c"]
    pixels = pixels.astype(np.uint8)
    hashes = image_set.write_images(path, pixels, COUNT, (28, 28, 1), names)
    splits = ["train" if i % 2 else "test" for i in range(COUNT)]
    image_set.write_table(
        path, splits, [i % 3 for i in range(COUNT)], ["here"] * COUNT, hashes, names
    )
    return image_set.ImageSet.open(path)


@pytest.fixture(scope="session")
def model(images):
    made = assemble(small_resnet(images), images, 0, torch.device("cpu"))
    with torch.no_grad():
        made.network.fc.weight *= 20
    return made


@pytest.fixture(scope="session")
def blank(model, images):
    return untrained(model, images, "matched", 0)


@pytest.fixture(scope="session")
def held_out(images):
    return np.flatnonzero(images.table["split"] == "test")[:40]


@pytest.fixture(scope="session")
def subject(model, images, held_out):
    return read(model, images, held_out)


@pytest.fixture(scope="session")
def layer(model, images, held_out, tmp_path_factory):
    """layer2: its splice, store, and the rows of the subject's images."""
    path = tmp_path_factory.mktemp("stores") / "a.zarr"
    extract(model, images, np.arange(COUNT), [Target("a", "layer2", path)], EXTRACT)
    return Layer(splicing.splice(model, images, "layer2"), open_store(path), held_out)


class Reads(nn.Module):
    """Three logits, each the mean of a corner's pixels."""

    def forward(self, x):
        corners = (x[..., :14, :14], x[..., :14, 14:], x[..., 14:, :14])
        return 8 * torch.stack([corner.mean((1, 2, 3)) for corner in corners], 1)


@pytest.fixture(scope="session")
def known(model, images, held_out):
    """The same images for a network of which is known what it reads."""
    return read(dataclasses.replace(model, network=Reads().eval()), images, held_out)
