"""Each latent's best concept: planted ones are found, and random directions are the measure."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.concepts.conftest import concept, make_items
from tests.concepts.small_layers import make_layer
from tickle_core.concepts import latents
from tickle_core.dictionaries import stream
from tickle_core.dictionaries.sae import SparseAutoencoder

D, LATENTS = 16, 24


def dictionary(directions):
    sae = SparseAutoencoder(D, LATENTS, "topk", 3)
    with torch.no_grad():
        sae.w_dec.copy_(F.normalize(torch.from_numpy(directions).float()))
        sae.w_enc.copy_(sae.w_dec)
        sae.b_dec.zero_()
    return sae


@pytest.fixture
def planted(tmp_path):
    """Items of which half show the first atom in one position; the others show other atoms."""
    items = make_items(300, 200)
    rng = np.random.default_rng(0)
    atoms = np.linalg.qr(rng.normal(size=(D, D)))[0]
    members = np.flatnonzero(rng.random(500) < 0.5)
    tokens = 0.1 * rng.normal(size=(500, 4, D))
    tokens += 2 * atoms[rng.integers(1, D, (500, 4))]
    tokens[members, rng.integers(0, 4, len(members))] += 3 * atoms[0]
    layer, _ = make_layer(tmp_path / "a.zarr", tokens, items, lambda acts: acts[:, 0, :2])
    sample = stream.sample_tokens(layer.store, layer.store.train_rows, 1, 0)
    return items, layer, sample, atoms, members


def test_the_latent_that_is_the_concept_finds_it(planted):
    items, layer, sample, atoms, members = planted
    others = np.random.default_rng(1).normal(size=(LATENTS - D, D))
    sets = [concept(items, members, "planted"), concept(items, np.arange(0, 500, 5), "nothing")]
    sae = dictionary(np.concatenate([atoms, others]))
    metrics, table = latents.best_concepts(sae, sample, sets, items, layer, 0)
    first = table.set_index("latent").loc[0]
    assert first["concept"] == "planted"
    assert first["auc"] > 0.99
    assert metrics["telling_share"]["null"] == 0.05
    assert 0 < metrics["telling_share"]["value"] < 0.5


def test_without_a_concept_latents_do_as_random_directions_do(planted):
    items, layer, sample, atoms, _ = planted
    rng = np.random.default_rng(2)
    sets = [concept(items, rng.choice(500, 250, replace=False), f"c{n}") for n in range(4)]
    sae = dictionary(np.concatenate([atoms, rng.normal(size=(LATENTS - D, D))]))
    metrics, _ = latents.best_concepts(sae, sample, sets, items, layer, 0)
    # Chosen on train images and judged on others: no gain from choosing the best of four.
    assert metrics["median_auc"]["value"] == pytest.approx(0.5, abs=0.05)
    assert metrics["median_auc"]["null"]["value"] == pytest.approx(0.5, abs=0.05)


def test_latents_that_never_fire_have_no_concept(planted):
    items, layer, sample, atoms, members = planted
    sae = dictionary(np.concatenate([atoms, np.ones((LATENTS - D, D))]))
    with torch.no_grad():
        sae.b_enc[:] = -1e6
    metrics, table = latents.best_concepts(
        sae, sample, [concept(items, members, "planted")], items, layer, 0
    )
    assert len(table) == 0
    assert metrics["telling_share"]["why"] == "no latent fires"
