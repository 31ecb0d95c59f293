"""Latents beside directions that nobody learnt, by the same rules."""

import numpy as np
import pandas as pd
import pytest
import torch

from tickle_core.dictionaries import image_features, reading, stream
from tickle_core.dictionaries.components import principal_components
from tickle_core.dictionaries.latents import LatentStatistics
from tickle_core.dictionaries.sae import SparseAutoencoder

IMAGES, POSITIONS, D, CLASSES = 800, 4, 24, 2


@pytest.fixture
def layer(store_of):
    """One token of each image lies along the axis of its class; the SAE's latents are the axes."""
    rng = np.random.default_rng(0)
    tokens = 0.5 * rng.standard_normal((IMAGES, POSITIONS, D)).astype(np.float32)
    labels = np.arange(IMAGES) // 4 % CLASSES  # of train and of held-out images alike
    tokens[np.arange(IMAGES), rng.integers(0, POSITIONS, IMAGES), labels] += 2
    sae = SparseAutoencoder(D, D, "topk", 2)
    with torch.no_grad():
        sae.w_dec.copy_(torch.eye(D))
        sae.w_enc.copy_(torch.eye(D))
    return store_of(tokens, labels=labels), sae, labels


def read(store, sae, labels, names=("a", "b"), top=4):
    sample = stream.sample_tokens(store, store.train_rows, 1, 0)
    features = image_features.features(sae, sample, principal_components(sample), 0)
    held_out = reading.HeldOut(features, store, 0)
    seen = LatentStatistics(len(sae.w_dec), top, torch.device("cpu"))
    with torch.no_grad():
        for rows, stored in store.token_blocks(store.test_rows):
            tokens, ids = torch.from_numpy(store.decode(stored)).float(), store.image_ids[rows]
            latents = seen.add(sae.codes(tokens.flatten(0, 1)), ids)
            held_out.add(ids, tokens, latents)
    test = held_out.matrices()
    return reading.read(held_out, features, seen, store, labels, list(names), 0), test, features


def test_latents_that_stand_for_a_class_are_beyond_random_directions(layer):
    found, _, _ = read(*layer)
    table = found.latents.set_index("latent")
    assert table.loc[[0, 1], "best_class"].tolist() == ["a", "b"]
    assert (table.loc[[0, 1], ["auc", "purity"]] > 0.9).all(axis=None)
    sparse = found.metrics["sparse_probing"]
    assert sparse["k1"]["value"] == pytest.approx(1, abs=0.05)
    assert sparse["beyond"]["k1"]["interval"][0] > 0
    assert found.metrics["probe"]["latents"]["value"] > 0.9
    # The channels are the latents here, but for the sign.
    assert sparse["rivals"]["channels"]["k1"]["value"] == pytest.approx(1, abs=0.05)


def test_random_directions_tell_classes_too(layer):
    """Where the layer knows the class, a share of them ranks it, and that is the null."""
    found, _, _ = read(*layer)
    telling = found.metrics["classes"]["telling_share"]
    assert telling["null"]["value"] > 0.3


def test_labels_that_are_independent_of_everything_are_told_by_nobody(layer):
    store, sae, _ = layer
    shuffled = np.random.default_rng(1).permutation(IMAGES) % CLASSES
    found, _, _ = read(store, sae, shuffled)
    classes = found.metrics["classes"]
    assert classes["median_auc"]["value"] < 0.6 and classes["median_auc"]["null"]["value"] < 0.6
    assert abs(classes["purity"]["value"] - classes["purity"]["null"]["value"]) < 0.15


def test_features_are_maxima_over_the_positions_of_an_image(layer):
    store, sae, labels = layer
    _, test, features = read(store, sae, labels)
    tokens = torch.from_numpy(store.tokens[:][store.is_test]).float()
    around = tokens - features.mean
    for name, directions in features.directions.items():
        expected = (around @ directions.T).max(1).values
        np.testing.assert_allclose(test[name], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(test["latents"], sae.encode(tokens).detach().amax(1), atol=1e-6)
    assert features.directions["channels"].shape == features.directions["components"].shape
    assert len(features.directions["channels"]) == 2 * D
    again = image_features.read(features, store, store.test_rows, 5)
    for name, values in test.items():
        np.testing.assert_allclose(again[name], values, rtol=1e-4, atol=1e-5)


def test_classes_of_too_few_images_give_reasons(layer):
    store, sae, _ = layer
    labels = np.arange(IMAGES)
    found, _, _ = read(store, sae, labels, names=[f"class {n}" for n in labels])
    for each in ("telling_share", "median_auc", "purity"):
        assert found.metrics["classes"][each]["value"] is None
        assert found.metrics["classes"][each]["why"]


def test_a_channel_counts_once_with_its_better_sign():
    aucs = pd.Series([0.5, 0.9, np.nan, np.nan, 0.7, 0.6, 0.8, np.nan])
    assert reading._better_sign(aucs).tolist() == [0.7, 0.9, 0.8]
