"""The gradient screen: exact where the tail is linear, one pass; and images with their donors."""

import numpy as np
import pytest
import torch

from tests.circuits.small_layers import make_layer, random, random_latents
from tickle_core.circuits import images as images_module
from tickle_core.circuits.activity import KINDS, measure
from tickle_core.circuits.effects import edited_logits, exact_effects
from tickle_core.circuits.images import batches, derangement, read_images
from tickle_core.circuits.ranking import screen
from tickle_core.interventions.units import Directions, channels

IMAGES, POSITIONS, D, CLASSES, LATENTS = 21, 6, 8, 4, 24


WEIGHT = random(CLASSES, POSITIONS, D, seed=1)


def linear(acts):
    return torch.einsum("npd,cpd->nc", acts, WEIGHT)


def curved(acts):
    return torch.einsum("npd,cpd->nc", torch.tanh(acts), WEIGHT)


FAMILIES = {
    "channels": channels(D, torch.device("cpu")),
    "topk": random_latents(D, LATENTS),
    "relu": random_latents(D, LATENTS, "relu"),
    "directions": Directions(torch.linalg.qr(random(D, D, seed=5))[0]),
}


@pytest.fixture
def layer(tmp_path):
    return lambda tokens, run, prefix=(): make_layer(tmp_path / "a.zarr", tokens, run, prefix)


@pytest.fixture
def tokens():
    return random(IMAGES, POSITIONS, D) + 0.5


def screened(families, store, splice, rows):
    """The screen of some images, the mean ablation by their own means; and their activity."""
    images = read_images(store, rows, 0)
    active = measure(families, images, store, splice, 0)
    means = {name: each.mean for name, each in active.items()}
    return screen(families, means, images, store, splice), active, images


@pytest.mark.parametrize("prefix", [(), ("class",)])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_screen_of_a_linear_tail_is_exact(layer, tokens, family, prefix):
    tokens[:, : len(prefix)] += 2  # a kind of token with means of its own
    store, splice = layer(tokens, linear, prefix)
    units = FAMILIES[family]
    found, active, images = screened({family: units}, store, splice, np.arange(IMAGES))
    assert len(active[family].mean) == 1 + len(prefix)
    sets = {kind: [(unit,) for unit in range(len(units.directions))] for kind in KINDS}
    layer_mean = np.zeros((1 + len(prefix), D))
    exact = exact_effects(
        units, sets, active[family].mean, layer_mean, images, store, splice, np.array([0])
    )
    for kind in KINDS:
        effects = exact[kind].predicted
        signed, size = found[family].signed[kind], found[family].size[kind]
        assert np.abs(effects).max() > 1
        np.testing.assert_allclose(signed, effects.mean(1), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(size, np.abs(effects).mean(1), rtol=1e-4, atol=1e-4)


def test_the_screen_of_a_curved_tail_is_the_start_of_the_ablation(layer, tokens):
    """A step of 1 % towards the ablated coefficient changes the logit by 1 % of the screen."""
    store, splice = layer(tokens, curved)
    units = FAMILIES["topk"]
    ranked = screened({"latents": units}, store, splice, np.arange(IMAGES))[0]["latents"]
    everything = torch.arange(LATENTS)
    own = units.coefficients(tokens.flatten(0, 1), everything).view(IMAGES, POSITIONS, -1)
    pairs = torch.cartesian_prod(everything, torch.arange(IMAGES))
    with torch.no_grad():
        clean = splice.logits(tokens, np.arange(IMAGES))
        parts = edited_logits(
            splice,
            tokens,
            np.arange(IMAGES),
            -0.01 * own,
            units.directions,
            list(everything[:, None]),
            pairs,
        )
        logits = torch.cat([found for _, found, _ in parts]).view(LATENTS, IMAGES, -1)
    drops = (clean - logits).gather(2, clean.argmax(1).expand(LATENTS, -1)[..., None]).squeeze(2)
    scale = np.abs(ranked.signed["zero"]).max()
    np.testing.assert_allclose(
        drops.double().mean(1) / 0.01, ranked.signed["zero"], atol=0.01 * scale
    )


def test_batches_change_nothing(layer, tokens, monkeypatch):
    store, splice = layer(tokens, curved)
    rows = np.arange(1, IMAGES, 2)
    whole, active, _ = screened(FAMILIES, store, splice, rows)
    monkeypatch.setattr(images_module, "MOST_TOKENS", 3 * POSITIONS)
    parts, again, images = screened(FAMILIES, store, splice, rows)
    assert len(list(batches(images, splice))) == 4
    for family in FAMILIES:
        np.testing.assert_allclose(again[family].variance, active[family].variance, rtol=1e-4)
        for kind in KINDS:
            np.testing.assert_allclose(
                parts[family].signed[kind], whole[family].signed[kind], rtol=1e-4, atol=1e-5
            )
            np.testing.assert_allclose(
                again[family].energy[kind], active[family].energy[kind], rtol=1e-4, atol=1e-5
            )


@pytest.mark.parametrize("count", [2, 5, 12])
def test_every_image_has_another_one_as_its_donor_and_is_one_itself(
    layer, tokens, monkeypatch, count
):
    monkeypatch.setattr(images_module, "MOST_TOKENS", 3 * POSITIONS)
    store, splice = layer(tokens, linear)
    rows = np.arange(IMAGES - count, IMAGES)
    found = list(batches(read_images(store, rows, 0), splice))
    own, donors = (
        torch.cat([getattr(each, name) for each in found]) for name in ("tokens", "donors")
    )
    np.testing.assert_array_equal(np.concatenate([each.ids for each in found]), rows)
    assert torch.equal(own, tokens[rows])
    same = (donors[:, None] == tokens[rows][None]).flatten(2).all(2)
    assert torch.equal(same.sum(0), torch.ones(count, dtype=torch.int64))
    assert torch.equal(same.sum(1), torch.ones(count, dtype=torch.int64))
    assert not same.diagonal().any()


def test_donors_do_not_depend_on_how_far_apart_images_stand():
    """In a data set sorted by ten classes every class is given donors of all the others."""
    classes = np.arange(200) // 20
    given = np.zeros((10, 10), int)
    for seed in range(20):
        donors = derangement(200, seed)
        assert np.array_equal(np.sort(donors), np.arange(200))
        assert not np.any(donors == np.arange(200))
        np.add.at(given, (classes, classes[donors]), 1)
    expected = 20 * 20 * np.where(np.eye(10), 19, 20) / 199
    assert np.all(np.abs(given - expected) < 5 * np.sqrt(expected))
    assert np.array_equal(derangement(2, 0), [1, 0])


def test_all_families_cost_one_pass_forward_and_backward(layer, tokens):
    store, splice = layer(tokens, curved)
    screened(FAMILIES, store, splice, np.arange(10))
    assert splice.tail.forward_passes == 10
    assert splice.tail.backward_passes == 10
