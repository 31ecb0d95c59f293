"""What latents do on a stream: streamed in blocks, the same as all at once."""

import numpy as np
import pytest
import torch

from tickle_core.dictionaries.latents import LatentStatistics, strongest
from tickle_core.dictionaries.sae import SparseAutoencoder

IMAGES, POSITIONS, LATENTS, TOP = 60, 9, 24, 5


@pytest.fixture(scope="module")
def sae():
    made = SparseAutoencoder(8, LATENTS, "topk", 3)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in (made.w_enc, made.w_dec):
            weight.copy_(torch.randn(LATENTS, 8, generator=generator))
        made.b_enc[-1] = -100  # never active
    return made


@pytest.fixture(scope="module")
def acts():
    return torch.randn(IMAGES, POSITIONS, 8, generator=torch.Generator().manual_seed(1))


def test_tables_equal_a_direct_computation(sae, acts):
    statistics = LatentStatistics(LATENTS, TOP, torch.device("cpu"))
    ids = np.arange(IMAGES) * 7 + 3
    maxima = [
        statistics.add(sae.codes(acts[rows].flatten(0, 1)), ids[rows])
        for rows in np.split(np.arange(IMAGES), [1, 20, 21, 50])
    ]
    z = sae.encode(acts).detach().numpy()  # (images, positions, latents)
    np.testing.assert_array_equal(torch.cat(maxima).numpy(), z.max(1))
    flat = z.reshape(-1, LATENTS).astype(np.float64)
    table = statistics.table()
    np.testing.assert_allclose(table["density"], (flat > 0).mean(0))
    np.testing.assert_allclose(table["mean"], flat.mean(0), rtol=1e-6)
    np.testing.assert_allclose(table["mean_square"], np.square(flat).mean(0), rtol=1e-6)
    np.testing.assert_allclose(table["max"], flat.max(0))
    top = statistics.top_images()
    assert LATENTS - 1 not in set(top["latent"])
    assert set(top["latent"]) == set(np.flatnonzero(flat.max(0)))
    for latent, entries in top.groupby("latent"):
        expected = np.sort(z[:, :, latent].max(1))[::-1][:TOP]
        expected = expected[expected > 0]
        np.testing.assert_array_equal(entries["rank"], np.arange(len(expected)))
        np.testing.assert_array_equal(entries["value"], expected)
        for entry in entries.itertuples():
            row = np.flatnonzero(ids == entry.image_id)[0]
            assert z[row, entry.position, latent] == np.float32(entry.value)


def test_the_strongest_position_is_the_first_of_equals(sae):
    token = torch.randn(1, 8, generator=torch.Generator().manual_seed(2))
    codes = sae.codes(token.repeat(4, 1))
    strengths, positions = strongest(codes, 2)
    active = strengths[0] > 0
    assert active.sum() == 3
    assert (positions[:, active] == 0).all()
