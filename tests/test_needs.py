"""What is too much for the machine, or too little to work with, is refused before any work."""

from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from tests.params.refusals import changed
from tickle_core import needs
from tickle_core.datasets import image_set
from tickle_core.datasets.image_set import ImageSet
from tickle_core.errors import TickleError
from tickle_core.params import reading

ROOT = Path(__file__).parents[1]
VALUES = reading.read(ROOT / "params.yaml")
IMAGE = (1, 1, 28, 28)
LAYERS = {"early": (1, 32, 14, 14), "middle": (1, 64, 7, 7), "late": (1, 128, 4, 4)}


@pytest.fixture(autouse=True)
def memory(monkeypatch):
    Memory = namedtuple("Memory", "total")
    monkeypatch.setattr(needs.psutil, "virtual_memory", lambda: Memory(16 * 2**30))
    monkeypatch.chdir(ROOT)


def test_the_default_fits_into_16_gib():
    needs.require_memory(reading.parse(VALUES), IMAGE, LAYERS)


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        ("extract.batch_size", 1_000_000, "takes 45.6 GiB"),
        ("model.batch_size", 1_000_000, "model.batch_size is 1,000,000"),
        ("sae.buffer_mib", 16_385, "takes 16.0 GiB"),
        # Two matrices with their gradients and moments: 8 * 4 bytes * 64 * 10^6, and * 128.
        ("sae.latents", 1_000_000, r"sae.latents \(late\) is 1,000,000, which takes 3.8 GiB"),
        ("sae.seeds", 100_000, r"sae.seeds \(middle\)"),
        ("sae.top_images", 1_000_000, r"sae.top_images \(middle\)"),
    ],
)
def test_what_does_not_fit_is_named_with_what_it_takes(place, value, told, monkeypatch):
    if place in ("sae.latents", "sae.top_images"):
        Memory = namedtuple("Memory", "total")
        monkeypatch.setattr(needs.psutil, "virtual_memory", lambda: Memory(2 * 2**30))
    params = reading.parse(changed(VALUES, place, value))
    with pytest.raises(TickleError, match=told):
        needs.require_memory(params, IMAGE, LAYERS)


def make_set(path, train, test, classes=10):
    """Distinct images, evenly over the classes of Fashion-MNIST."""
    names = [*image_classes()][:classes]
    count = train + test
    pixels = [np.full((2, 2, 1), 0, np.uint8) for _ in range(count)]
    for place, image in enumerate(pixels):
        image[0, 0], image[0, 1] = place % 256, place // 256
    path.mkdir()
    hashes = image_set.write_images(path, pixels, count, (2, 2, 1), names)
    labels = [place % classes for place in range(count)]
    splits = ["train"] * train + ["test"] * test
    image_set.write_table(path, splits, labels, [str(i) for i in range(count)], hashes, names)
    return ImageSet.open(path)


def image_classes():
    from tickle_core.datasets.fashion_mnist import CLASS_NAMES

    return CLASS_NAMES


def test_enough_images_are_taken(tmp_path):
    needs.require_images(reading.parse(VALUES), make_set(tmp_path / "set", 200, 100))


def test_too_few_held_out_images_are_told_with_the_number(tmp_path):
    images = make_set(tmp_path / "set", 200, 19)
    with pytest.raises(TickleError, match=r"distinct images 19 are held out, and .* need 20"):
        needs.require_images(reading.parse(VALUES), images)


def test_concepts_of_too_few_images_are_told_with_the_number(tmp_path):
    images = make_set(tmp_path / "set", 40, 40)
    with pytest.raises(TickleError, match=r"has \d+ train images, of 10 at least"):
        needs.require_images(reading.parse(VALUES), images)


def test_of_copies_one_counts(tmp_path):
    images = make_set(tmp_path / "set", 200, 100)
    table = images.table.copy()
    table.loc[table["split"] == "test", "content"] = "the same"
    copies = ImageSet(**vars(images) | {"table": table})
    with pytest.raises(TickleError, match="distinct images 1 are held out"):
        needs.require_images(reading.parse(VALUES), copies)
