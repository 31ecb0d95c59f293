"""Heat maps: a dense encoding of chosen images, read from few chunks."""

import numpy as np
import pytest
import torch

from tickle_core import arrays
from tickle_core.activations import writer
from tickle_core.activations.store import open_store
from tickle_core.dictionaries.heatmaps import heat_maps
from tickle_core.dictionaries.sae import SparseAutoencoder
from tickle_core.errors import TickleError

COUNT, POSITIONS, D, LATENTS = 30, 7, 5, 16  # positions: a class token and a grid of 2 x 3
VARIANTS = ("topk", "batchtopk", "jumprelu", "matryoshka", "relu")


@pytest.fixture(scope="module", params=["float16", "bfloat16"])
def store(request, tmp_path_factory):
    """Images 10, 13, 16, ... in three shards, each of which is one chunk."""
    path = tmp_path_factory.mktemp("heat") / "a.zarr"
    rng = np.random.default_rng(0)
    tokens = torch.from_numpy(rng.standard_normal((COUNT, POSITIONS, D)).astype(np.float32))
    stored = tokens.half() if request.param == "float16" else tokens.bfloat16().view(torch.uint16)
    layout = writer.Layout(POSITIONS, D, 2, ["class"], [2, 3], request.param, 10)
    ids = 10 + 3 * np.arange(COUNT)
    writer.create_store(path, layout, ids, ids % 2, ids % 2 == 0)
    columns = tokens.mean(1).numpy(), np.zeros((COUNT, 2), np.float32), stored.numpy()
    filled = writer.StoreWriter(path)
    for start in range(0, COUNT, 10):
        filled.add(start, *(column[start : start + 10] for column in columns))
    return open_store(path)


def make_sae(variant="topk", d=D):
    generator = torch.Generator().manual_seed(1)
    made = SparseAutoencoder(d, LATENTS, variant, 3)
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
        made.threshold.abs_()
    return made


def dense(sae, store):
    """(N, positions, latents), everything at once."""
    [(_, acts)] = store.token_blocks(np.arange(COUNT))
    return sae.encode(torch.from_numpy(acts).float()).detach().numpy()


@pytest.mark.parametrize("variant", VARIANTS)
def test_maps_equal_a_dense_encoding(store, variant):
    sae = make_sae(variant)
    rng = np.random.default_rng(2)
    rows, latents = rng.integers(COUNT, size=60), rng.integers(LATENTS, size=60)
    maps = heat_maps(sae, store, store.image_ids[rows], latents)
    expected = dense(sae, store)[rows, :, latents]
    assert maps.shape == (60, POSITIONS)
    assert (expected > 0).any()
    np.testing.assert_allclose(maps, expected, rtol=1e-5, atol=1e-6)


def test_only_the_chunks_of_these_images_are_read_and_each_of_them_once(store, monkeypatch):
    read = []

    def recorded(array, start, stop):
        read.append((start, stop))
        return read_rows(array, start, stop)

    read_rows = arrays.read_rows
    monkeypatch.setattr(arrays, "read_rows", recorded)
    ids = store.image_ids[[25, 2, 9, 29, 2]]
    heat_maps(make_sae(), store, ids, np.zeros(5, int))
    assert read == [(0, 10), (20, 30)]


def test_no_pairs_have_no_maps(store):
    assert heat_maps(make_sae(), store, np.array([]), np.array([])).shape == (0, POSITIONS)


@pytest.mark.parametrize("image_id", [9, 11, 100, -1])
def test_an_image_that_was_not_extracted_is_named(store, image_id):
    with pytest.raises(TickleError, match=f"holds no image {image_id}:"):
        heat_maps(make_sae(), store, np.array([10, image_id]), np.array([0, 0]))


@pytest.mark.parametrize("latent", [-1, LATENTS])
def test_a_latent_that_does_not_exist_is_named(store, latent):
    with pytest.raises(TickleError, match=f"no latent {latent}$"):
        heat_maps(make_sae(), store, np.array([10, 10]), np.array([0, latent]))


def test_an_sae_of_another_layer_is_refused(store):
    with pytest.raises(TickleError, match="tokens of 5 channels, but the SAE takes 6"):
        heat_maps(make_sae(d=6), store, np.array([10]), np.array([0]))
