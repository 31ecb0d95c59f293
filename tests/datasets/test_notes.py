"""What a person is told of an image set."""

import numpy as np

from tickle_core.datasets import image_set
from tickle_core.datasets.image_set import ImageSet
from tickle_core.datasets.notes import notes
from tickle_core.datasets.skipping import Skipped


def make_set(path, values, splits, skipped=()):
    """Images of one value each; equal values are copies."""
    count = len(values)
    pixels = [np.full((2, 2, 1), value, np.uint8) for value in values]
    hashes = image_set.write_images(path, pixels, count, (2, 2, 1), ["a", "b"])
    labels, sources = [i % 2 for i in range(count)], [f"{i}.png" for i in range(count)]
    image_set.write_table(path, splits, labels, sources, hashes, ["a", "b"], skipped)
    return ImageSet.open(path)


def test_a_sound_set_gives_no_notes(tmp_path):
    assert notes(make_set(tmp_path, [1, 2, 3], ["train", "train", "test"])) == []


def test_what_was_skipped_and_what_has_copies_is_said(tmp_path):
    splits = ["train", "train", "test", "test"]
    images = make_set(tmp_path, [5, 5, 7, 8], splits, [Skipped("x.txt", "no image")])
    assert notes(images) == [
        "skipped in the folder (1): x.txt (no image)",
        "images that have copies (1), each of which counts once: 0.png = 1.png",
    ]


def test_copies_across_a_published_split_are_said(tmp_path):
    found = notes(make_set(tmp_path, [5, 6, 5], ["train", "train", "test"]))
    assert found[-1] == "images on both sides of the split that the set comes with: 1"


def test_many_copies_are_counted(tmp_path):
    values = [value for value in range(5) for _ in range(2)]
    (found,) = notes(make_set(tmp_path, values, ["train"] * 10))
    assert found.startswith(
        "images that have copies (5), each of which counts once: 0.png = 1.png; "
    )
    assert found.endswith("; and 2 more")
