"""Clouds are points of the store, with the neighbours among those that are no copies."""

import numpy as np
import pytest

from tickle_core.activations import writer
from tickle_core.activations.picking import tokens_at
from tickle_core.activations.store import open_store
from tickle_core.errors import TickleError
from tickle_core.geometry import clouds
from tickle_core.geometry.neighbours import nearest

COUNT, POSITIONS, D = 90, 5, 7


@pytest.fixture
def store(tmp_path):
    """A class token and four patches of 90 images, the last two of which are one image twice."""
    tokens = np.random.default_rng(0).standard_normal((COUNT, POSITIONS, D)).astype(np.float32)
    tokens[-1] = tokens[-2]
    layout = writer.Layout(POSITIONS, D, 2, ["class"], (2, 2), "float32", 32)
    ids = np.arange(COUNT)
    writer.create_store(tmp_path / "a.zarr", layout, ids, ids % 2, ids >= 30)
    filling = writer.StoreWriter(tmp_path / "a.zarr")
    for start in range(0, COUNT, 32):
        part = tokens[start : start + 32]
        filling.add(start, part[:, 1:].mean(1), np.zeros((len(part), 2), np.float32), part)
    return open_store(tmp_path / "a.zarr")


def test_single_tokens_are_those_of_their_rows(store):
    rows, positions = np.array([3, 31, 32, 89]), np.array([0, 4, 2, 1])
    found = tokens_at(store, rows, positions)
    whole = np.concatenate([tokens for _, tokens in store.token_blocks(np.arange(COUNT))])
    np.testing.assert_array_equal(found, whole[rows, positions])


@pytest.mark.parametrize("unit", clouds.UNITS)
def test_what_is_written_is_read(store, tmp_path, unit):
    rows = store.test_rows
    clouds.write(store, rows, 12, 0, tmp_path)
    found = clouds.read(store, tmp_path, unit)
    assert len(found.points) + found.copies == len(rows)
    expected = nearest(found.points, 12)
    np.testing.assert_array_equal(found.neighbours.indices, expected.indices)
    np.testing.assert_allclose(found.neighbours.distances, expected.distances)
    if unit == "image":
        assert found.copies == 1
        np.testing.assert_array_equal(found.points, store.pooled()[rows[:-1]])
        assert found.images.tolist() == list(range(59))


def test_some_images_keep_their_places_among_the_held_out(store, tmp_path):
    clouds.write(store, store.test_rows[10:50:2], 12, 0, tmp_path)
    assert clouds.read(store, tmp_path, "image").images.tolist() == list(range(10, 50, 2))


def test_damage_is_named(store, tmp_path):
    clouds.write(store, store.test_rows, 12, 0, tmp_path)
    files = (tmp_path / "image.zarr/indices").rglob("*")
    next(path for path in files if path.is_file() and path.name != "zarr.json").unlink()
    with pytest.raises(TickleError, match="indices"):
        clouds.read(store, tmp_path, "image")
